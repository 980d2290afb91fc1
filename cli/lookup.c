/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* The formats the tool knows, by name. A new built-in format adds one row here. */
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

	for (format = cli_formats; *format; format++) {
		if (strcmp((*format)->name, name) == 0)
			return *format;
	}
	cli_error(where, "unknown format '%s'", name);
	fputs("hint: known formats:", stderr);
	for (format = cli_formats; *format; format++)
		fprintf(stderr, "%s %s", format == cli_formats ? "" : ",", (*format)->name);
	fputc('\n', stderr);
	exit(CLI_TROUBLE);
}
