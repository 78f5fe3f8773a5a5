/* Receipts and the transfers in their logs. */
#ifndef BILLCOIN_RECEIPTS_H
#define BILLCOIN_RECEIPTS_H

#include "fields.h"

typedef struct {
    PyObject *root, *status, *cumulative_gas_used, *logs_bloom, *logs, *address, *topics, *data;
} Names;

extern Names names; /* of fields, made once */

int make_names(void);

PyObject *encode_receipt(PyObject *module, PyObject *receipt);
PyObject *read_transfers(PyObject *module, PyObject *arguments);

#endif
