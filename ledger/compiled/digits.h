/* Hex strings of the Ethereum JSON-RPC: 0x and digits, in either case. */
#ifndef BILLCOIN_DIGITS_H
#define BILLCOIN_DIGITS_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>

typedef struct {
    const unsigned char *at; /* behind the 0x; owned by the string, followed by a NUL */
    Py_ssize_t count;
} Digits;

void fill_digit_values(void); /* before anything is decoded */

/* Whether a value is an ASCII string that begins with 0x. */
int digits_of(PyObject *value, Digits *digits);

/* Whether a value is data of `length` bytes, as far as its length tells. */
int digits_of_length(PyObject *value, Py_ssize_t length, Digits *digits);

/* Write `count / 2` bytes, `count` being even; 0 if something is no digit. */
int decode(const unsigned char *digits, Py_ssize_t count, unsigned char *bytes);

#endif
