/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/*
 * maxleaf pte: its options, and the encoding of one entry. Decoding is reported by
 * pte_report.c.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "pte.h"

struct arguments {
	struct cli_common common;
	const struct ml_format *format;
	uint64_t types;
	bool encode;
	/* decoding */
	char **values;
	int value_count;
	/* encoding */
	ml_pa pa;
	const char *prot;
	const char *level;
	const char *size;
	bool has_pa, group;
};

enum { KEY_TYPES = 0x100, KEY_PA, KEY_PROT, KEY_LEVEL, KEY_SIZE, KEY_GROUP };

static const struct argp_option options[] = {
	{ "format", 'f', "NAME", 0, "Page-table format; `maxleaf formats` lists them", 1 },
	{ "types", KEY_TYPES, "REGISTER", 0,
	  "IA32_PAT or MAIR_EL1 as programmed (default: the format's usual layout)", 1 },
	{ "encode", 'e', NULL, 0, "Encode one leaf and print its value", 2 },
	{ "pa", KEY_PA, "ADDRESS", 0, "Physical address of the entry", 2 },
	{ "prot", KEY_PROT, "PROT", 0,
	  "Protection: letters of rwxukadgsv, words, type=NAME; with commas", 2 },
	{ "level", KEY_LEVEL, "LEVEL", 0,
	  "Level of the entry (default 0), a number or the manual's name", 2 },
	{ "size", KEY_SIZE, "BYTES", 0,
	  "Leaf size instead of a level; that of a group makes a member", 2 },
	{ "group", KEY_GROUP, NULL, 0, "Make it a member of a contiguous group", 2 },
	{ 0 },
};

static const char documentation[] =
	"Decode page-table entries, or encode one leaf.\n"
	"\n"
	"  maxleaf pte -f x86-64 0x80000000000000e7@1\n"
	"  maxleaf pte -f arm64-4k 0x0060000040200f11@L2\n"
	"  maxleaf pte -f x86-64 --types 0x0007040600070406 0x1f\n"
	"  maxleaf pte -f arm64-4k --encode --pa 64K --prot rwa,type=nc --size 64K\n"
	"\v"
	"Without @LEVEL a value is shown at every level where it is a leaf or a table with no "
	"reserved bit set, or at level 0 if there is none. Levels count up from 0, the smallest "
	"page. Exit status 1: a reserved bit is set.";

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct arguments *a = state->input;

	switch (key) {
	case ARGP_KEY_INIT:
		state->child_inputs[0] = &a->common;
		return 0;
	case 'f':
		a->format = cli_format_or_die("pte: --format", arg);
		return 0;
	case 'e':
		a->encode = true;
		return 0;
	case KEY_TYPES:
		a->types = cli_number_or_die("pte: --types", arg);
		return 0;
	case KEY_PA:
		a->pa = cli_number_or_die("pte: --pa", arg);
		a->has_pa = true;
		return 0;
	case KEY_PROT:
		a->prot = arg;
		return 0;
	case KEY_LEVEL:
		a->level = arg;
		return 0;
	case KEY_SIZE:
		a->size = arg;
		return 0;
	case KEY_GROUP:
		a->group = true;
		return 0;
	case ARGP_KEY_ARGS:
		a->values = state->argv + state->next;
		a->value_count = state->argc - state->next;
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static const struct argp_child children[] = { { &cli_common_argp, 0, NULL, 0 }, { 0 } };
static const struct argp argp = { options,       parse,    "VALUE[@LEVEL]...\n--encode",
				  documentation, children, NULL,
				  NULL };

/* A level by number or by the manual's name. */
static unsigned level_or_die(const char *where, const struct ml_format *format, const char *text)
{
	uint64_t number;
	unsigned level;

	for (level = 0; level < format->levels_max; level++) {
		if (strcasecmp(text, format->level_names[level]) == 0)
			return level;
	}
	if (!cli_number_parse(text, &number) && number < format->levels_max)
		return (unsigned)number;
	cli_error(where, "%s has no level '%s'", format->name, text);
	cli_hint("its levels are 0 (%s) to %u (%s)", format->level_names[0],
		 format->levels_max - 1u, format->level_names[format->levels_max - 1]);
	exit(CLI_TROUBLE);
}

/* --- records ----------------------------------------------------------------------------- */

static void put_head(const struct ml_format *format)
{
	struct cli_json json;

	cli_json_schema(&json, stdout, "pte");
	cli_json_text(&json, "format", format->name);
	cli_json_close(&json);
}

static void put_summary(const struct pte_sums *sums)
{
	struct cli_json json;

	cli_json_open(&json, stdout);
	cli_json_object(&json, "summary");
	cli_json_integer(&json, "entries", sums->entries);
	cli_json_integer(&json, "malformed", sums->malformed);
	cli_json_close(&json);
}

/* --- decoding ---------------------------------------------------------------------------- */

struct request {
	ml_pte pte;
	unsigned level;
};

static struct request request_or_die(const struct ml_format *format, const char *text)
{
	const char *at = strchr(text, '@');
	char *value = strndup(text, at ? (size_t)(at - text) : strlen(text));
	struct request r = { .level = PTE_ANY_LEVEL };

	if (!value)
		cli_die("pte", "no memory");
	r.pte = cli_number_or_die("pte", value);
	free(value);
	if (at)
		r.level = level_or_die("pte", format, at + 1);
	return r;
}

/* Everything is read before anything is shown: bad input shows nothing at all. */
static void check_values(const struct arguments *a)
{
	int i;

	for (i = 0; i < a->value_count; i++)
		request_or_die(a->format, a->values[i]);
	if (i)
		return;
	cli_error("pte", "a value is missing");
	cli_hint("maxleaf pte --format %s 0xe7@1", a->format->name);
	exit(CLI_TROUBLE);
}

static int decode(const struct arguments *a, const struct ml_types *types)
{
	struct pte_sums sums = { 0, 0 };
	int i;

	check_values(a);
	if (a->common.json)
		put_head(a->format);
	for (i = 0; i < a->value_count; i++) {
		const struct request r = request_or_die(a->format, a->values[i]);

		pte_decode(a->format, types, r.pte, r.level, a->common.json, &sums);
	}
	if (a->common.json)
		put_summary(&sums);
	return sums.malformed ? CLI_FINDING : CLI_FINE;
}

/* --- encoding ---------------------------------------------------------------------------- */

static void check_place(const struct arguments *a, unsigned level, bool group)
{
	const struct ml_format *format = a->format;
	unsigned i;

	for (i = 0; i < format->rung_count; i++) {
		if (format->rungs[i].level == level && (format->rungs[i].lg2_entries > 0) == group)
			return;
	}
	cli_error("pte: --level", "%s has no %s at level %u (%s)", format->name,
		  group ? "contiguous group" : "leaf", level, format->level_names[level]);
	cli_hint("its leaf sizes: %s", cli_ladder(format).text);
	exit(CLI_TROUBLE);
}

static void check_encoding(const struct arguments *a)
{
	if (a->value_count)
		cli_die("pte", "--encode takes no value, but '%s' is there", a->values[0]);
	if (!a->has_pa || !a->prot) {
		cli_error("pte", "--encode needs %s", a->has_pa ? "--prot" : "--pa");
		cli_hint("maxleaf pte --format %s --encode --pa 0x200000 --prot rw",
			 a->format->name);
		exit(CLI_TROUBLE);
	}
	if (a->level && a->size)
		cli_die("pte", "--level and --size exclude each other");
}

/* What is wrong with a protection the format refused. */
static void refuse_prot(const struct arguments *a, const struct ml_types *types, ml_prot prot)
{
	const unsigned type = ML_TYPE_OF(prot);
	const struct cli_prot_word *word = cli_prot_words;

	while (word->word && !(word->bit & prot & ~a->format->prot_mask))
		word++;
	cli_error("pte: --prot", "%s cannot express '%s'", a->format->name, a->prot);
	if (word->word)
		cli_hint("it has no %s", word->word);
	else if (!(prot & ML_READ))
		cli_hint("every leaf is readable: add r");
	else if ((types->slot_of_type >> (4 * type) & 0xf) == 0xf)
		cli_hint("type %s is not in the layout: see --types", cli_type_name(type));
	else
		cli_hint("`maxleaf formats %s` lists what it can", a->format->name);
}

static void report_encoding(const struct arguments *a, ml_pte pte, unsigned level, bool group)
{
	struct cli_json json;

	if (!a->common.json) {
		printf("0x%016" PRIx64 "\n", pte);
		return;
	}
	put_head(a->format);
	cli_json_open(&json, stdout);
	cli_json_address(&json, "value", pte);
	cli_json_integer(&json, "level", level);
	cli_json_text(&json, "level_name", a->format->level_names[level]);
	cli_json_bool(&json, "group", group);
	cli_json_close(&json);
	put_summary(&(struct pte_sums){ .entries = 1 });
}

static int encode(const struct arguments *a, const struct ml_types *types)
{
	const struct ml_format *format = a->format;
	unsigned level = 0;
	bool group = a->group;
	ml_prot prot;
	ml_pte pte;
	int error;

	check_encoding(a);
	prot = cli_prot_or_die("pte: --prot", a->prot);
	if (a->level)
		level = level_or_die("pte: --level", format, a->level);
	if (a->size) {
		const struct ml_rung *rung =
			&format->rungs[cli_rung_or_die("pte: --size", format, a->size)];

		level = rung->level;
		group = group || rung->lg2_entries;
	}
	check_place(a, level, group);
	cli_check_aligned("pte: --pa", a->pa, UINT64_C(1) << format->level_shift[level]);
	error = ml_format_encode(format, types, a->pa, prot, level, group, &pte);
	if (error == ML_ERR_PROT)
		refuse_prot(a, types, prot);
	else if (error)
		cli_error("pte: --pa", "0x%" PRIx64 ": %s", a->pa, ml_error_text(error));
	else
		report_encoding(a, pte, level, group);
	return error ? CLI_TROUBLE : CLI_FINE;
}

int cmd_pte(int argc, char **argv)
{
	struct arguments a = { .format = NULL };
	struct ml_types types;

	cli_parse(&argp, "pte", argc, argv, &a);
	if (!a.format) {
		cli_error("pte", "--format is missing");
		cli_hint("maxleaf pte --format x86-64 0x80000000000000e7@1");
		return CLI_TROUBLE;
	}
	ml_types_init(&types, a.format, a.types);
	return a.encode ? encode(&a, &types) : decode(&a, &types);
}
