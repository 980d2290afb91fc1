/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/*
 * What the commands of the tool share: numbers, one-line errors, colour, progress,
 * JSON records, the table of formats, the table of commands.
 *
 * Results go to stdout, everything else to stderr. The tool is an ordinary user of the
 * library: it includes <maxleaf/...> and no file of src/.
 */
#ifndef MAXLEAF_CLI_H
#define MAXLEAF_CLI_H

#include <argp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include <maxleaf/maxleaf.h>

/* Exit status, as of grep and diff. */
enum cli_exit {
	CLI_FINE = 0,
	CLI_FINDING = 1, /* it ran, and found what a script would act on */
	CLI_TROUBLE = 2  /* bad usage, bad input, no resource */
};

/* --- number.c: numbers and sizes as text ------------------------------------------ */

/*
 * Read a number: decimal or 0x, `_` between digits, one suffix of K M G T (powers of
 * 1024). Returns NULL, or what is wrong with the text ("is not a number", ...); *value
 * is written on success only.
 */
const char *cli_number_parse(const char *text, uint64_t *value);

/* A short text returned by value: use its .text inside the same expression. */
struct cli_text {
	char text[48];
};

/* The shortest exact form cli_number_parse() reads back: 4K, 2M, 1G, 4097. */
struct cli_text cli_size_exact(uint64_t bytes);

/* For people: 512 B, 16 KiB, 1.03 GiB. */
struct cli_text cli_size_human(uint64_t bytes);

/* For people: 512 ns, 16.3 us, 103.0 ms. */
struct cli_text cli_time_human(double ns);

/* --- report.c: errors ------------------------------------------------------------- */

/*
 * Print "maxleaf: WHERE: what" on stderr; returns CLI_TROUBLE. where names the command
 * and, when there is one, the option: "plan: --va".
 */
int cli_error(const char *where, const char *text, ...) __attribute__((format(printf, 2, 3)));

/* Print "hint: what" on stderr: what to do about the error before it. */
void cli_hint(const char *text, ...) __attribute__((format(printf, 1, 2)));

/* cli_error(), then exit with CLI_TROUBLE: for argp parsers. */
_Noreturn void cli_die(const char *where, const char *text, ...)
	__attribute__((format(printf, 2, 3)));

/* Parse an option's number or die, naming where and the text. */
uint64_t cli_number_or_die(const char *where, const char *text);

/* One that is from `least` to `most`. */
uint64_t cli_number_within_or_die(const char *where, const char *text, uint64_t least,
				  uint64_t most);

/* Flush stdout; CLI_TROUBLE with a message when that fails, else status. */
int cli_finish(int status);

/* --- tty.c: colour and progress --------------------------------------------------- */

enum cli_ink { CLI_PLAIN, CLI_STRONG, CLI_FAINT, CLI_GOOD, CLI_NOTE, CLI_BAD };

/* Take "auto", "always" or "never"; false for anything else. */
bool cli_colour_choose(const char *when);

/*
 * The escape sequence that switches a stream to an ink, CLI_PLAIN back to normal; ""
 * where colour is off. Meaning must not depend on it: colour adds to the words.
 * In auto, a non-empty NO_COLOR switches off, then CLICOLOR_FORCE on, then the stream
 * must be a terminal with TERM other than dumb.
 */
const char *cli_ink(FILE *stream, enum cli_ink ink);

/* From now on take every stream for a terminal: for tests of colour and progress. */
void cli_terminal_pretend(void);

#define CLI_NS_PER_S UINT64_C(1000000000)

/* Nanoseconds of a clock that only goes forward. */
uint64_t cli_now_ns(void);

/*
 * One line on stderr that shows how far a long job is: terminals only, after 500 ms,
 * at most ten times a second, erased by cli_progress_end().
 */
struct cli_progress {
	const char *label;
	uint64_t total; /* 0: unknown */
	uint64_t start_ns;
	uint64_t next_ns; /* not before this time again */
	bool enabled;
	bool shown;
};

void cli_progress_begin(struct cli_progress *progress, const char *label, uint64_t total);
void cli_progress_step(struct cli_progress *progress, uint64_t done);
void cli_progress_end(struct cli_progress *progress);

/* --- json.c: records, one object a line ------------------------------------------- */

/*
 * A command's first record carries {"schema":"maxleaf.COMMAND/1", ...}, its last one
 * {"summary":{...}}. Addresses are hex strings, sizes and counts integers, enums
 * strings. Inside arrays the name is NULL.
 */
struct cli_json {
	FILE *stream;
	unsigned depth;
	bool comma;      /* the next item needs one before it */
	char closers[8]; /* '}' or ']' for every open level */
};

void cli_json_open(struct cli_json *json, FILE *stream); /* { of a new record */
void cli_json_schema(struct cli_json *json, FILE *stream, const char *command); /* first record */
void cli_json_close(struct cli_json *json); /* } of the record, new line; closes open levels */
void cli_json_object(struct cli_json *json, const char *name);
void cli_json_array(struct cli_json *json, const char *name);
void cli_json_up(struct cli_json *json); /* ends the innermost object or array */
void cli_json_text(struct cli_json *json, const char *name, const char *value);
void cli_json_address(struct cli_json *json, const char *name, uint64_t value);
void cli_json_integer(struct cli_json *json, const char *name, uint64_t value);
void cli_json_real(struct cli_json *json, const char *name, double value); /* null if not finite */
void cli_json_bool(struct cli_json *json, const char *name, bool value);
void cli_json_null(struct cli_json *json, const char *name);

/* --- lookup.c: formats by name ---------------------------------------------------- */

/* The built-in formats, ended by NULL. */
extern const struct ml_format *const cli_formats[];

/* The format of that name, or die with the list of the known ones. */
const struct ml_format *cli_format_or_die(const char *where, const char *name);

/* Its leaf sizes, ascending: "4K, 2M, 1G". */
struct cli_text cli_ladder(const struct ml_format *format);

/* The rung of that leaf size, or die with the ladder. */
unsigned cli_rung_or_die(const char *where, const struct ml_format *format, const char *size);

/* What a command's --levels, --rungs and --largest say of a table; NULL: not given. */
struct cli_shape {
	const char *levels;
	const char *rungs;
	const char *largest;
};

/* Those options, for a command's argp: a child whose input is a struct cli_shape. */
extern const struct argp cli_shape_argp;

/* The number of levels, the format's usual one if none is given, or die. */
unsigned cli_levels_or_die(const char *command, const struct ml_format *format,
			   const struct cli_shape *shape);

/* The leaf sizes that are allowed, a bit for each rung, or die. */
uint32_t cli_rungs_or_die(const char *command, const struct ml_format *format,
			  const struct cli_shape *shape);

/* The register that defines the memory types: "IA32_PAT", "MAIR_EL1"; NULL: none does. */
const char *cli_types_register(const struct ml_format *format);

/* Die unless value is a multiple of unit, a power of two. */
void cli_check_aligned(const char *where, uint64_t value, uint64_t unit);

/* --- prot.c: protections as text -------------------------------------------------- */

/* One bit of a protection that has a name. Ended by a NULL word. */
struct cli_prot_word {
	char letter; /* of the short form; 0: none */
	const char *word;
	ml_prot bit;
};

extern const struct cli_prot_word cli_prot_words[];

/* The access letters in their places, "rwxuk": "rw-u-". x: user may execute, k: kernel may. */
struct cli_text cli_prot_access(ml_prot prot);

/* "WB", "DEV-STRICT", ...; "unknown" for a number without a name. */
const char *cli_type_name(unsigned type);

/* "rwu,dirty,soft0,type=nc" as a protection, or die. */
ml_prot cli_prot_or_die(const char *where, const char *text);

/* --- common.c: options every command has ------------------------------------------ */

struct cli_common {
	bool json;
};

/*
 * --json, --color=WHEN, hidden --dump-options and --fake-tty. A command lists it in
 * its argp's children and sets state->child_inputs[n] to its struct cli_common in
 * ARGP_KEY_INIT.
 */
extern const struct argp cli_common_argp;

/* Run argp over a command's arguments; name is what follows "maxleaf" in its messages. */
void cli_parse(const struct argp *argp, const char *name, int argc, char **argv, void *input);

/* --- commands --------------------------------------------------------------------- */

/*
 * argv[0] is the command's name. Each returns an enum cli_exit; usage errors exit from
 * inside argp.
 */
int cmd_bench(int argc, char **argv);
int cmd_formats(int argc, char **argv);
int cmd_plan(int argc, char **argv);
int cmd_pte(int argc, char **argv);
int cmd_qemu(int argc, char **argv);
int cmd_trace(int argc, char **argv);

#endif
