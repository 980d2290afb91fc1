/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* Formatted output on the serial line. */
#include <stdarg.h>

#include "board.h"

static void put_text(const char *text)
{
	while (*text)
		isa_put(*text++);
}

static void put_number(uint64_t number, unsigned base)
{
	char digits[24] = { 0 };
	char *at = digits + sizeof(digits) - 1;

	do
		*--at = "0123456789abcdef"[number % base];
	while (number /= base);
	put_text(at);
}

/* One conversion, from behind its % to its end. */
static const char *put_field(const char *format, va_list *arguments)
{
	bool wide = false;
	int64_t number;

	for (; *format == 'l' || *format == 'z'; format++)
		wide = true;
	if (*format == 's') {
		put_text(va_arg(*arguments, const char *));
	} else if (*format == 'd') {
		number = wide ? va_arg(*arguments, int64_t) : va_arg(*arguments, int);
		put_text(number < 0 ? "-" : "");
		put_number(number < 0 ? 0 - (uint64_t)number : (uint64_t)number, 10);
	} else {
		put_number(wide ? va_arg(*arguments, uint64_t) : va_arg(*arguments, unsigned),
			   *format == 'x' ? 16 : 10);
	}
	return format + 1;
}

int board_printf(const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	while (*format) {
		if (*format == '%')
			format = put_field(format + 1, &arguments);
		else
			isa_put(*format++);
	}
	va_end(arguments);
	return 0;
}
