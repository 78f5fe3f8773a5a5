#include "receipts.h"

#include <string.h>

#define PADDING (WORD - ADDRESS)
#define TRANSFER_TOPICS 3
#define TRANSFER_FIELDS 6

typedef struct {
    PyTypeObject *type; /* a tuple of six */
    const unsigned char *topic, *token;
    PyObject *tx_index, *tx_hash;
} Context;

/* Decode what must be `length` bytes; 0 if it is not. */
static int read_bytes(PyObject *value, Py_ssize_t length, unsigned char *bytes)
{
    Digits digits;
    return digits_of_length(value, length, &digits) && decode(digits.at, digits.count, bytes);
}

static int is_padded(const unsigned char *word)
{
    static const unsigned char padding[PADDING];
    return memcmp(word, padding, PADDING) == 0;
}

/* Append a transfer; takes the references, any of which may be NULL after a failure. */
static Outcome append_transfer(PyObject *found, PyTypeObject *type, PyObject **values)
{
    int whole = 1;
    for (int index = 0; index < TRANSFER_FIELDS; index++)
        whole = whole && values[index] != NULL;
    PyObject *transfer = whole ? type->tp_alloc(type, TRANSFER_FIELDS) : NULL;
    if (transfer == NULL) {
        for (int index = 0; index < TRANSFER_FIELDS; index++)
            Py_XDECREF(values[index]);
        return FAILED;
    }
    for (int index = 0; index < TRANSFER_FIELDS; index++)
        PyTuple_SET_ITEM(transfer, index, values[index]);
    int failed = PyList_Append(found, transfer);
    Py_DECREF(transfer);
    return failed ? FAILED : DONE;
}

static PyObject *address_in(const unsigned char *word)
{
    return PyBytes_FromStringAndSize((const char *)word + PADDING, ADDRESS);
}

static Outcome read_log(PyObject *found, const Context *context, PyObject *log, Py_ssize_t index)
{
    PyObject *topics = list_of(log, names.topics);
    unsigned char topic[WORD], sender[WORD], recipient[WORD], address[ADDRESS], amount[WORD];
    Digits data;
    if (topics == NULL)
        return UNUSUAL;
    if (PyList_GET_SIZE(topics) != TRANSFER_TOPICS)
        return DONE;
    if (!read_bytes(PyList_GET_ITEM(topics, 0), WORD, topic) ||
        !read_bytes(PyList_GET_ITEM(topics, 1), WORD, sender) ||
        !read_bytes(PyList_GET_ITEM(topics, 2), WORD, recipient) ||
        !read_bytes(value_of(log, names.address), ADDRESS, address) ||
        !digits_of(value_of(log, names.data), &data))
        return UNUSUAL;
    if (memcmp(topic, context->topic, WORD) || memcmp(address, context->token, ADDRESS) ||
        data.count != 2 * WORD || !is_padded(sender) || !is_padded(recipient))
        return DONE;
    if (!decode(data.at, data.count, amount))
        return UNUSUAL;
    PyObject *values[TRANSFER_FIELDS] = {
        PyLong_FromSsize_t(index), Py_NewRef(context->tx_index), Py_NewRef(context->tx_hash),
        address_in(sender), address_in(recipient),
        /* Every digit has been decoded, and the string ends with a NUL. */
        PyLong_FromString((const char *)data.at, NULL, 16),
    };
    return append_transfer(found, context->type, values);
}

static Outcome read_receipts(PyObject *found, Context *context, PyObject *receipts,
                             PyObject *tx_hashes)
{
    Py_ssize_t log_index = 0;
    if (PyList_GET_SIZE(receipts) != PyTuple_GET_SIZE(tx_hashes))
        return UNUSUAL;
    for (Py_ssize_t index = 0; index < PyList_GET_SIZE(receipts); index++) {
        PyObject *logs = list_of(PyList_GET_ITEM(receipts, index), names.logs);
        Outcome outcome = DONE;
        if (logs == NULL)
            return UNUSUAL;
        if ((context->tx_index = PyLong_FromSsize_t(index)) == NULL)
            return FAILED;
        context->tx_hash = PyTuple_GET_ITEM(tx_hashes, index);
        for (Py_ssize_t at = 0; outcome == DONE && at < PyList_GET_SIZE(logs); at++)
            outcome = read_log(found, context, PyList_GET_ITEM(logs, at), log_index++);
        Py_DECREF(context->tx_index);
        if (outcome != DONE)
            return outcome;
    }
    return DONE;
}

PyObject *read_transfers(PyObject *Py_UNUSED(module), PyObject *arguments)
{
    PyObject *receipts, *tx_hashes;
    Py_buffer topic, token;
    PyTypeObject *type;
    if (!PyArg_ParseTuple(arguments, "OOy*y*O!:read_transfers", &receipts, &tx_hashes, &topic,
                          &token, &PyType_Type, &type))
        return NULL;
    PyObject *found = NULL;
    Outcome outcome = UNUSUAL;
    if (topic.len == WORD && token.len == ADDRESS && PyType_IsSubtype(type, &PyTuple_Type) &&
        PyList_CheckExact(receipts) && PyTuple_CheckExact(tx_hashes)) {
        Context context = {type, topic.buf, token.buf, NULL, NULL};
        found = PyList_New(0);
        outcome = found ? read_receipts(found, &context, receipts, tx_hashes) : FAILED;
    }
    PyBuffer_Release(&topic);
    PyBuffer_Release(&token);
    if (outcome == DONE)
        return found;
    Py_XDECREF(found);
    return outcome == FAILED ? NULL : Py_NewRef(Py_None);
}
