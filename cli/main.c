/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/*
 * The tool's door: the table of commands, and what is said without one. Everything a
 * command does is in its own cmd_*.c.
 */
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"

static const struct command {
	const char *name;
	const char *summary;
	int (*run)(int argc, char **argv);
} commands[] = {
	{ "bench", "measure what larger leaves give on this machine's own MMU", cmd_bench },
	{ "plan", "show which leaves a mapping gets, and why none is larger", cmd_plan },
	{ "formats", "describe the page-table formats", cmd_formats },
	{ "pte", "decode or encode one page-table entry", cmd_pte },
	{ "trace", "show every store, invalidation and barrier of operations on a table",
	  cmd_trace },
	{ "qemu", "boot a board under QEMU whose page tables are maxleaf's", cmd_qemu },
};

#define COMMAND_COUNT (sizeof(commands) / sizeof(commands[0]))

static void print_commands(FILE *stream)
{
	size_t i;

	fputs("commands:\n", stream);
	for (i = 0; i < COMMAND_COUNT; i++)
		fprintf(stream, "  %s%-8s%s %s\n", cli_ink(stream, CLI_STRONG), commands[i].name,
			cli_ink(stream, CLI_PLAIN), commands[i].summary);
}

static int print_help(void)
{
	puts("maxleaf: page tables with the largest leaves the hardware allows\n"
	     "\n"
	     "  maxleaf bench                         what larger leaves give on this CPU\n"
	     "  maxleaf plan --format arm64-4k --va 0xffff000040000000 --pa 0x80000000 --size 3G\n"
	     "  maxleaf formats x86-64\n"
	     "  maxleaf pte --format x86-64 0x80000000000000e7@1\n");
	print_commands(stdout);
	puts("\n`maxleaf COMMAND --help` tells a command's options; `man maxleaf` tells the rest.");
	return cli_finish(CLI_FINE);
}

static int print_usage(void)
{
	fputs("usage: maxleaf COMMAND [OPTION...]\n\n", stderr);
	print_commands(stderr);
	fputs("\n`maxleaf --help` shows examples.\n", stderr);
	return CLI_TROUBLE;
}

static int print_version(void)
{
	printf("maxleaf %s\n", ml_version());
	return cli_finish(CLI_FINE);
}

/* The commands' names, for completion. */
static int dump_commands(void)
{
	size_t i;

	for (i = 0; i < COMMAND_COUNT; i++)
		puts(commands[i].name);
	return cli_finish(CLI_FINE);
}

static int unknown_command(const char *name)
{
	cli_error("", "unknown %s '%s'", *name == '-' ? "option" : "command", name);
	cli_hint("`maxleaf --help` lists the commands");
	return CLI_TROUBLE;
}

static bool is_either(const char *text, const char *one, const char *other)
{
	return strcmp(text, one) == 0 || strcmp(text, other) == 0;
}

int main(int argc, char **argv)
{
	size_t i;

	/* A reader that goes away ends the tool silently, whatever the parent ignored. */
	signal(SIGPIPE, SIG_DFL);
	/* A file that may not grow so large is an error to tell, not the end of the tool. */
	signal(SIGXFSZ, SIG_IGN);
	argp_err_exit_status = CLI_TROUBLE;
	argp_program_version = "maxleaf " ML_VERSION_STRING;
	if (argc < 2)
		return print_usage();
	if (is_either(argv[1], "--help", "-?") || is_either(argv[1], "help", "-h"))
		return print_help();
	if (is_either(argv[1], "--version", "-V"))
		return print_version();
	if (strcmp(argv[1], "--dump-options") == 0)
		return dump_commands();
	for (i = 0; i < COMMAND_COUNT; i++) {
		if (strcmp(argv[1], commands[i].name) == 0)
			return cli_finish(commands[i].run(argc - 1, argv + 1));
	}
	return unknown_command(argv[1]);
}
