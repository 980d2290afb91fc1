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

enum { KEY_RUNGS = 0x2000, KEY_LARGEST, KEY_LEVELS };

static const struct argp_option shape_options[] = {
	{ "rungs", KEY_RUNGS, "SIZE,...", 0,
	  "Allow these leaf sizes alone (the base page is always allowed)", 2 },
	{ "largest", KEY_LARGEST, "SIZE", 0, "Allow no leaf larger than this", 2 },
	{ "levels", KEY_LEVELS, "N", 0, "Levels of the table (default: the format's usual number)",
	  2 },
	{ 0 },
};

static error_t parse_shape(int key, char *arg, struct argp_state *state)
{
	struct cli_shape *shape = state->input;

	switch (key) {
	case KEY_RUNGS:
		shape->rungs = arg;
		return 0;
	case KEY_LARGEST:
		shape->largest = arg;
		return 0;
	case KEY_LEVELS:
		shape->levels = arg;
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

const struct argp cli_shape_argp = { .options = shape_options, .parser = parse_shape };

/* "plan: --levels", for messages. */
struct option_name {
	char text[32];
};

static struct option_name name_of(const char *command, const char *option)
{
	struct option_name name;

	snprintf(name.text, sizeof(name.text), "%s: --%s", command, option);
	return name;
}

unsigned cli_levels_or_die(const char *command, const struct ml_format *format,
			   const struct cli_shape *shape)
{
	const struct option_name where = name_of(command, "levels");
	uint64_t levels;

	if (!shape->levels)
		return format->levels_default;
	levels = cli_number_or_die(where.text, shape->levels);
	if (levels < format->levels_min || levels > format->levels_max)
		cli_die(where.text, "%s has %u to %u levels, not %" PRIu64, format->name,
			format->levels_min, format->levels_max, levels);
	return (unsigned)levels;
}

static uint32_t rungs_of_list(const char *command, const struct ml_format *format, const char *list)
{
	const struct option_name where = name_of(command, "rungs");
	char *copy = strdup(list);
	char *rest = copy;
	const char *item;
	uint32_t rungs = 1;

	if (!copy)
		cli_die(command, "no memory");
	while ((item = strsep(&rest, ",")) != NULL)
		rungs |= UINT32_C(1) << cli_rung_or_die(where.text, format, item);
	free(copy);
	return rungs;
}

uint32_t cli_rungs_or_die(const char *command, const struct ml_format *format,
			  const struct cli_shape *shape)
{
	unsigned rung;

	if (shape->rungs && shape->largest)
		cli_die(command, "--rungs and --largest exclude each other");
	if (shape->rungs)
		return rungs_of_list(command, format, shape->rungs);
	if (!shape->largest)
		return ml_format_default_rungs(format);
	/* A size that is off by default is named here, so it is on. */
	rung = cli_rung_or_die(name_of(command, "largest").text, format, shape->largest);
	return (ml_format_default_rungs(format) & ((UINT32_C(1) << rung) - 1)) | UINT32_C(1)
											 << rung;
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
