/* The usual shapes of a node's answers, encoded and read in one pass: the module ledger._usual.
 *
 * Every function here gives None for whatever is not usual: another type of value, a missing field,
 * a digit that is none, a list that is not a list. It never judges and never raises for what a node
 * said; the Python beside each call does, which is the one definition of what is accepted. So what is
 * here may only ever answer as that Python would, which tests/property/test_usual.py holds it to.
 */
#include "receipts.h"

PyDoc_STRVAR(decode_data_doc,
"decode_data(value, length, /)\n--\n\n"
"The bytes of unformatted data, so many, or None.");

PyDoc_STRVAR(encode_fields_doc,
"encode_fields(object, fields, /)\n--\n\n"
"The RLP of the list of a JSON object's fields, each a name and its kind, or None.");

PyDoc_STRVAR(encode_receipt_doc,
"encode_receipt(receipt, /)\n--\n\n"
"The RLP of a receipt's payload, without its type, or None.");

PyDoc_STRVAR(read_transfers_doc,
"read_transfers(receipts, tx_hashes, topic, token, transfer_type, /)\n--\n\n"
"A list of the token's transfers in the receipts, of the given type of tuple, or None.");

static PyMethodDef methods[] = {
    {"decode_data", decode_data, METH_VARARGS, decode_data_doc},
    {"encode_fields", encode_fields, METH_VARARGS, encode_fields_doc},
    {"encode_receipt", encode_receipt, METH_O, encode_receipt_doc},
    {"read_transfers", read_transfers, METH_VARARGS, read_transfers_doc},
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT,
    .m_name = "ledger._usual",
    .m_doc = "The usual shapes of a node's answers, encoded and read in one pass.",
    .m_size = -1,
    .m_methods = methods,
};

PyMODINIT_FUNC PyInit__usual(void)
{
    fill_digit_values();
    return make_names() ? PyModule_Create(&definition) : NULL;
}
