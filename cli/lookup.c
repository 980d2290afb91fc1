/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/*
 * The formats the tool knows, by name, and what every command asks of one in its
 * options. A new built-in format adds one row here.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"

const struct ml_format *const cli_formats[] = {
	&ml_format_x86_64,
	&ml_format_arm64_4k,
	&ml_format_toy,
	NULL,
};

const struct ml_format *cli_format_or_die(const char *where, const char *name)
{
	const struct ml_format *const *format;
	char known[128];
	size_t used = 0;

	for (format = cli_formats; *format; format++) {
		if (strcmp((*format)->name, name) == 0)
			return *format;
		if (used < sizeof(known))
			used += (size_t)snprintf(known + used, sizeof(known) - used, "%s%s",
						 used ? ", " : "", (*format)->name);
	}
	cli_error(where, "unknown format '%s'", name);
	cli_hint("known formats: %s", known);
	exit(CLI_TROUBLE);
}

struct cli_text cli_ladder(const struct ml_format *format)
{
	struct cli_text out;
	size_t used = 0;
	unsigned rung;

	for (rung = 0; rung < format->rung_count && used < sizeof(out.text); rung++)
		used += (size_t)snprintf(
			out.text + used, sizeof(out.text) - used, "%s%s", rung ? ", " : "",
			cli_size_exact(UINT64_C(1) << format->rungs[rung].shift).text);
	return out;
}

unsigned cli_rung_or_die(const char *where, const struct ml_format *format, const char *size)
{
	const uint64_t bytes = cli_number_or_die(where, size);
	unsigned rung;

	for (rung = 0; rung < format->rung_count; rung++) {
		if (bytes == UINT64_C(1) << format->rungs[rung].shift)
			return rung;
	}
	cli_error(where, "%s has no leaf of %s", format->name, cli_size_exact(bytes).text);
	cli_hint("its leaf sizes: %s", cli_ladder(format).text);
	exit(CLI_TROUBLE);
}

const char *cli_types_register(const struct ml_format *format)
{
	switch (format->encoding) {
	case ML_ENCODING_X86_64:
		return "IA32_PAT";
	case ML_ENCODING_ARM64:
		return "MAIR_EL1";
	default:
		return NULL;
	}
}

void cli_check_aligned(const char *where, uint64_t value, uint64_t unit)
{
	const uint64_t below = value & ~(unit - 1);

	if (value == below)
		return;
	cli_error(where, "0x%" PRIx64 " is not a multiple of %s", value, cli_size_exact(unit).text);
	if (below <= UINT64_MAX - unit)
		cli_hint("0x%" PRIx64 " and 0x%" PRIx64 " are", below, below + unit);
	exit(CLI_TROUBLE);
}
