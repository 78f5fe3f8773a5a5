#include "receipts.h"

#define BLOOM 256

Names names;

int make_names(void)
{
    return (names.root = PyUnicode_InternFromString("root")) &&
           (names.status = PyUnicode_InternFromString("status")) &&
           (names.cumulative_gas_used = PyUnicode_InternFromString("cumulativeGasUsed")) &&
           (names.logs_bloom = PyUnicode_InternFromString("logsBloom")) &&
           (names.logs = PyUnicode_InternFromString("logs")) &&
           (names.address = PyUnicode_InternFromString("address")) &&
           (names.topics = PyUnicode_InternFromString("topics")) &&
           (names.data = PyUnicode_InternFromString("data"));
}

static Outcome put_topics(Output *output, PyObject *topics)
{
    Py_ssize_t start;
    if (!open_list(output, &start))
        return FAILED;
    for (Py_ssize_t index = 0; index < PyList_GET_SIZE(topics); index++) {
        Outcome outcome = put_field(output, PyList_GET_ITEM(topics, index), WORD);
        if (outcome != DONE)
            return outcome;
    }
    close_list(output, start);
    return DONE;
}

static Outcome put_log(Output *output, PyObject *log)
{
    PyObject *topics = list_of(log, names.topics);
    Py_ssize_t start;
    Outcome outcome;
    if (topics == NULL)
        return UNUSUAL;
    if (!open_list(output, &start))
        return FAILED;
    if ((outcome = put_field(output, value_of(log, names.address), ADDRESS)) != DONE ||
        (outcome = put_topics(output, topics)) != DONE ||
        (outcome = put_field(output, value_of(log, names.data), ANY_LENGTH)) != DONE)
        return outcome;
    close_list(output, start);
    return DONE;
}

static Outcome put_logs(Output *output, PyObject *logs)
{
    Py_ssize_t start;
    if (!open_list(output, &start))
        return FAILED;
    for (Py_ssize_t index = 0; index < PyList_GET_SIZE(logs); index++) {
        Outcome outcome = put_log(output, PyList_GET_ITEM(logs, index));
        if (outcome != DONE)
            return outcome;
    }
    close_list(output, start);
    return DONE;
}

/* Before Byzantium a receipt named the state root instead of its status (EIP-658). */
static int has_state_root(PyObject *receipt)
{
    PyObject *root = value_of(receipt, names.root);
    return root != NULL && root != Py_None;
}

static Outcome put_receipt(Output *output, PyObject *receipt)
{
    PyObject *logs = list_of(receipt, names.logs);
    Py_ssize_t start;
    Outcome outcome;
    if (logs == NULL || has_state_root(receipt))
        return UNUSUAL;
    if (!open_list(output, &start))
        return FAILED;
    PyObject *gas = value_of(receipt, names.cumulative_gas_used);
    if ((outcome = put_field(output, value_of(receipt, names.status), QUANTITY)) != DONE ||
        (outcome = put_field(output, gas, QUANTITY)) != DONE ||
        (outcome = put_field(output, value_of(receipt, names.logs_bloom), BLOOM)) != DONE ||
        (outcome = put_logs(output, logs)) != DONE)
        return outcome;
    close_list(output, start);
    return DONE;
}

PyObject *encode_receipt(PyObject *Py_UNUSED(module), PyObject *receipt)
{
    Output output = {NULL, 0, 0};
    return result_of(&output, put_receipt(&output, receipt));
}
