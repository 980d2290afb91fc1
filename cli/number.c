/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/*
 * Numbers and sizes as text, both ways, and times. Owns the syntax of every number the
 * tool reads; knows no option and prints nothing.
 */
#include <ctype.h>
#include <inttypes.h>
#include <string.h>

#include "cli.h"

/* Units from K upward, in steps of 1024. The parser takes the first four. */
static const char units[] = "KMGTPE";
#define PARSED_UNITS "KMGT"

static int digit_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return 16;
}

/* Apply a suffix; returns how many characters it takes, or -1 when the value overflows. */
static int apply_suffix(char suffix, uint64_t *value)
{
	const char *unit = suffix ? strchr(PARSED_UNITS, toupper((unsigned char)suffix)) : NULL;
	unsigned shift;

	if (!unit)
		return 0;
	shift = 10 * (unsigned)(unit - PARSED_UNITS + 1);
	if (*value > UINT64_MAX >> shift)
		return -1;
	*value <<= shift;
	return 1;
}

const char *cli_number_parse(const char *text, uint64_t *value)
{
	bool hexadecimal = text[0] == '0' && (text[1] == 'x' || text[1] == 'X');
	int base = hexadecimal ? 16 : 10;
	const char *p = hexadecimal ? text + 2 : text;
	uint64_t sum = 0;
	int used;

	if (digit_value(*p) >= base)
		return "is not a number";
	for (; digit_value(*p) < base; p++) {
		if (__builtin_mul_overflow(sum, (uint64_t)base, &sum) ||
		    __builtin_add_overflow(sum, (uint64_t)digit_value(*p), &sum))
			return "does not fit 64 bits";
		if (p[1] == '_' && digit_value(p[2]) < base)
			p++;
	}
	used = apply_suffix(*p, &sum);
	if (used < 0)
		return "does not fit 64 bits";
	if (p[used])
		return "has something after the number";
	*value = sum;
	return NULL;
}

struct cli_text cli_size_exact(uint64_t bytes)
{
	struct cli_text out;
	char unit[2] = "";
	unsigned i;

	for (i = 0; i < strlen(PARSED_UNITS) && bytes && bytes % 1024 == 0; i++) {
		bytes /= 1024;
		unit[0] = units[i];
	}
	snprintf(out.text, sizeof(out.text), "%" PRIu64 "%s", bytes, unit);
	return out;
}

struct cli_text cli_size_human(uint64_t bytes)
{
	struct cli_text out;
	double scaled = (double)bytes;
	unsigned i = 0;

	/* 1023.995 would print as 1024.00: the next unit says it better. */
	while (scaled >= (bytes % 1024 ? 1023.995 : 1024.0) && i < strlen(units)) {
		scaled /= 1024;
		i++;
	}
	if (i == 0)
		snprintf(out.text, sizeof(out.text), "%" PRIu64 " B", bytes);
	else if (bytes % ((uint64_t)1 << (10 * i)) == 0)
		snprintf(out.text, sizeof(out.text), "%.0f %ciB", scaled, units[i - 1]);
	else
		snprintf(out.text, sizeof(out.text), "%.2f %ciB", scaled, units[i - 1]);
	return out;
}

struct cli_text cli_time_human(double ns)
{
	struct cli_text out;

	if (ns < 10e3)
		snprintf(out.text, sizeof(out.text), "%.0f ns", ns);
	else if (ns < 10e6)
		snprintf(out.text, sizeof(out.text), "%.1f us", ns / 1e3);
	else
		snprintf(out.text, sizeof(out.text), "%.1f ms", ns / 1e6);
	return out;
}
