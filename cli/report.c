/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/*
 * How the tool speaks of trouble: one line that says where and what, then a hint when
 * there is something to do about it. Owns stderr's wording and the exit of failures.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"

__attribute__((format(printf, 2, 0))) static void print_error(const char *where, const char *text,
							      va_list args)
{
	/* Results printed so far come first where both streams share a terminal or file. */
	fflush(stdout);
	fprintf(stderr, "%smaxleaf: %s%s%s", cli_ink(stderr, CLI_BAD), where, *where ? ": " : "",
		cli_ink(stderr, CLI_PLAIN));
	vfprintf(stderr, text, args);
	fputc('\n', stderr);
}

int cli_error(const char *where, const char *text, ...)
{
	va_list args;

	va_start(args, text);
	print_error(where, text, args);
	va_end(args);
	return CLI_TROUBLE;
}

void cli_hint(const char *text, ...)
{
	va_list args;

	fprintf(stderr, "%shint:%s ", cli_ink(stderr, CLI_NOTE), cli_ink(stderr, CLI_PLAIN));
	va_start(args, text);
	vfprintf(stderr, text, args);
	va_end(args);
	fputc('\n', stderr);
}

void cli_die(const char *where, const char *text, ...)
{
	va_list args;

	va_start(args, text);
	print_error(where, text, args);
	va_end(args);
	exit(CLI_TROUBLE);
}

uint64_t cli_number_or_die(const char *where, const char *text)
{
	uint64_t value = 0;
	const char *wrong = cli_number_parse(text, &value);

	if (!wrong)
		return value;
	cli_error(where, "'%s' %s", text, wrong);
	cli_hint("numbers are decimal or 0x, with `_` between digits and K, M, G or T at the end");
	exit(CLI_TROUBLE);
}

uint64_t cli_number_within_or_die(const char *where, const char *text, uint64_t least,
				  uint64_t most)
{
	const uint64_t value = cli_number_or_die(where, text);

	if (value < least || value > most)
		cli_die(where, "%s is not from %s to %s", text, cli_size_exact(least).text,
			cli_size_exact(most).text);
	return value;
}

int cli_finish(int status)
{
	if (fflush(stdout) == 0 && !ferror(stdout))
		return status;
	return cli_error("", "stdout: %s", strerror(errno));
}
