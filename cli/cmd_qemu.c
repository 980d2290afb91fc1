/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/*
 * maxleaf qemu: the one place that knows how a board is started under QEMU, and what the
 * emulator's exit status says.
 */
#include <errno.h>
#include <libgen.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "qemu.h"

#define MEMORY "256M" /* ISA_RAM_BYTES of ports/qemu */
#define CPUS 4        /* BOARD_CPUS */
#define DISPLAY "bochs-display,vgamem=64M"

/* What a board's exit status becomes as that of the emulator. */
enum exit_code {
	EXIT_PLAIN, /* itself */
	EXIT_DEBUG  /* isa-debug-exit: (0x10 + status) << 1 | 1 */
};

static const struct board {
	const char *name;
	const char *emulator;
	const char *package;
	const char *cpu;
	const char *machine;
	const char *pci_machine; /* the same with PCI */
	const char *devices[5];  /* words of the command line, NULL at the end */
	enum exit_code exit_code;
} boards[] = {
	{ "arm64",
	  "qemu-system-aarch64",
	  "qemu-system-arm",
	  "max",
	  "virt,gic-version=3",
	  "virt,gic-version=3",
	  { "-semihosting-config", "enable=on,target=native" },
	  EXIT_PLAIN },
	{ "x86_64",
	  "qemu-system-x86_64",
	  "qemu-system-x86",
	  "max",
	  "microvm",
	  "microvm,pcie=on",
	  { "-device", "isa-debug-exit,iobase=0xf4,iosize=4", "-no-reboot" },
	  EXIT_DEBUG },
};

#define BOARD_COUNT (sizeof(boards) / sizeof(boards[0]))

/* ---- options ----------------------------------------------------------------------- */

#define APPEND_BYTES 1024
#define MONITOR "unix:%s,server=on,wait=off"
#define MAX_SECONDS 86400

struct arguments {
	struct cli_common common;
	const struct board *board;
	const char *cpu;
	char image[PATH_MAX];
	const char *monitor;
	char append[APPEND_BYTES];
	unsigned cpus, seconds;
	bool display;
	bool threads;
	bool print;
};

enum {
	KEY_CPU = 0x100,
	KEY_CPUS,
	KEY_DISPLAY,
	KEY_IMAGE,
	KEY_MONITOR,
	KEY_THREADS,
	KEY_PRINT,
	KEY_TIMEOUT
};

static const struct argp_option options[] = {
	{ "cpu", KEY_CPU, "MODEL", 0, "CPU model, as QEMU names it (default: max)", 1 },
	{ "cpus", KEY_CPUS, "NUMBER", 0, "How many CPUs, 1 to 4 (default: 4)", 1 },
	{ "display", KEY_DISPLAY, NULL, 0, "Add a PCI display, and draw into its memory", 1 },
	{ "image", KEY_IMAGE, "FILE", 0, "Boot this image instead of the board at work", 1 },
	{ "thread-per-cpu", KEY_THREADS, NULL, 0, "Emulate each CPU in a thread of its own", 1 },
	{ "monitor", KEY_MONITOR, "SOCKET", 0, "Let QEMU's monitor listen on this Unix socket", 1 },
	{ "timeout", KEY_TIMEOUT, "SECONDS", 0, "Give the board no more time than this", 1 },
	{ "print", KEY_PRINT, NULL, 0, "Print QEMU's command line, and run nothing", 1 },
	{ 0 },
};

static const char documentation[] =
	"Boot a board under QEMU: a small kernel whose page tables are maxleaf's, on up to "
	"four CPUs.\n"
	"\n"
	"  maxleaf qemu arm64\n"
	"  maxleaf qemu arm64 --cpu cortex-a72\n"
	"  maxleaf qemu x86_64 --cpu max,la57=off --print\n"
	"\v"
	"Boards: arm64, x86_64. Every WORD goes to the kernel's command line.";

/* "arm64, x86_64" */
static struct cli_text known_boards(void)
{
	struct cli_text known = { "" };
	size_t i;

	for (i = 0; i < BOARD_COUNT; i++) {
		const size_t length = strlen(known.text);

		snprintf(known.text + length, sizeof(known.text) - length, "%s%s", i ? ", " : "",
			 boards[i].name);
	}
	return known;
}

static _Noreturn void die_of_board(void)
{
	cli_hint("known boards: %s", known_boards().text);
	exit(CLI_TROUBLE);
}

static const struct board *board_or_die(const char *name)
{
	size_t i;

	for (i = 0; i < BOARD_COUNT; i++) {
		if (strcmp(boards[i].name, name) == 0)
			return &boards[i];
	}
	cli_error("qemu", "unknown board '%s'", name);
	die_of_board();
}

static void append(struct arguments *a, const char *word)
{
	const size_t length = strlen(a->append);

	if (length + strlen(word) + 2 > sizeof(a->append))
		cli_die("qemu", "the kernel's command line is longer than %d bytes",
			APPEND_BYTES - 1);
	sprintf(a->append + length, "%s%s", length ? " " : "", word);
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct arguments *a = state->input;

	switch (key) {
	case ARGP_KEY_INIT:
		state->child_inputs[0] = &a->common;
		return 0;
	case KEY_CPU:
		a->cpu = arg;
		return 0;
	case KEY_CPUS:
		a->cpus = (unsigned)cli_number_within_or_die("qemu: --cpus", arg, 1, CPUS);
		return 0;
	case KEY_DISPLAY:
		a->display = true;
		return 0;
	case KEY_IMAGE:
		if ((size_t)snprintf(a->image, sizeof(a->image), "%s", arg) >= sizeof(a->image))
			cli_die("qemu: --image", "%s", strerror(ENAMETOOLONG));
		return 0;
	case KEY_MONITOR:
		a->monitor = arg;
		return 0;
	case KEY_THREADS:
		a->threads = true;
		return 0;
	case KEY_PRINT:
		a->print = true;
		return 0;
	case KEY_TIMEOUT:
		a->seconds =
			(unsigned)cli_number_within_or_die("qemu: --timeout", arg, 1, MAX_SECONDS);
		return 0;
	case ARGP_KEY_ARG:
		if (a->board)
			append(a, arg);
		else
			a->board = board_or_die(arg);
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static const struct argp_child children[] = { { &cli_common_argp, 0, NULL, 0 }, { 0 } };
static const struct argp argp = { options, parse, "BOARD [WORD...]", documentation, children,
				  NULL,    NULL };

/* ---- the image ---------------------------------------------------------------------- */

/* Where images are from the tool's own folder: in the build's, and installed. */
static const char *const image_folders[] = { "qemu", "../share/maxleaf/qemu" };

#define FOLDER_COUNT (sizeof(image_folders) / sizeof(image_folders[0]))

static bool find_image(struct arguments *a)
{
	char self[PATH_MAX / 2];
	const ssize_t length = readlink("/proc/self/exe", self, sizeof(self) - 1);
	const char *own;
	size_t i;

	if (length < 0)
		return false;
	self[length] = '\0';
	own = dirname(self);
	for (i = 0; i < FOLDER_COUNT; i++) {
		snprintf(a->image, sizeof(a->image), "%s/%s/%s/%s.elf", own, image_folders[i],
			 a->board->name, a->display ? "display" : "show");
		if (access(a->image, R_OK) == 0)
			return true;
	}
	return false;
}

static void find_image_or_die(struct arguments *a)
{
	if (*a->image) {
		if (access(a->image, R_OK))
			cli_die("qemu: --image", "%s: %s", a->image, strerror(errno));
	} else if (!find_image(a)) {
		cli_error("qemu", "the image of board %s is not beside the tool", a->board->name);
		cli_hint("`make qemu` builds it; --image names another");
		exit(CLI_TROUBLE);
	}
}

/* ---- the command line ---------------------------------------------------------------- */

#define WORDS_MAX 40

struct command_line {
	const char *words[WORDS_MAX]; /* NULL at the end */
	size_t count;
	char cpus[sizeof("4294967295")];
	char monitor[PATH_MAX + sizeof(MONITOR)];
};

static void add(struct command_line *c, const char *option, const char *value)
{
	c->words[c->count++] = option;
	if (value)
		c->words[c->count++] = value;
}

static void make_command_line(struct command_line *c, const struct arguments *a)
{
	const char *const *device;

	add(c, a->board->emulator, NULL);
	add(c, "-accel", a->threads ? "tcg,thread=multi" : "tcg,thread=single");
	add(c, "-M", a->display ? a->board->pci_machine : a->board->machine);
	add(c, "-cpu", a->cpu ? a->cpu : a->board->cpu);
	add(c, "-m", MEMORY);
	snprintf(c->cpus, sizeof(c->cpus), "%u", a->cpus);
	add(c, "-smp", c->cpus);
	add(c, "-nodefaults", NULL);
	add(c, "-display", "none");
	add(c, "-serial", "stdio");
	for (device = a->board->devices; *device; device++)
		add(c, *device, NULL);
	if (a->display)
		add(c, "-device", DISPLAY);
	if (a->monitor) {
		snprintf(c->monitor, sizeof(c->monitor), MONITOR, a->monitor);
		add(c, "-monitor", c->monitor);
	}
	add(c, "-kernel", a->image);
	if (*a->append)
		add(c, "-append", a->append);
}

/* So that a shell reads it back. */
static void print_word(const char *word)
{
	static const char safe[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
				   "-_./,:=+";

	if (*word && !word[strspn(word, safe)]) {
		fputs(word, stdout);
		return;
	}
	putchar('\'');
	for (; *word; word++)
		fputs(*word == '\'' ? "'\\''" : (const char[]){ *word, '\0' }, stdout);
	putchar('\'');
}

static void print_command_line(const struct command_line *c)
{
	size_t i;

	for (i = 0; i < c->count; i++) {
		if (i)
			putchar(' ');
		print_word(c->words[i]);
	}
	putchar('\n');
}

static void write_command_line(const struct command_line *c, const struct arguments *a)
{
	struct cli_json json;
	size_t i;

	cli_json_schema(&json, stdout, "qemu");
	cli_json_text(&json, "board", a->board->name);
	cli_json_array(&json, "command");
	for (i = 0; i < c->count; i++)
		cli_json_text(&json, NULL, c->words[i]);
	cli_json_close(&json);
}

/* ---- running it ------------------------------------------------------------------------ */

struct report {
	const struct command_line *line;
	const struct arguments *arguments;
	bool begun;
};

/* The first record waits for the emulator: nothing is printed where there is none. */
static void begin(struct report *r)
{
	if (!r->begun && r->arguments->common.json)
		write_command_line(r->line, r->arguments);
	r->begun = true;
}

static void tell_line(void *cookie, const char *text)
{
	struct report *r = cookie;
	struct cli_json json;

	begin(r);
	if (r->arguments->common.json) {
		cli_json_open(&json, stdout);
		cli_json_text(&json, "text", text);
		cli_json_close(&json);
	} else {
		puts(text);
	}
	fflush(stdout); /* whoever reads along is not kept waiting */
}

static void tell_status(struct report *r, int status)
{
	struct cli_json json;

	begin(r);
	if (!r->arguments->common.json)
		return;
	cli_json_open(&json, stdout);
	cli_json_object(&json, "summary");
	if (status < 0)
		cli_json_null(&json, "status");
	else
		cli_json_integer(&json, "status", (uint64_t)status);
	cli_json_close(&json);
}

/* What the board ended with; -1: it did not end by itself. */
static int board_status(const struct report *r, const struct qemu_end *end)
{
	/* QEMU complains of its command line before any image runs. */
	const bool refused = end->status == 1 && !r->begun;

	if (end->error || end->late || end->signal || refused)
		return -1;
	if (r->arguments->board->exit_code == EXIT_PLAIN)
		return end->status;
	return end->status & 1 && end->status >= 0x21 ? (end->status >> 1) - 0x10 : -1;
}

static int explain(const struct arguments *a, const struct qemu_end *end, int status)
{
	const char *name = a->board->name;

	if (status == CLI_FINE || status == CLI_FINDING)
		return status;
	if (end->late)
		return cli_error("qemu: --timeout", "%s did not end within %u s", name, a->seconds);
	if (end->signal)
		return cli_error("qemu", "%s was ended by signal %d", a->board->emulator,
				 end->signal);
	if (status < 0 && end->status)
		return cli_error("qemu", "%s ended with status %d", a->board->emulator,
				 end->status);
	if (status < 0)
		return cli_error("qemu", "%s reset: a fault while it reported a fault", name);
	return cli_error("qemu", "%s ended with status %d", name, status);
}

static int run(const struct arguments *a, const struct command_line *line)
{
	struct report report = { line, a, false };
	const struct qemu_end end =
		qemu_run((char *const *)line->words, a->seconds, tell_line, &report);
	const int status = board_status(&report, &end);

	if (end.error) {
		cli_error("qemu", "%s: %s", a->board->emulator, strerror(end.error));
		if (end.error == ENOENT)
			cli_hint("Debian and Ubuntu have it in the package %s", a->board->package);
		return CLI_TROUBLE;
	}
	tell_status(&report, status);
	return explain(a, &end, status);
}

int cmd_qemu(int argc, char **argv)
{
	static struct arguments a = { .cpus = CPUS };
	static struct command_line line;

	cli_parse(&argp, "qemu", argc, argv, &a);
	if (!a.board) {
		cli_error("qemu", "no board is named");
		die_of_board();
	}
	find_image_or_die(&a);
	make_command_line(&line, &a);
	if (!a.print)
		return run(&a, &line);
	if (a.common.json)
		tell_status(&(struct report){ &line, &a, false }, -1);
	else
		print_command_line(&line);
	return CLI_FINE;
}
