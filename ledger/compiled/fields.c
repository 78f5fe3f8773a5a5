#include "fields.h"

#define LONGEST_DATA (1L << 24)

PyObject *value_of(PyObject *object, PyObject *name)
{
    PyObject *value = PyDict_GetItemWithError(object, name);
    if (value == NULL)
        PyErr_Clear(); /* a name that cannot be looked up is not there */
    return value;
}

PyObject *list_of(PyObject *object, PyObject *name)
{
    PyObject *list = PyDict_CheckExact(object) ? value_of(object, name) : NULL;
    return list != NULL && PyList_CheckExact(list) ? list : NULL;
}

Outcome put_field(Output *output, PyObject *value, long kind)
{
    Digits digits;
    if (kind == EMPTY_LIST) {
        Py_ssize_t start;
        if (value == NULL || !PyList_CheckExact(value) || PyList_GET_SIZE(value))
            return UNUSUAL;
        if (!open_list(output, &start))
            return FAILED;
        close_list(output, start);
        return DONE;
    }
    if (kind == ADDRESS_OR_NONE) {
        if (value == NULL || value == Py_None)
            return put_data(output, (Digits){(const unsigned char *)"", 0});
        kind = ADDRESS;
    }
    if (!digits_of(value, &digits))
        return UNUSUAL;
    if (kind == QUANTITY)
        return put_quantity(output, digits);
    if (kind != ANY_LENGTH && digits.count != 2 * (Py_ssize_t)kind)
        return UNUSUAL;
    return put_data(output, digits);
}

/* The name and kind of a field; 0 and an exception if it is no such pair. */
static int read_field(PyObject *field, PyObject **name, long *kind)
{
    if (!PyTuple_Check(field) || PyTuple_GET_SIZE(field) != 2 ||
        !PyUnicode_Check(*name = PyTuple_GET_ITEM(field, 0))) {
        PyErr_SetString(PyExc_TypeError, "a field is a name and a kind");
        return 0;
    }
    *kind = PyLong_AsLong(PyTuple_GET_ITEM(field, 1));
    if (*kind == -1 && PyErr_Occurred())
        return 0;
    if (*kind > LONGEST_DATA) {
        PyErr_SetString(PyExc_OverflowError, "no field is as long");
        return 0;
    }
    return 1;
}

static Outcome put_fields(Output *output, PyObject *object, PyObject *fields)
{
    Py_ssize_t start;
    if (!open_list(output, &start))
        return FAILED;
    for (Py_ssize_t index = 0; index < PyTuple_GET_SIZE(fields); index++) {
        PyObject *name;
        long kind;
        if (!read_field(PyTuple_GET_ITEM(fields, index), &name, &kind))
            return FAILED;
        Outcome outcome = put_field(output, value_of(object, name), kind);
        if (outcome != DONE)
            return outcome;
    }
    close_list(output, start);
    return DONE;
}

PyObject *encode_fields(PyObject *Py_UNUSED(module), PyObject *arguments)
{
    PyObject *object, *fields;
    if (!PyArg_ParseTuple(arguments, "OO!:encode_fields", &object, &PyTuple_Type, &fields))
        return NULL;
    if (!PyDict_CheckExact(object))
        Py_RETURN_NONE;
    Output output = {NULL, 0, 0};
    return result_of(&output, put_fields(&output, object, fields));
}

PyObject *decode_data(PyObject *Py_UNUSED(module), PyObject *arguments)
{
    PyObject *value;
    Py_ssize_t length;
    Digits digits;
    if (!PyArg_ParseTuple(arguments, "On:decode_data", &value, &length))
        return NULL;
    if (length < 0 || length > PY_SSIZE_T_MAX / 2 || !digits_of_length(value, length, &digits))
        Py_RETURN_NONE;
    PyObject *data = PyBytes_FromStringAndSize(NULL, length);
    if (data == NULL || decode(digits.at, digits.count, (unsigned char *)PyBytes_AS_STRING(data)))
        return data;
    Py_DECREF(data);
    Py_RETURN_NONE;
}
