/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/*
 * One entry in words: for maxleaf pte in full, for others in a line. The library decodes; this
 * file chooses the levels worth showing and prints them.
 *
 * Without a level, an entry is shown at every level where it is a leaf or a table with no
 * reserved bit set. Where it is that at no level, it is shown at level 0 alone.
 */
#include <inttypes.h>

#include "bits.h"
#include "pte.h"

/* One decoding: of `level` to `last_level`, which are alike (a table's entry often is). */
struct decoding {
	const struct ml_format *format;
	ml_pte pte;
	unsigned level;
	unsigned last_level;
	struct ml_entry entry;
};

static const char *const kind_names[] = {
	[ML_KIND_EMPTY] = "empty",
	[ML_KIND_INVALID] = "invalid",
	[ML_KIND_TABLE] = "table",
	[ML_KIND_LEAF] = "leaf",
};

static bool is_plausible(const struct ml_entry *entry)
{
	return (entry->kind == ML_KIND_LEAF || entry->kind == ML_KIND_TABLE) && !entry->reserved;
}

/* Bytes of the leaf the entry is, or is a member of. */
static uint64_t leaf_bytes(const struct decoding *d)
{
	const struct ml_format *format = d->format;
	unsigned i;

	for (i = 0; i < format->rung_count; i++) {
		const struct ml_rung *rung = &format->rungs[i];

		if (rung->level == d->level && (rung->lg2_entries > 0) == d->entry.group)
			return UINT64_C(1) << rung->shift;
	}
	return UINT64_C(1) << format->level_shift[d->level];
}

/* --- text ------------------------------------------------------------------------------ */

static void print_label(const char *label)
{
	printf("  %s%-9s%s ", cli_ink(stdout, CLI_FAINT), label, cli_ink(stdout, CLI_PLAIN));
}

static void print_bits(const struct decoding *d, const char *label, uint64_t bits)
{
	struct bits_field field;
	const char *separator = "";

	if (!bits)
		return;
	print_label(label);
	printf("0x%" PRIx64 ": ", bits);
	while (bits_next(d->format, d->level, d->entry.kind, &bits, &field)) {
		if (field.low == field.high)
			printf("%sbit %u", separator, field.low);
		else
			printf("%sbits %u:%u", separator, field.high, field.low);
		if (*field.name)
			printf(" (%s)", field.name);
		separator = ", ";
	}
	putchar('\n');
}

static void print_prot(ml_prot prot)
{
	const struct cli_prot_word *word;
	const char *separator = "  ";

	print_label("prot");
	fputs(cli_prot_access(prot).text, stdout);
	for (word = cli_prot_words; word->word; word++) {
		if (!(prot & word->bit))
			continue;
		printf("%s%s", separator, word->word);
		separator = ", ";
	}
	putchar('\n');
}

static void print_leaf(const struct decoding *d)
{
	const uint64_t entry_bytes = UINT64_C(1) << d->format->level_shift[d->level];

	print_label("pa");
	printf("0x%" PRIx64 "\n", d->entry.pa);
	print_label("size");
	fputs(cli_size_exact(entry_bytes).text, stdout);
	if (d->entry.group)
		printf(", member of a group of %s", cli_size_exact(leaf_bytes(d)).text);
	putchar('\n');
	print_prot(d->entry.prot);
	print_label("type");
	puts(cli_type_name(ML_TYPE_OF(d->entry.prot)));
}

static void print_table(const struct decoding *d)
{
	const char *limit;
	unsigned n;

	print_label("table");
	printf("0x%" PRIx64 "\n", d->entry.pa);
	for (n = 0; (limit = bits_limit(d->format, d->pte, n)) != NULL; n++) {
		print_label(n ? "" : "below");
		puts(limit);
	}
}

static void print_decoding(const struct decoding *d)
{
	printf("%s0x%016" PRIx64 "%s at level", cli_ink(stdout, CLI_STRONG), d->pte,
	       cli_ink(stdout, CLI_PLAIN));
	printf(" %u (%s)", d->level, d->format->level_names[d->level]);
	if (d->last_level > d->level)
		printf(" to %u (%s)", d->last_level, d->format->level_names[d->last_level]);
	printf(": %s\n", kind_names[d->entry.kind]);
	if (d->entry.kind == ML_KIND_LEAF)
		print_leaf(d);
	else if (d->entry.kind == ML_KIND_TABLE)
		print_table(d);
	print_bits(d, "residue", d->entry.residue);
	print_bits(d, "reserved", d->entry.reserved);
}

/* --- JSON -------------------------------------------------------------------------------- */

static void write_bits(struct cli_json *json, const struct decoding *d, const char *name,
		       uint64_t bits)
{
	struct bits_field field;

	cli_json_object(json, name);
	cli_json_address(json, "bits", bits);
	cli_json_array(json, "fields");
	while (bits_next(d->format, d->level, d->entry.kind, &bits, &field)) {
		cli_json_object(json, NULL);
		cli_json_integer(json, "high", field.high);
		cli_json_integer(json, "low", field.low);
		if (*field.name)
			cli_json_text(json, "name", field.name);
		cli_json_up(json);
	}
	cli_json_up(json);
	cli_json_up(json);
}

void pte_write_prot(struct cli_json *json, ml_prot prot)
{
	const struct cli_prot_word *word;

	cli_json_text(json, "access", cli_prot_access(prot).text);
	cli_json_array(json, "prot");
	for (word = cli_prot_words; word->word; word++) {
		if (prot & word->bit)
			cli_json_text(json, NULL, word->word);
	}
	cli_json_up(json);
	cli_json_text(json, "type", cli_type_name(ML_TYPE_OF(prot)));
}

static void write_leaf(struct cli_json *json, const struct decoding *d)
{
	cli_json_address(json, "pa", d->entry.pa);
	cli_json_integer(json, "entry_bytes", UINT64_C(1) << d->format->level_shift[d->level]);
	cli_json_integer(json, "leaf_bytes", leaf_bytes(d));
	cli_json_bool(json, "group", d->entry.group);
	pte_write_prot(json, d->entry.prot);
}

static void write_table(struct cli_json *json, const struct decoding *d)
{
	const char *limit;
	unsigned n;

	cli_json_address(json, "pa", d->entry.pa);
	cli_json_array(json, "below");
	for (n = 0; (limit = bits_limit(d->format, d->pte, n)) != NULL; n++)
		cli_json_text(json, NULL, limit);
	cli_json_up(json);
}

static void write_decoding(struct cli_json *json, const struct decoding *d)
{
	cli_json_address(json, "value", d->pte);
	cli_json_integer(json, "level", d->level);
	cli_json_text(json, "level_name", d->format->level_names[d->level]);
	cli_json_text(json, "kind", kind_names[d->entry.kind]);
	if (d->entry.kind == ML_KIND_LEAF)
		write_leaf(json, d);
	else if (d->entry.kind == ML_KIND_TABLE)
		write_table(json, d);
	write_bits(json, d, "residue", d->entry.residue);
	write_bits(json, d, "reserved", d->entry.reserved);
}

/* --- which levels -------------------------------------------------------------------------- */

static struct decoding decode(const struct ml_format *format, const struct ml_types *types,
			      ml_pte pte, unsigned level)
{
	struct decoding d = { .format = format, .pte = pte, .level = level, .last_level = level };

	if (ml_format_decode(format, types, pte, level, &d.entry) != ML_OK)
		cli_die("pte", "%s has no level %u", format->name, level);
	return d;
}

static bool are_alike(const struct decoding *a, const struct decoding *b)
{
	return a->entry.kind == ML_KIND_TABLE && b->entry.kind == ML_KIND_TABLE &&
	       a->last_level + 1 == b->level && a->entry.pa == b->entry.pa &&
	       a->entry.residue == b->entry.residue && a->entry.reserved == b->entry.reserved;
}

static void report(const struct decoding *d, bool as_json, struct pte_sums *sums)
{
	struct cli_json json;

	sums->entries++;
	sums->malformed += d->entry.reserved != 0;
	if (!as_json) {
		print_decoding(d);
		return;
	}
	cli_json_open(&json, stdout);
	write_decoding(&json, d);
	cli_json_close(&json);
}

void pte_decode(const struct ml_format *format, const struct ml_types *types, ml_pte pte,
		unsigned level, bool json, struct pte_sums *sums)
{
	struct decoding shown[ML_LEVEL_MAX];
	unsigned count = 0;
	unsigned i;

	if (level != PTE_ANY_LEVEL) {
		shown[0] = decode(format, types, pte, level);
		report(&shown[0], json, sums);
		return;
	}
	for (i = 0; i < format->levels_max; i++) {
		shown[count] = decode(format, types, pte, i);
		if (count && are_alike(&shown[count - 1], &shown[count]) && !json)
			shown[count - 1].last_level = i;
		else if (is_plausible(&shown[count].entry))
			count++;
	}
	if (!count)
		shown[count++] = decode(format, types, pte, 0);
	for (i = 0; i < count; i++)
		report(&shown[i], json, sums);
}

/* --- in a line ------------------------------------------------------------------------------ */

struct pte_phrase pte_prot_phrase(ml_prot prot)
{
	const ml_prot shown = ML_RW | ML_USER | ML_EXEC | ML_PEXEC; /* by the letters */
	const struct cli_prot_word *word;
	struct pte_phrase out;
	size_t used;

	used = (size_t)snprintf(out.text, sizeof(out.text), "%s", cli_prot_access(prot).text);
	for (word = cli_prot_words; word->word && used < sizeof(out.text); word++) {
		if (prot & word->bit & ~shown)
			used += (size_t)snprintf(out.text + used, sizeof(out.text) - used, ", %s",
						 word->word);
	}
	if (prot & ML_TYPE_MASK && used < sizeof(out.text))
		snprintf(out.text + used, sizeof(out.text) - used, ", %s",
			 cli_type_name(ML_TYPE_OF(prot)));
	return out;
}

/* Whether a block says that its size is about to change. */
static bool announces(const struct decoding *d)
{
	const unsigned bit = d->format->announce_bit;

	return bit && d->level && d->entry.residue >> bit & 1;
}

static struct pte_phrase leaf_phrase(const struct decoding *d, uint64_t count)
{
	const uint64_t entry_bytes = UINT64_C(1) << d->format->level_shift[d->level];
	const uint64_t bytes = leaf_bytes(d);
	const bool several = count * entry_bytes > bytes;
	struct pte_phrase out;
	char group[64] = "";

	if (d->entry.group)
		snprintf(group, sizeof(group), several ? " in groups of %s" : " in a group of %s",
			 cli_size_exact(bytes).text);
	snprintf(out.text, sizeof(out.text), "%s %s%s, pa 0x%" PRIx64 "%s, %.160s%s",
		 cli_size_exact(entry_bytes).text, count > 1 ? "leaves" : "leaf", group,
		 d->entry.pa, count > 1 ? " on" : "", pte_prot_phrase(d->entry.prot).text,
		 announces(d) ? ", announced" : "");
	return out;
}

struct pte_phrase pte_phrase(const struct ml_format *format, const struct ml_types *types,
			     ml_pte pte, unsigned level, uint64_t count)
{
	const struct decoding d = decode(format, types, pte, level);
	struct pte_phrase out;

	switch (d.entry.kind) {
	case ML_KIND_LEAF:
		return leaf_phrase(&d, count);
	case ML_KIND_TABLE:
		snprintf(out.text, sizeof(out.text), "table 0x%" PRIx64, d.entry.pa);
		return out;
	case ML_KIND_INVALID:
		snprintf(out.text, sizeof(out.text), "not present, but 0x%" PRIx64, pte);
		return out;
	default:
		snprintf(out.text, sizeof(out.text), "not present");
		return out;
	}
}

void pte_write(struct cli_json *json, const struct ml_format *format, const struct ml_types *types,
	       ml_pte pte, unsigned level)
{
	const struct decoding d = decode(format, types, pte, level);

	write_decoding(json, &d);
}
