/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/*
 * What depends on the terminal: colour and the progress line. Owns the palette, the
 * environment's say in it and the pace of progress; text without a terminal is plain.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "cli.h"

static enum { COLOUR_AUTO, COLOUR_ALWAYS, COLOUR_NEVER } colour;
static bool pretend_terminal;

bool cli_colour_choose(const char *when)
{
	static const char *const names[] = { "auto", "always", "never" };
	unsigned i;

	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (strcmp(when, names[i]) == 0) {
			colour = i;
			return true;
		}
	}
	return false;
}

void cli_terminal_pretend(void)
{
	pretend_terminal = true;
}

static bool is_terminal(FILE *stream)
{
	return pretend_terminal || isatty(fileno(stream));
}

static bool is_set(const char *name)
{
	const char *value = getenv(name);

	return value && *value;
}

static bool is_coloured(FILE *stream)
{
	const char *term = getenv("TERM");
	const char *force = getenv("CLICOLOR_FORCE");

	if (colour != COLOUR_AUTO)
		return colour == COLOUR_ALWAYS;
	if (is_set("NO_COLOR"))
		return false;
	if (force && *force && strcmp(force, "0") != 0)
		return true;
	return is_terminal(stream) && term && strcmp(term, "dumb") != 0;
}

const char *cli_ink(FILE *stream, enum cli_ink ink)
{
	static const char *const escapes[] = {
		[CLI_PLAIN] = "\033[0m", [CLI_STRONG] = "\033[1m", [CLI_FAINT] = "\033[2m",
		[CLI_GOOD] = "\033[32m", [CLI_NOTE] = "\033[33m",  [CLI_BAD] = "\033[31m",
	};

	return is_coloured(stream) ? escapes[ink] : "";
}

#define FIRST_SHOWN_NS (CLI_NS_PER_S / 2)
#define PACE_NS (CLI_NS_PER_S / 10)

uint64_t cli_now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * CLI_NS_PER_S + (uint64_t)now.tv_nsec;
}

void cli_progress_begin(struct cli_progress *progress, const char *label, uint64_t total)
{
	*progress = (struct cli_progress){ .label = label, .total = total };
	progress->enabled = is_terminal(stderr);
	progress->start_ns = cli_now_ns();
	progress->next_ns = progress->start_ns + FIRST_SHOWN_NS;
}

static void print_progress(const struct cli_progress *progress, uint64_t done, double elapsed)
{
	fprintf(stderr, "\r\033[K%s: %" PRIu64, progress->label, done);
	if (progress->total)
		fprintf(stderr, "/%" PRIu64, progress->total);
	if (progress->total > done && done)
		fprintf(stderr, ", %.0f s left",
			(double)(progress->total - done) * elapsed / (double)done);
	fflush(stderr);
}

void cli_progress_step(struct cli_progress *progress, uint64_t done)
{
	uint64_t now;

	if (!progress->enabled)
		return;
	now = cli_now_ns();
	if (now < progress->next_ns)
		return;
	print_progress(progress, done, (double)(now - progress->start_ns) / (double)CLI_NS_PER_S);
	progress->next_ns = now + PACE_NS;
	progress->shown = true;
}

void cli_progress_end(struct cli_progress *progress)
{
	if (progress->shown)
		fputs("\r\033[K", stderr);
	progress->enabled = false;
	progress->shown = false;
}
