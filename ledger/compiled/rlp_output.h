/* Recursive Length Prefix encoding (Yellow Paper, appendix B) out of hex digits. */
#ifndef BILLCOIN_RLP_OUTPUT_H
#define BILLCOIN_RLP_OUTPUT_H

#include "digits.h"

typedef enum { UNUSUAL, FAILED, DONE } Outcome; /* FAILED: a Python exception is set */

typedef struct {
    unsigned char *bytes; /* NULL at first; freed by `result_of` */
    Py_ssize_t length, capacity;
} Output;

Outcome put_data(Output *output, Digits digits);
Outcome put_quantity(Output *output, Digits digits);

/* Begin a list: room is left for the longest prefix, for its length is known at its end. */
int open_list(Output *output, Py_ssize_t *start);
void close_list(Output *output, Py_ssize_t start);

/* The output as bytes, None if it is unusual, NULL if that failed; the output is freed. */
PyObject *result_of(Output *output, Outcome outcome);

#endif
