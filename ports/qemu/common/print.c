/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* Formatted output on the serial line. */
#include <stdarg.h>

#include "board.h"

#define PATIENCE 10000000 /* turns to wait for a CPU that may have died while it printed */

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
