/* Fields of JSON objects, by name and kind. */
#ifndef BILLCOIN_FIELDS_H
#define BILLCOIN_FIELDS_H

#include "rlp_output.h"

/* Kinds of fields, as ledger/usual.py names them; from 0 on it is data of so many bytes. */
#define ANY_LENGTH (-1)
#define QUANTITY (-2)
#define ADDRESS_OR_NONE (-3)
#define EMPTY_LIST (-4)

#define ADDRESS 20
#define WORD 32

/* A borrowed value of a dict, NULL where there is none. */
PyObject *value_of(PyObject *object, PyObject *name);

/* A borrowed list of what may be a dict, NULL where there is none. */
PyObject *list_of(PyObject *object, PyObject *name);

Outcome put_field(Output *output, PyObject *value, long kind);

PyObject *encode_fields(PyObject *module, PyObject *arguments);
PyObject *decode_data(PyObject *module, PyObject *arguments);

#endif
