#include "rlp_output.h"

#include <string.h>

#define SHORT_LIMIT 55
#define LONGEST_PREFIX 9
#define QUANTITY_MAX_DIGITS 64
#define FIRST_CAPACITY 4096

static int make_room(Output *output, Py_ssize_t more)
{
    if (more <= output->capacity - output->length)
        return 1;
    if (more > PY_SSIZE_T_MAX / 4 || output->capacity > PY_SSIZE_T_MAX / 4) {
        PyErr_NoMemory();
        return 0;
    }
    Py_ssize_t capacity = 2 * (output->capacity + more) + FIRST_CAPACITY;
    unsigned char *bytes = PyMem_Realloc(output->bytes, (size_t)capacity);
    if (bytes == NULL) {
        PyErr_NoMemory();
        return 0;
    }
    output->bytes = bytes;
    output->capacity = capacity;
    return 1;
}

/* Write what stands before `length` bytes of a string (0x80) or a list (0xc0); gives its size. */
static Py_ssize_t write_prefix(unsigned char *at, unsigned base, Py_ssize_t length)
{
    if (length <= SHORT_LIMIT) {
        at[0] = (unsigned char)(base + (unsigned)length);
        return 1;
    }
    Py_ssize_t size = 0;
    for (Py_ssize_t rest = length; rest; rest >>= 8)
        size++;
    at[0] = (unsigned char)(base + SHORT_LIMIT + (unsigned)size);
    for (Py_ssize_t index = size; index; index--, length >>= 8)
        at[index] = (unsigned char)(length & 0xff);
    return 1 + size;
}

Outcome put_data(Output *output, Digits digits)
{
    Py_ssize_t length = digits.count / 2;
    if (digits.count % 2)
        return UNUSUAL;
    if (!make_room(output, LONGEST_PREFIX + length))
        return FAILED;
    unsigned char *at = output->bytes + output->length;
    unsigned char single;
    if (length == 1 && decode(digits.at, 2, &single) && single < 0x80) {
        *at = single;
        output->length++;
        return DONE;
    }
    Py_ssize_t prefix = write_prefix(at, 0x80, length);
    if (!decode(digits.at, digits.count, at + prefix))
        return UNUSUAL;
    output->length += prefix + length;
    return DONE;
}

Outcome put_quantity(Output *output, Digits digits)
{
    if (digits.count == 1 && digits.at[0] == '0')
        return put_data(output, (Digits){digits.at, 0});
    if (digits.count < 1 || digits.count > QUANTITY_MAX_DIGITS || digits.at[0] == '0')
        return UNUSUAL;
    if (digits.count % 2 == 0)
        return put_data(output, digits);
    unsigned char even[QUANTITY_MAX_DIGITS];
    even[0] = '0';
    memcpy(even + 1, digits.at, (size_t)digits.count);
    return put_data(output, (Digits){even, digits.count + 1});
}

int open_list(Output *output, Py_ssize_t *start)
{
    *start = output->length;
    if (!make_room(output, LONGEST_PREFIX))
        return 0;
    output->length += LONGEST_PREFIX;
    return 1;
}

void close_list(Output *output, Py_ssize_t start)
{
    Py_ssize_t payload = output->length - start - LONGEST_PREFIX;
    unsigned char *at = output->bytes + start;
    unsigned char prefix[LONGEST_PREFIX];
    Py_ssize_t size = write_prefix(prefix, 0xc0, payload);
    memmove(at + size, at + LONGEST_PREFIX, (size_t)payload);
    memcpy(at, prefix, (size_t)size);
    output->length = start + size + payload;
}

PyObject *result_of(Output *output, Outcome outcome)
{
    PyObject *result = NULL;
    if (outcome == DONE)
        result = PyBytes_FromStringAndSize((const char *)output->bytes, output->length);
    else if (outcome == UNUSUAL)
        result = Py_NewRef(Py_None);
    PyMem_Free(output->bytes);
    return result;
}
