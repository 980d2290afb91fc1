/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/*
 * maxleaf formats: what a page-table format is, read from its descriptor and asked of
 * the library; nothing here is known of a format that the library does not publish.
 */
#include <inttypes.h>

#include "cli.h"

#define TYPE_SLOTS 8

struct arguments {
	struct cli_common common;
	const struct ml_format *format; /* NULL: all */
};

static const char documentation[] =
	"Describe the page-table formats: leaf sizes, levels, widths, memory types,\n"
	"protections, software bits, and the rules of changing a live table.\n"
	"\n"
	"  maxleaf formats\n"
	"  maxleaf formats arm64-4k\n"
	"  maxleaf formats --json";

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct arguments *a = state->input;

	switch (key) {
	case ARGP_KEY_INIT:
		state->child_inputs[0] = &a->common;
		return 0;
	case ARGP_KEY_ARG:
		if (a->format)
			cli_die("formats", "unexpected argument '%s'", arg);
		a->format = cli_format_or_die("formats", arg);
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static const struct argp_child children[] = { { &cli_common_argp, 0, NULL, 0 }, { 0 } };
static const struct argp argp = { NULL, parse, "[FORMAT]", documentation, children, NULL, NULL };

static unsigned va_bits(const struct ml_format *format, unsigned levels)
{
	return format->level_shift[levels - 1] + format->index_bits[levels - 1];
}

/* --- protections ------------------------------------------------------------------- */

#define ACCESS_BITS 5 /* rwxuk: the low five bits of a protection */

/* The n-th combination of rwxuk, in the order of the letters. */
static ml_prot access_of(unsigned n)
{
	ml_prot prot = 0;
	unsigned i;

	for (i = 0; i < ACCESS_BITS; i++) {
		if (n >> i & 1)
			prot |= cli_prot_words[i].bit;
	}
	return prot;
}

/* Calls tell(cookie, "rw-u-") for every combination an entry can hold. */
static void each_access(const struct ml_format *format, void (*tell)(void *, const char *),
			void *cookie)
{
	struct ml_types types;
	unsigned n;

	ml_types_init(&types, format, 0);
	for (n = 0; n < 1u << ACCESS_BITS; n++) {
		if (ml_format_expressible(format, &types, access_of(n)))
			tell(cookie, cli_prot_access(access_of(n)).text);
	}
}

/* The words for marks (all but access and software bits) the format has. */
static bool is_mark(const struct ml_format *format, const struct cli_prot_word *word)
{
	const ml_prot access = access_of((1u << ACCESS_BITS) - 1);

	return (word->bit & format->prot_mask & ~(access | ML_SOFT_MASK)) != 0;
}

static bool in_layout(const struct ml_types *types, unsigned type)
{
	return (types->slot_of_type >> (4 * type) & 0xf) != 0xf;
}

/* --- text ---------------------------------------------------------------------------- */

static void print_label(const char *label)
{
	printf("  %s%-12s%s", cli_ink(stdout, CLI_FAINT), label, cli_ink(stdout, CLI_PLAIN));
}

static void print_word(void *cookie, const char *word)
{
	(void)cookie;
	printf(" %s", word);
}

static void print_leaves(const struct ml_format *format)
{
	unsigned i;

	for (i = 0; i < format->rung_count; i++) {
		const struct ml_rung *rung = &format->rungs[i];

		print_label(i ? "" : "leaves");
		printf(" %5s  level %u (%s)", cli_size_exact(UINT64_C(1) << rung->shift).text,
		       rung->level, format->level_names[rung->level]);
		if (rung->lg2_entries)
			printf(", contiguous group of %u entries", 1u << rung->lg2_entries);
		puts(rung->off_by_default ? ", only when named" : "");
	}
}

static void print_levels(const struct ml_format *format)
{
	unsigned level;

	print_label("levels");
	printf(" %u", format->levels_default);
	if (format->levels_min != format->levels_max)
		printf(" (%u to %u)", format->levels_min, format->levels_max);
	fputs("; entries of a table, lowest level first:", stdout);
	for (level = 0; level < format->levels_max; level++)
		printf(" %u", 1u << format->index_bits[level]);
	putchar('\n');
}

static void print_addresses(const struct ml_format *format)
{
	unsigned levels;

	print_label("addresses");
	for (levels = format->levels_min; levels <= format->levels_max; levels++)
		printf("%s%u bits", levels == format->levels_min ? " virtual " : " or ",
		       va_bits(format, levels));
	printf(" (%s), physical %u bits\n",
	       format->sign_extended ? "sign-extended, one table" : "each half its own table",
	       format->pa_bits);
}

static void print_types(const struct ml_format *format)
{
	const char *name = cli_types_register(format);
	struct ml_types types;
	unsigned i;

	ml_types_init(&types, format, 0);
	print_label("types");
	for (i = 0; i < ML_TYPE_COUNT; i++) {
		if (in_layout(&types, i))
			printf(" %s", cli_type_name(i));
	}
	putchar('\n');
	if (!name)
		return;
	print_label("");
	printf(" %s = 0x%016" PRIx64 ":", name, format->types_default);
	for (i = 0; i < TYPE_SLOTS; i++)
		printf(" %u:%s", i, cli_type_name(types.type_of_slot >> (4 * i) & 0xf));
	putchar('\n');
}

static void print_protections(const struct ml_format *format)
{
	const struct cli_prot_word *word;

	print_label("protections");
	each_access(format, print_word, NULL);
	putchar('\n');
	print_label("marks");
	for (word = cli_prot_words; word->word; word++) {
		if (is_mark(format, word))
			printf(" %s", word->word);
	}
	putchar('\n');
	print_label("software");
	printf(" %u %s\n", ml_format_soft_bits(format),
	       ml_format_soft_bits(format) == 1 ? "bit" : "bits");
}

static void print_live_rules(const struct ml_format *format)
{
	const struct {
		bool needed;
		const char *what;
	} rules[] = {
		{ format->break_size, "leaf size" },
		{ format->break_group, "group membership" },
		{ format->break_type, "memory type" },
		{ format->break_type && format->prot_mask & ML_GLOBAL, "global from clear to set" },
	};
	const char *separator = "break-before-make for a change of ";
	unsigned i;

	print_label("live table");
	putchar(' ');
	for (i = 0; i < sizeof(rules) / sizeof(rules[0]); i++) {
		if (!rules[i].needed)
			continue;
		printf("%s%s", separator, rules[i].what);
		separator = ", ";
	}
	puts(*separator == ',' ? "" : "no change needs break-before-make");
}

static void print_format(const struct ml_format *format)
{
	printf("%s%s%s: %s\n", cli_ink(stdout, CLI_STRONG), format->name,
	       cli_ink(stdout, CLI_PLAIN), format->summary);
	print_leaves(format);
	print_levels(format);
	print_addresses(format);
	print_types(format);
	print_protections(format);
	print_live_rules(format);
}

/* --- JSON ------------------------------------------------------------------------------ */

static void write_word(void *cookie, const char *word)
{
	cli_json_text(cookie, NULL, word);
}

static void write_leaves(struct cli_json *json, const struct ml_format *format)
{
	unsigned i;

	cli_json_array(json, "leaves");
	for (i = 0; i < format->rung_count; i++) {
		const struct ml_rung *rung = &format->rungs[i];

		cli_json_object(json, NULL);
		cli_json_integer(json, "bytes", UINT64_C(1) << rung->shift);
		cli_json_integer(json, "level", rung->level);
		cli_json_text(json, "level_name", format->level_names[rung->level]);
		cli_json_integer(json, "entries", UINT64_C(1) << rung->lg2_entries);
		cli_json_bool(json, "off_by_default", rung->off_by_default);
		cli_json_up(json);
	}
	cli_json_up(json);
}

static void write_levels(struct cli_json *json, const struct ml_format *format)
{
	unsigned levels;

	cli_json_integer(json, "levels", format->levels_default);
	cli_json_array(json, "va_bits");
	for (levels = format->levels_min; levels <= format->levels_max; levels++) {
		cli_json_object(json, NULL);
		cli_json_integer(json, "levels", levels);
		cli_json_integer(json, "bits", va_bits(format, levels));
		cli_json_up(json);
	}
	cli_json_up(json);
	cli_json_bool(json, "sign_extended", format->sign_extended);
	cli_json_integer(json, "pa_bits", format->pa_bits);
}

static void write_types(struct cli_json *json, const struct ml_format *format)
{
	struct ml_types types;
	unsigned i;

	ml_types_init(&types, format, 0);
	cli_json_array(json, "types");
	for (i = 0; i < ML_TYPE_COUNT; i++) {
		if (in_layout(&types, i))
			cli_json_text(json, NULL, cli_type_name(i));
	}
	cli_json_up(json);
	if (!cli_types_register(format))
		return;
	cli_json_text(json, "types_register", cli_types_register(format));
	cli_json_address(json, "types_default", format->types_default);
}

static void write_protections(struct cli_json *json, const struct ml_format *format)
{
	const struct cli_prot_word *word;

	cli_json_array(json, "protections");
	each_access(format, write_word, json);
	cli_json_up(json);
	cli_json_array(json, "marks");
	for (word = cli_prot_words; word->word; word++) {
		if (is_mark(format, word))
			cli_json_text(json, NULL, word->word);
	}
	cli_json_up(json);
	cli_json_integer(json, "soft_bits", ml_format_soft_bits(format));
}

static void write_format(const struct ml_format *format)
{
	struct cli_json json;

	cli_json_open(&json, stdout);
	cli_json_text(&json, "name", format->name);
	cli_json_text(&json, "summary", format->summary);
	write_leaves(&json, format);
	write_levels(&json, format);
	write_types(&json, format);
	write_protections(&json, format);
	cli_json_object(&json, "break_before_make");
	cli_json_bool(&json, "size", format->break_size);
	cli_json_bool(&json, "group", format->break_group);
	cli_json_bool(&json, "type", format->break_type);
	cli_json_close(&json);
}

/* --- all or one -------------------------------------------------------------------------- */

static unsigned each_format(const struct ml_format *only, bool json)
{
	const struct ml_format *const *format;
	unsigned told = 0;

	for (format = cli_formats; *format; format++) {
		if (only && *format != only)
			continue;
		if (json)
			write_format(*format);
		else
			print_format(*format);
		told++;
	}
	return told;
}

int cmd_formats(int argc, char **argv)
{
	struct arguments a = { .format = NULL };
	struct cli_json json;
	unsigned told;

	cli_parse(&argp, "formats", argc, argv, &a);
	if (!a.common.json) {
		each_format(a.format, false);
		return CLI_FINE;
	}
	cli_json_schema(&json, stdout, "formats");
	cli_json_close(&json);
	told = each_format(a.format, true);
	cli_json_open(&json, stdout);
	cli_json_object(&json, "summary");
	cli_json_integer(&json, "formats", told);
	cli_json_close(&json);
	return CLI_FINE;
}
