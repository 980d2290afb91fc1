/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/*
 * Fuzz target: hostile tables. The input fills a few tables of an arena, whose entries may
 * point at each other, at themselves, or anywhere; every reading call walks them through
 * the bounds-checking hook, and what adoption accepts must stand up to a check.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <maxleaf/hosted.h>
#include <maxleaf/table.h>

#include "fuzzer.h"

#define TABLES 6
#define TABLES_MOST 16

static void wrong(const char *what)
{
	fprintf(stderr, "maxleaf: decode fuzzer: %s\n", what);
	abort();
}

/* One format, as the first byte of the input chooses it. */
struct target {
	const struct ml_format *format;
	uint8_t levels;
	bool high;
	ml_va va[4];
};

static const struct target targets[] = {
	{ &ml_format_x86_64,
	  4,
	  false,
	  { 0, 0x7fffffffffff, 0xffff800000000000, 0xffffffffffffffff } },
	{ &ml_format_x86_64,
	  5,
	  false,
	  { 0, 0xffffffffffffff, 0xff00000000000000, 0xffffffffffffffff } },
	{ &ml_format_arm64_4k, 4, false, { 0, 0xffffffffffff, 0x40201000, 0x8000000000 } },
	{ &ml_format_arm64_4k,
	  3,
	  true,
	  { 0xffffff8000000000, 0xffffffffffffffff, 0xffffffc000000000, 0xffffffffffe00000 } },
	{ &ml_format_toy, 2, false, { 0, 0xffff, 0x4000, 0xb000 } },
};

/* Encode again what was decoded as a sound leaf: the same named bits must come back. */
static void check_entry(const struct target *target, const struct ml_types *types, ml_pte pte)
{
	for (unsigned level = 0; level < target->levels; level++) {
		struct ml_entry entry;
		ml_pte again;

		if (ml_format_decode(target->format, types, pte, level, &entry))
			wrong("an entry of an existing level was refused");
		if (entry.kind != ML_KIND_LEAF || entry.reserved ||
		    !ml_format_expressible(target->format, types, entry.prot))
			continue;
		if (ml_format_encode(target->format, types, entry.pa, entry.prot, level,
				     entry.group, &again))
			continue; /* a size the format does not fold at this level */
		if (ml_format_decode(target->format, types, again, level, &entry) ||
		    entry.kind != ML_KIND_LEAF)
			wrong("a leaf decoded and encoded is no leaf");
	}
}

/* The tables an input is turned into. */
struct tables {
	ml_pte *memory[TABLES];
	ml_pa pa[TABLES];
	size_t entries; /* of each */
};

/*
 * One record of the input: a byte for table and form, one for the slot, then either a table to link
 * and the low bits of the link, or a whole entry. Returns the bytes used.
 */
static size_t take_record(const struct tables *tables, const uint8_t *data, size_t size)
{
	const bool whole = data[0] & 0x80;
	const size_t bytes = whole ? 10 : 4;
	ml_pte pte = 0;

	if (size < bytes)
		return size;
	if (whole)
		memcpy(&pte, data + 2, sizeof(pte));
	else
		pte = tables->pa[data[2] % TABLES] | data[3];
	tables->memory[(data[0] & 7) % TABLES][(data[1] | (data[0] & 8u) << 5) % tables->entries] =
		pte;
	return bytes;
}

static void read_everything(const struct ml_table *table, const struct target *target)
{
	struct ml_translation found;
	struct ml_walk walk;

	for (unsigned i = 0; i < 4; i++) {
		const int error = ml_translate(table, target->va[i], &found);
		const int walked = ml_walk(table, target->va[i], &walk);

		if (error == ML_ERR_CANONICAL || walked == ML_ERR_CANONICAL)
			wrong("an address of the table is said not to be");
		if (!walked && walk.count > table->levels)
			wrong("a walk is deeper than the table");
		if (!error && walked)
			wrong("what can be translated cannot be walked");
	}
}

/* Point a table of ours at the hostile root, as a dump reader does. */
static void judge_tables(struct ml_arena *arena, const struct target *target, ml_pa root)
{
	struct ml_table_config config = {
		.platform = &arena->platform,
		.cookie = arena,
		.levels = target->levels,
		.high = target->high,
	};
	struct ml_table table;
	struct ml_fault fault;
	const int error = ml_table_adopt(&table, target->format, &config, root, TABLES_MOST);

	if (error && error != ML_ERR_BAD_TABLE && error != ML_ERR_BAD_ENTRY)
		wrong("adoption failed for another reason");
	if (error)
		return;
	read_everything(&table, target);
	if (ml_table_check(&table, &fault))
		wrong("what was adopted does not stand up to a check");
}

static void make_tables(struct tables *tables, struct ml_arena *arena, const struct target *target)
{
	const size_t bytes = ml_format_table_bytes(target->format, 0);

	if (ml_arena_init(arena, 0x10000, 0x10000))
		wrong("no arena");
	tables->entries = bytes / sizeof(ml_pte);
	for (unsigned i = 0; i < TABLES; i++) {
		tables->memory[i] = arena->platform.table_alloc(arena, NULL, bytes, &tables->pa[i]);
		memset(tables->memory[i], 0, bytes);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct target *target;
	struct tables tables;
	struct ml_types types;
	struct ml_arena arena;

	if (size == 0)
		return 0;
	target = &targets[data[0] % (sizeof(targets) / sizeof(targets[0]))];
	ml_types_init(&types, target->format, 0);
	for (size_t at = 1; at + 8 <= size && at < 256; at++) {
		ml_pte pte;

		memcpy(&pte, data + at, sizeof(pte));
		check_entry(target, &types, pte);
	}
	make_tables(&tables, &arena, target);
	for (size_t at = 1; at + 2 <= size;)
		at += take_record(&tables, data + at, size - at);
	judge_tables(&arena, target, tables.pa[0]);
	ml_arena_fini(&arena);
	return 0;
}
