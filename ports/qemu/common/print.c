/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* Formatted output on the serial line. */
#include <stdarg.h>

#include "board.h"

#define PATIENCE 10000000 /* turns to wait for a CPU that may have died while it printed */

static void put_padded(const char *text, int length, int width)
{
	for (int i = length; i < width; i++)
		isa_put(' ');
	for (int i = 0; i < length; i++)
		isa_put(text[i]);
	for (int i = length; i < -width; i++)
		isa_put(' ');
}

static void put_text(const char *text, int width)
{
	int length = 0;

	while (text[length])
		length++;
	put_padded(text, length, width);
}

static void put_number(uint64_t number, unsigned base, bool minus, int width)
{
	char digits[24];
	int at = sizeof(digits);

	do
		digits[--at] = "0123456789abcdef"[number % base];
	while (number /= base);
	if (minus)
		digits[--at] = '-';
	put_padded(digits + at, (int)sizeof(digits) - at, width);
}

/* One conversion, from behind its % to its end; the width is negative for the left. */
static const char *put_field(const char *format, va_list *arguments)
{
	const bool left = *format == '-';
	bool wide = false;
	int width = 0;
	int64_t number;

	for (format += left; *format >= '0' && *format <= '9'; format++)
		width = width * 10 + (*format - '0');
	for (width = left ? -width : width; *format == 'l' || *format == 'z'; format++)
		wide = true;
	if (*format == 's') {
		put_text(va_arg(*arguments, const char *), width);
	} else if (*format == 'd') {
		number = wide ? va_arg(*arguments, int64_t) : va_arg(*arguments, int);
		put_number(number < 0 ? 0 - (uint64_t)number : (uint64_t)number, 10, number < 0,
			   width);
	} else if (*format == 'u' || *format == 'x') {
		put_number(wide ? va_arg(*arguments, uint64_t) : va_arg(*arguments, unsigned),
			   *format == 'x' ? 16 : 10, false, width);
	} else {
		isa_put(*format);
	}
	return format + 1;
}

static void print(const char *format, va_list *arguments)
{
	while (*format) {
		if (*format == '%')
			format = put_field(format + 1, arguments);
		else
			isa_put(*format++);
	}
}

int board_printf(const char *format, ...)
{
	static bool busy;
	va_list arguments;

	for (unsigned i = 0; __atomic_test_and_set(&busy, __ATOMIC_ACQUIRE) && i < PATIENCE; i++)
		isa_relax();
	va_start(arguments, format);
	print(format, &arguments);
	va_end(arguments);
	__atomic_clear(&busy, __ATOMIC_RELEASE);
	return 0;
}

_Noreturn void board_die(const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	isa_put('\n');
	print(format, &arguments); /* whoever is printing may be the one that dies */
	isa_put('\n');
	isa_exit(2);
}
