#include "digits.h"

#include <stdint.h>
#include <string.h>

static int8_t digit_values[256]; /* -1 for what is no digit */

void fill_digit_values(void)
{
    memset(digit_values, -1, sizeof digit_values);
    for (int value = 0; value < 10; value++)
        digit_values['0' + value] = (int8_t)value;
    for (int value = 0; value < 6; value++)
        digit_values['a' + value] = digit_values['A' + value] = (int8_t)(10 + value);
}

int digits_of(PyObject *value, Digits *digits)
{
    if (value == NULL || !PyUnicode_Check(value) || !PyUnicode_IS_COMPACT_ASCII(value))
        return 0;
    Py_ssize_t length = PyUnicode_GET_LENGTH(value);
    const unsigned char *text = PyUnicode_1BYTE_DATA(value);
    if (length < 2 || text[0] != '0' || text[1] != 'x')
        return 0;
    *digits = (Digits){text + 2, length - 2};
    return 1;
}

int digits_of_length(PyObject *value, Py_ssize_t length, Digits *digits)
{
    return digits_of(value, digits) && digits->count == 2 * length;
}

int decode(const unsigned char *digits, Py_ssize_t count, unsigned char *bytes)
{
    int seen = 0; /* negative as soon as one of them is no digit */
    for (Py_ssize_t index = 0; index < count; index += 2) {
        int high = digit_values[digits[index]], low = digit_values[digits[index + 1]];
        seen |= high | low;
        *bytes++ = (unsigned char)((unsigned)high << 4 | (unsigned)low);
    }
    return seen >= 0;
}
