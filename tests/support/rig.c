/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* Putting up tables for tests, and taking pictures of them. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <maxleaf/pte.h>

#include "rig.h"

#define RIG_ARENA_BYTES ((size_t)64 << 20)
#define RIG_TOY_BYTES ((size_t)64 << 10)
#define RIG_TOY_PA 0x10000u /* toy's entries reach 1 MiB */

static _Noreturn void trouble(const char *what)
{
	fprintf(stderr, "maxleaf: rig: %s\n", what);
	exit(2);
}

struct ml_arena *rig_arena(enum world world)
{
	static struct ml_arena arenas[2];
	const bool toy = world == WORLD_TOY;
	struct ml_arena *arena = &arenas[toy];

	if (!arena->memory && ml_arena_init(arena, toy ? RIG_TOY_PA : ML_ARENA_PA,
					    toy ? RIG_TOY_BYTES : RIG_ARENA_BYTES))
		trouble("no memory for an arena");
	return arena;
}

void rig_model(struct rig *rig)
{
	static const enum ml_model_kind kinds[] = {
		[ML_ENCODING_X86_64] = ML_MODEL_X86_64,
		[ML_ENCODING_ARM64] = ML_MODEL_ARM64_4K,
		[ML_ENCODING_TOY] = ML_MODEL_TOY,
	};
	const struct ml_format *format = rig->facts->format;

	rig->model = (struct ml_model){
		.kind = kinds[format->encoding],
		.levels = rig->table.levels,
		.pa_bits = rig->table.pa_bits,
		.root = ml_table_root(&rig->table),
		.types = format->types_default,
		.high = rig->facts->high,
		.hardware_accessed = true,
		.hardware_dirty = true,
		.read = ml_arena_read,
		.cookie = rig->arena,
	};
}

static int open_with(struct rig *rig, enum world world, const struct ml_table_config *wish,
		     char *base)
{
	struct ml_table_config config = wish ? *wish : (struct ml_table_config){ 0 };
	int error;

	rig->facts = &worlds[world];
	rig->arena = rig_arena(world);
	config.platform = &rig->arena->platform;
	config.cookie = rig->arena;
	config.base = base;
	config.levels = rig->facts->levels;
	config.high = rig->facts->high;
	error = ml_table_init(&rig->table, rig->facts->format, &config);
	if (!error)
		rig_model(rig);
	return error;
}

int rig_open(struct rig *rig, enum world world, const struct ml_table_config *wish)
{
	return open_with(rig, world, wish, ml_arena_base(rig_arena(world)));
}

int rig_open_hooked(struct rig *rig, enum world world, const struct ml_table_config *wish)
{
	return open_with(rig, world, wish, NULL);
}

int rig_open_setting(struct rig *rig, struct setting *setting)
{
	const struct ml_table_config wish = setting_config(setting);
	const int error = setting->hooked ? rig_open_hooked(rig, setting->world, &wish)
					  : rig_open(rig, setting->world, &wish);

	return error || !setting->never.len ? error : ml_never_fault(&rig->table, &setting->never);
}

bool rig_close(struct rig *rig)
{
	const uint64_t own = rig->table.stats.tables + rig->table.spare.count;
	const uint64_t in_use = rig->arena->in_use;

	ml_table_fini(&rig->table, NULL);
	return rig->arena->in_use == in_use - own;
}

int rig_call(struct rig *rig, const struct action *a, struct ml_op *op)
{
	struct ml_table *t = &rig->table;

	switch (a->kind) {
	case ACTION_MAP:
		return ml_map(t, a->va, a->len, a->pa, a->prot, op);
	case ACTION_EXTENTS:
		return ml_map_extents(t, a->va, a->extents, a->extent_count, a->prot, op);
	case ACTION_UNMAP:
		return ml_unmap(t, a->va, a->len, op);
	case ACTION_PROTECT:
		return ml_protect(t, a->va, a->len, a->mask, a->prot, op);
	case ACTION_SPLIT:
		return ml_split(t, a->va, a->len, a->rung, op);
	case ACTION_MOVE:
		return ml_move(t, a->va, a->to, a->len, op);
	case ACTION_FOLD:
		return ml_fold(t, a->va, a->len, a->rung, op);
	default:
		trouble("no such call");
	}
}

uint64_t rig_page(const struct rig *rig)
{
	return (uint64_t)1 << rig->facts->format->page_shift;
}

unsigned rig_rung(const struct rig *rig, unsigned shift)
{
	const struct ml_format *f = rig->facts->format;

	for (unsigned rung = 0; rung < f->rung_count; rung++)
		if (f->rungs[rung].shift == shift)
			return rung;
	return ML_RUNG_MAX;
}

bool rig_maps(const struct rig *rig, ml_va va, uint64_t len, ml_pa pa, unsigned rung)
{
	for (uint64_t at = 0; at < len; at += rig_page(rig)) {
		struct ml_translation found;

		if (ml_translate(&rig->table, va + at, &found) || found.pa != pa + at ||
		    ml_translation_rung(&rig->table, &found) != rung)
			return false;
	}
	return true;
}

ml_pte *rig_entry(struct rig *rig, ml_va va, unsigned level)
{
	ml_pte *entry = ml_pte_pointer(&rig->table, va, level);

	if (!entry)
		trouble("no entry");
	return entry;
}

void rig_put_each(struct rig *rig, ml_va va, unsigned level, ml_pte entries[RIG_ENTRIES])
{
	const uint64_t step = (uint64_t)1 << rig->facts->format->level_shift[level];
	struct ml_table *t = &rig->table;

	entries[0] = 0;
	if (ml_pte_ensure(t, va, RIG_ENTRIES * step, level, NULL) ||
	    ml_software_make(t, ML_SOFTWARE_SWAP, 77, &entries[1]) ||
	    ml_software_make(t, ML_SOFTWARE_MIGRATION, 77, &entries[2]) ||
	    ml_software_make(t, ML_SOFTWARE_OWNER, 77, &entries[3]) ||
	    ml_pte_make(t, 0, ML_RW, level, &entries[5]) ||
	    ml_pte_prot_none(t, entries[5], level, &entries[4]))
		trouble("an entry that cannot be made");
	for (unsigned i = 1; i < RIG_ENTRIES; i++)
		ml_set_pte_at(t, va + i * step, rig_entry(rig, va + i * step, level), level,
			      entries[i]);
}

uint64_t rig_leaves(const struct rig *rig, unsigned rung)
{
	struct ml_stats stats;

	ml_table_stats(&rig->table, &stats);
	return stats.leaves[rung];
}

uint64_t rig_bytes(const struct rig *rig)
{
	struct ml_cursor cursor = { .last = UINT64_MAX };
	struct ml_run run;
	uint64_t bytes = 0;

	while (ml_run_next(&rig->table, &cursor, &run))
		bytes += run.length;
	return bytes;
}

/* Intel SDM 4.8; Arm ARM D8.4.6: dirty is AP[2] clear, where DBM allows it; toy has x86's bits. */
static ml_pte marked(enum ml_model_kind kind, ml_pte pte, bool write)
{
	const ml_pte dbm = (ml_pte)1 << 51, read_only = (ml_pte)1 << 7, af = (ml_pte)1 << 10;

	if (kind == ML_MODEL_ARM64_4K)
		return (write && pte & dbm ? pte & ~read_only : pte) | af;
	if (write && pte & (kind == ML_MODEL_TOY ? 8 : 2))
		pte |= (ml_pte)1 << 6;
	return pte | (ml_pte)1 << 5;
}

void rig_mark(const struct rig *rig, ml_pte *leaf, bool write)
{
	*leaf = marked(rig->model.kind, *leaf, write);
}

bool rig_touch(const struct rig *rig, ml_va va, bool write, struct ml_model_result *result)
{
	ml_pte *entry;

	if (ml_model_walk(&rig->model, va, ML_MODEL_READ, false, result) == ML_MODEL_OK ||
	    result->fault == ML_MODEL_PERMISSION) {
		entry = ml_arena_pointer(rig->arena, result->entry_pa, sizeof(*entry));
		rig_mark(rig, entry, write && result->prot & ML_WRITE);
		return true;
	}
	return false;
}

/* A walk over every table handed out that holds entries. */
struct listing {
	const struct rig *rig;
	size_t bytes;         /* of each table */
	size_t next;          /* number of the next table */
	unsigned char *spare; /* by number: nobody's */
};

static struct listing list_tables(const struct rig *rig)
{
	struct listing list = { rig, ml_format_table_bytes(rig->facts->format, 0), 0, NULL };

	list.spare = calloc(rig->arena->next / list.bytes + 1, 1);
	if (!list.spare)
		trouble("no memory for a picture");
	for (void *const *at = rig->table.spare.first; at; at = *at)
		list.spare[(size_t)((const char *)at - rig->arena->memory) / list.bytes] = 1;
	return list;
}

/* The next table, and its number; NULL at the end, when the listing is released. */
static const void *next_table(struct listing *list, size_t *number)
{
	const struct ml_arena *arena = list->rig->arena;

	for (; list->next < arena->next / list->bytes; list->next++) {
		if (!arena->classes[list->next * list->bytes / ML_ARENA_UNIT] ||
		    list->spare[list->next])
			continue;
		*number = list->next++;
		return arena->memory + *number * list->bytes;
	}
	free(list->spare);
	list->spare = NULL;
	return NULL;
}

static void picture_add(struct picture *picture, const void *memory, size_t bytes)
{
	if (picture->used + bytes > picture->room) {
		picture->room = 2 * (picture->used + bytes);
		picture->memory = realloc(picture->memory, picture->room);
		if (!picture->memory)
			trouble("no memory for a picture");
	}
	memcpy(picture->memory + picture->used, memory, bytes);
	picture->used += bytes;
}

void picture_take(struct picture *picture, const struct rig *rig)
{
	struct listing list = list_tables(rig);
	const void *memory;
	size_t number;

	picture->table = rig->table;
	picture->in_use = rig->arena->in_use;
	picture->used = 0;
	while ((memory = next_table(&list, &number)) != NULL) {
		picture_add(picture, &number, sizeof(number));
		picture_add(picture, memory, list.bytes);
	}
}

static const char *account_difference(const struct ml_table *was, const struct ml_table *is)
{
	if (was->stats.tables != is->stats.tables)
		return "the count of tables differs";
	if (was->spare.count != is->spare.count || was->owed != is->owed)
		return "the deposits differ";
	if (was->stats.splits != is->stats.splits || was->stats.folds != is->stats.folds)
		return "splits or folds were counted";
	if (was->stats.invalidations != is->stats.invalidations ||
	    was->stats.completions != is->stats.completions)
		return "something was invalidated";
	return NULL;
}

const char *picture_difference(const struct picture *picture, const struct rig *rig)
{
	struct listing list = list_tables(rig);
	const unsigned char *at = picture->memory, *end = picture->memory + picture->used;
	const char *difference = NULL;
	const void *memory;
	size_t number;

	while ((memory = next_table(&list, &number)) != NULL) {
		if (difference)
			continue;
		if (at == end)
			difference = "there is one table more";
		else if (memcmp(at, &number, sizeof(number)) != 0)
			difference = "a table has moved";
		else if (memcmp(at + sizeof(number), memory, list.bytes) != 0)
			difference = "an entry differs";
		if (!difference)
			at += sizeof(number) + list.bytes;
	}
	if (picture->in_use != rig->arena->in_use)
		return "tables were kept or lost";
	if (difference)
		return difference;
	return at == end ? account_difference(&picture->table, &rig->table) : "a table is missing";
}

void picture_release(struct picture *picture)
{
	free(picture->memory);
	*picture = (struct picture){ 0 };
}
