/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/*
 * The options every command has, and the one way a command parses its own. Owns the
 * list of options that completion is made from: it reads the argp tables themselves.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"

enum { KEY_JSON = 0x1000, KEY_COLOUR, KEY_DUMP_OPTIONS, KEY_FAKE_TTY };

static const struct argp_option options[] = {
	{ "json", KEY_JSON, NULL, 0, "Print JSON records, one a line", 50 },
	{ "color", KEY_COLOUR, "WHEN", 0, "Colour: auto (default), always or never", 50 },
	{ "colour", 0, NULL, OPTION_ALIAS | OPTION_HIDDEN, NULL, 50 },
	{ "dump-options", KEY_DUMP_OPTIONS, NULL, OPTION_HIDDEN, "List the options, for completion",
	  50 },
	{ "fake-tty", KEY_FAKE_TTY, NULL, OPTION_HIDDEN, "Take the streams for terminals", 50 },
	{ 0 },
};

static void print_options(const struct argp_option *option)
{
	for (; option && (option->name || option->key || option->doc); option++) {
		if (!option->name || option->flags & (OPTION_HIDDEN | OPTION_DOC))
			continue;
		printf("--%s%s\n", option->name, option->arg ? "=" : "");
	}
}

#define ARGP_TREE_MAX 8

/* Breadth first over an argp and its children. */
static void dump_options(const struct argp *root)
{
	const struct argp *queue[ARGP_TREE_MAX] = { root };
	unsigned head, tail = 1;

	for (head = 0; head < tail; head++) {
		const struct argp_child *child = queue[head]->children;

		print_options(queue[head]->options);
		for (; child && child->argp && tail < ARGP_TREE_MAX; child++)
			queue[tail++] = child->argp;
	}
}

/*
 * getopt's messages begin with argv[0], argp's and its usage with argv[0] too, unless a parser has
 * changed the vector: then with program_invocation_short_name. The two differ by a colon.
 */
static struct {
	const char *name;
	char **argv;
} command;

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct cli_common *common = state->input;

	switch (key) {
	case ARGP_KEY_INIT:
		state->argv = command.argv;
		return 0;
	case KEY_JSON:
		common->json = true;
		return 0;
	case KEY_COLOUR:
		if (!cli_colour_choose(arg))
			cli_die(command.name, "--color: '%s' is not auto, always or never", arg);
		return 0;
	case KEY_DUMP_OPTIONS:
		dump_options(state->root_argp);
		exit(cli_finish(CLI_FINE));
	case KEY_FAKE_TTY:
		cli_terminal_pretend();
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

const struct argp cli_common_argp = { .options = options, .parser = parse };

void cli_parse(const struct argp *argp, const char *name, int argc, char **argv, void *input)
{
	static char usage[32];
	char prefix[32];
	char *first = argv[0], *replaced = NULL;
	error_t error;

	snprintf(usage, sizeof(usage), "maxleaf %s", name);
	snprintf(prefix, sizeof(prefix), "maxleaf: %s", name);
	program_invocation_short_name = usage;
	argv[0] = prefix;
	command.name = name;
	command.argv = argv;
	error = argp_parse(argp, argc, &replaced, 0, NULL, input);
	argv[0] = first;
	if (error)
		cli_die(name, "%s", strerror(error));
}
