/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/*
 * Mistakes that once were made, one test each: named after what went wrong, so that it does not
 * come back.
 */
#include <stdlib.h>

#include <maxleaf/table.h>

#include "support/rig.h"
#include "t.h"

#define K ((uint64_t)1 << 10)
#define M ((uint64_t)1 << 20)
#define G ((uint64_t)1 << 30)
#define TABLES 100
#define UPPER (0 - 128 * 1024 * G) /* the upper half of x86-64 */
#define SLOT (512 * G)             /* what a root entry of four levels covers */

static ml_va start_of(const struct rig *rig)
{
	return rig->facts->low_last ? 0 : rig->facts->high_first;
}

static ml_pte *entry_at(const struct rig *rig, ml_va va, unsigned level)
{
	struct ml_walk walk;

	if (!t_eq(ml_walk(&rig->table, va, &walk), ML_OK))
		exit(2);
	for (unsigned i = 0; i < walk.count; i++)
		if (walk.entries[i].level == level)
			return ml_arena_pointer(
				rig->arena, walk.entries[i].table + 8 * walk.entries[i].index, 8);
	t_ok(!"the walk ends above that level");
	exit(2);
}

/* Take the rig's tables over as boot code's: the adopted table frees them. */
static int adopt(struct ml_table *table, const struct rig *boot, bool guaranteed)
{
	const struct ml_table_config config = {
		.platform = &boot->arena->platform,
		.cookie = boot->arena,
		.levels = boot->facts->levels,
		.high = boot->facts->high,
		.live = true,
		.guaranteed = guaranteed,
	};

	return ml_table_adopt(table, boot->facts->format, &config, ml_table_root(&boot->table),
			      TABLES);
}

static void take_down(struct ml_table *table, const struct rig *boot)
{
	const uint64_t own = table->stats.tables + table->spare.count;
	const uint64_t in_use = boot->arena->in_use;

	t_eq(ml_table_check(table, NULL), ML_OK);
	ml_table_fini(table, NULL);
	t_eq(boot->arena->in_use, in_use - own);
}

static ml_prot prot_at(const struct ml_table *table, ml_va va)
{
	struct ml_translation found;

	if (!t_eq(ml_translate(table, va, &found), ML_OK))
		return ~(ml_prot)0;
	return ml_translation_prot(table, &found);
}

/* Before the first mapping, protection 0 was taken for the one mapped last. */
TEST(no_protection_was_mapped_as_the_last_one)
{
	for (unsigned world = 0; world < WORLDS; world++) {
		struct picture picture = { 0 };
		struct rig rig;
		ml_va va;

		T_CONTEXT(worlds[world].name, world);
		t_eq(rig_open(&rig, (enum world)world, NULL), ML_OK);
		va = start_of(&rig);
		t_eq(ml_map(&rig.table, va, 4 * K, 4 * K, 0, NULL), ML_ERR_PROT);
		t_eq(ml_map(&rig.table, va + 16 * K, 16 * K, 16 * K, 0, NULL), ML_ERR_PROT);
		t_eq(ml_map(&rig.table, va, 8 * K, 0, ML_RW, NULL), ML_OK);
		t_eq(ml_map(&rig.table, va + 12 * K, 4 * K, 0, ML_RW, NULL), ML_OK);
		picture_take(&picture, &rig);
		t_eq(ml_map(&rig.table, va + 8 * K, 4 * K, 4 * K, 0, NULL), ML_ERR_PROT);
		t_eq(ml_map(&rig.table, va + 8 * K, 4 * K, 0, 0, NULL), ML_ERR_PROT);
		t_ok(picture_difference(&picture, &rig) == NULL);
		picture_release(&picture);
		t_ok(rig_close(&rig));
	}
}

/* Eight software bits were cleared where x86-64 has six: the saved dirty mark and a key went. */
TEST(software_bits_took_their_neighbours)
{
	for (unsigned world = 0; world < WORLDS; world++) {
		const ml_pte theirs = world == WORLD_TOY ? 0 : (ml_pte)0xf << 59;
		struct rig rig;
		ml_pte *entry, before;
		ml_va va;

		T_CONTEXT(worlds[world].name, world);
		t_eq(rig_open(&rig, (enum world)world, NULL), ML_OK);
		va = start_of(&rig);
		t_eq(ml_map(&rig.table, va, 4 * K, 0, ML_RW, NULL), ML_OK);
		t_eq(ml_protect(&rig.table, va, 4 * K, ML_WRITE, 0, NULL), ML_OK);
		entry = entry_at(&rig, va, 0);
		before = *entry |= theirs;
		t_ok(prot_at(&rig.table, va) & ML_DIRTY);
		if (ml_format_soft_bits(rig.facts->format))
			t_eq(ml_protect(&rig.table, va, 4 * K, ML_SOFT(0), ML_SOFT(0), NULL),
			     ML_OK);
		t_eq(ml_protect(&rig.table, va, 4 * K, ML_SOFT_MASK, 0, NULL), ML_OK);
		t_eq(*entry, before);
		t_ok(rig_close(&rig));
	}
}

/* What a walk through 2M of small leaves may do before and after they are folded. */
static void fold_keeps(enum world world, ml_pte clear, ml_pte set)
{
	struct ml_model_result before, after;
	struct ml_translation found;
	struct ml_table table;
	struct rig boot;
	ml_pte *limits;
	ml_prot prot;

	t_eq(rig_open(&boot, world, NULL), ML_OK);
	t_eq(ml_map(&boot.table, 0, 2 * M, 4 * M, ML_RW | ML_USER | ML_EXEC, NULL), ML_OK);
	t_eq(ml_split(&boot.table, 0, 2 * M, 0, NULL), ML_OK);
	limits = entry_at(&boot, 0, 1);
	*limits = (*limits & ~clear) | set;
	if (!t_eq(adopt(&table, &boot, false), ML_OK))
		return;
	prot = prot_at(&table, 0);
	t_eq(ml_model_walk(&boot.model, 0, ML_MODEL_READ, false, &before), ML_MODEL_OK);
	t_eq(ml_fold(&table, 0, 2 * M, rig_rung(&boot, 21), NULL), ML_OK);
	t_eq(ml_translate(&table, 0, &found), ML_OK);
	t_eq(found.level, 1);
	t_eq(prot_at(&table, 0), prot);
	t_eq(ml_model_walk(&boot.model, 0, ML_MODEL_READ, false, &after), ML_MODEL_OK);
	t_eq(after.prot & ~ML_PROT_AD, before.prot & ~ML_PROT_AD);
	take_down(&table, &boot);
}

/* The leaf that replaced a table was not held to the limits in the table's entry. */
TEST(folding_lost_the_limits_above)
{
	const ml_pte no_execute = (ml_pte)1 << 63;

	for (unsigned limits = 0; limits < 8; limits++) { /* RW, US, NX */
		T_CONTEXT("limits", limits);
		fold_keeps(WORLD_X86_4, (limits & 3) << 1, limits & 4 ? no_execute : 0);
	}
	for (unsigned limits = 0; limits < 16; limits++) { /* PXN, UXN, AP: Arm ARM D8.3.1 */
		T_CONTEXT("Arm limits", limits);
		fold_keeps(WORLD_ARM_LOW, 0, (ml_pte)limits << 59);
	}
}

/* Tables of one's own lie at base + pa, but from `boot_pa` on the hook leads elsewhere. */
#define DECOY_TABLES 8

struct decoyed {
	_Alignas(4096) ml_pte tables[2 * DECOY_TABLES][512];
	ml_pte boot[4][512];
	unsigned taken;
};

#define BOOT_PA ((ml_pa)DECOY_TABLES * 4096)

static void *decoyed_alloc(void *cookie, struct ml_op *op, size_t bytes, ml_pa *pa)
{
	struct decoyed *memory = cookie;

	(void)op;
	(void)bytes;
	if (memory->taken == DECOY_TABLES)
		return NULL;
	*pa = memory->taken * (ml_pa)4096;
	return memory->tables[memory->taken++];
}

static void decoyed_free(void *cookie, struct ml_op *op, void *table, ml_pa pa, size_t bytes)
{
	(void)cookie;
	(void)op;
	(void)table;
	(void)pa;
	(void)bytes;
}

static void *decoyed_pointer(void *cookie, ml_pa pa, size_t bytes)
{
	struct decoyed *memory = cookie;

	if (pa >= BOOT_PA + sizeof(memory->boot) || pa % bytes)
		return NULL;
	return pa < BOOT_PA ? memory->tables[pa / 4096] : memory->boot[(pa - BOOT_PA) / 4096];
}

/* A borrower with a base looked for an adopted lender's tables there, not through the hook. */
TEST(a_borrower_walked_past_the_hook)
{
	static const struct ml_platform platform = {
		.table_alloc = decoyed_alloc,
		.table_free = decoyed_free,
		.table_pointer = decoyed_pointer,
	};
	static struct decoyed memory;
	struct ml_table_config config = { .platform = &platform, .cookie = &memory };
	struct ml_cursor cursor = { .last = UINT64_MAX };
	struct ml_translation found = { 0 };
	struct ml_table lender, table;
	struct ml_run run = { 0 };

	memory.boot[0][256] = (BOOT_PA + 4096) | 7;
	memory.boot[1][0] = (BOOT_PA + 2 * 4096) | 7;
	memory.boot[2][0] = (BOOT_PA + 3 * 4096) | 7;
	memory.boot[3][0] = 0x5000 | 3;
	t_eq(ml_table_adopt(&lender, &ml_format_x86_64, &config, BOOT_PA, TABLES), ML_OK);
	config.base = (char *)memory.tables;
	t_eq(ml_table_init(&table, &ml_format_x86_64, &config), ML_OK);
	t_eq(ml_table_share(&table, &lender, UPPER, SLOT, NULL), ML_OK);
	t_eq(ml_translate(&table, UPPER, &found), ML_OK);
	t_eq(found.pa, 0x5000);
	t_ok(ml_run_next(&table, &cursor, &run));
	t_eq(run.va, UPPER);
	t_eq(ml_map(&table, 0, 4 * K, 0x6000, ML_RW, NULL), ML_OK);
	t_eq(ml_translate(&table, 0, &found), ML_OK);
	t_eq(found.pa, 0x6000);
	ml_table_fini(&table, NULL);
	ml_table_fini(&lender, NULL);
}

static void *no_pointer(void *cookie, ml_pa pa, size_t bytes)
{
	(void)cookie;
	(void)pa;
	(void)bytes;
	return NULL;
}

/* A borrower whose hook knew none of the lender's tables read them at address 0. */
TEST(a_borrower_that_cannot_find_the_lenders_tables)
{
	struct ml_platform platform;
	struct ml_table_config config;
	struct rig lender;
	struct ml_table table;

	t_eq(rig_open(&lender, WORLD_X86_4, NULL), ML_OK);
	t_eq(ml_map(&lender.table, UPPER, 4 * K, 0, ML_RW, NULL), ML_OK);
	platform = *lender.table.platform;
	platform.table_pointer = no_pointer;
	config = (struct ml_table_config){ .platform = &platform, .cookie = lender.table.cookie };
	t_eq(ml_table_init(&table, &ml_format_x86_64, &config), ML_OK);
	t_eq(ml_table_share(&table, &lender.table, UPPER, SLOT, NULL), ML_ERR_CONFIG);
	t_eq(table.shared_count, 0);
	ml_table_fini(&table, NULL);
	t_ok(rig_close(&lender));
}

/* An entry of software's above the range was counted as a leaf to split: no table, then NULL. */
TEST(replacing_below_a_software_entry_counted_no_tables)
{
	struct ml_op op = { .flags = ML_OP_REPLACE };
	struct ml_reserve reserve = { 0 };
	struct ml_table table;
	struct rig boot;
	uint64_t tables = 0;

	t_eq(rig_open(&boot, WORLD_X86_4, NULL), ML_OK);
	t_eq(ml_map(&boot.table, 0, 4 * K, 4 * M, ML_RW, NULL), ML_OK);
	*entry_at(&boot, 2 * M, 1) = 0x800; /* not present */
	*entry_at(&boot, 4 * G, 2) = 0xf00;
	T_REQUIRE(t_eq(adopt(&table, &boot, false), ML_OK));
	t_eq(ml_map(&table, 2 * M, 4 * K, 4 * M, ML_RW, NULL), ML_ERR_EXISTS);
	t_eq(ml_map_tables(&table, 2 * M, 4 * K, 4 * M, ML_RW, &op, &tables), ML_OK);
	T_REQUIRE(t_eq(tables, 1));
	t_eq(ml_map_tables(&table, 4 * G, 4 * K, 4 * M, ML_RW, &op, &tables), ML_OK);
	T_REQUIRE(t_eq(tables, 2));
	t_eq(ml_reserve_fill(&table, &reserve, 2, NULL), ML_OK);
	op.reserve = &reserve;
	t_eq(ml_map(&table, 4 * G, 4 * K, 4 * M, ML_RW, &op), ML_OK);
	t_eq(op.tables_needed, 2);
	t_eq(reserve.count, 0);
	op.reserve = NULL;
	t_eq(ml_map(&table, 2 * M, 4 * K, 4 * M, ML_RW, &op), ML_OK);
	t_ok(prot_at(&table, 2 * M) & ML_WRITE);
	t_ok(prot_at(&table, 4 * G) & ML_WRITE);
	take_down(&table, &boot);
}

/* The lender's tables were counted against the borrower's own: "table linked twice". */
TEST(the_check_of_a_borrower_went_into_the_lender)
{
	struct ml_fault fault = { 0 };
	struct ml_table lender;
	struct rig boot, user;

	t_eq(rig_open(&boot, WORLD_X86_4, NULL), ML_OK);
	for (unsigned i = 0; i < 8; i++)
		t_eq(ml_map(&boot.table, UPPER + i * 4 * M, 4 * K, 4 * M, ML_RW, NULL), ML_OK);
	T_REQUIRE(t_eq(adopt(&lender, &boot, false), ML_OK));
	t_eq(rig_open_hooked(&user, WORLD_X86_4, NULL), ML_OK);
	t_eq(ml_table_share(&user.table, &lender, UPPER, SLOT, NULL), ML_OK);
	t_eq(ml_table_check(&user.table, &fault), ML_OK);
	t_eq(ml_map(&user.table, 0, 4 * K, 4 * M, ML_RW, NULL), ML_OK);
	t_eq(ml_table_check(&user.table, &fault), ML_OK);
	t_eq(user.table.stats.tables, 4);
	t_ok(rig_close(&user));
	take_down(&lender, &boot);
}

/* Split bytes of one leaf: what is told, what a reserve must hold, and what is taken. */
static void split_takes(enum world world, ml_va va, uint64_t len, uint64_t tables)
{
	struct ml_reserve reserve = { 0 };
	struct ml_op op = { .reserve = &reserve };
	struct rig rig;
	uint64_t before;

	t_eq(rig_open(&rig, world, NULL), ML_OK);
	t_eq(ml_map(&rig.table, 0, G, 0, ML_RW, NULL), ML_OK);
	t_eq(ml_reserve_fill(&rig.table, &reserve, tables - 1, NULL), ML_OK);
	t_eq(ml_split(&rig.table, va, len, 0, &op), ML_ERR_SHORT);
	t_eq(op.tables_needed, tables);
	t_eq(ml_reserve_fill(&rig.table, &reserve, tables, NULL), ML_OK);
	before = rig.table.stats.tables;
	t_eq(ml_split(&rig.table, va, len, 0, &op), ML_OK);
	t_eq(op.tables_needed, tables);
	t_eq(reserve.count, 0);
	t_eq(rig.table.stats.tables - before, tables);
	ml_reserve_empty(&rig.table, &reserve, NULL);
	t_eq(rig_bytes(&rig), G);
	t_ok(rig_close(&rig));
}

/* Splitting a page out of 1G counted all tables below it, 513, and took two. */
TEST(splitting_counted_the_whole_leaf)
{
	static const enum world some[] = { WORLD_X86_4, WORLD_ARM_LOW };

	for (unsigned i = 0; i < 2; i++) {
		T_CONTEXT(worlds[some[i]].name, i);
		split_takes(some[i], 5 * M, 4 * K, 2);
		split_takes(some[i], 6 * M - 4 * K, 8 * K, 3);
		split_takes(some[i], 2 * M, 6 * M, 4);
		split_takes(some[i], 4 * K, G - 8 * K, 513);
	}
}

static uint64_t unit_of_a_page(void *cookie, ml_pa pa)
{
	(void)cookie;
	(void)pa;
	return 4 * K;
}

/* Steps were measured in leaves that the units forbid: one step mapped everything. */
TEST(steps_ignored_the_units)
{
	const struct ml_table_config wish = { .ad_unit = unit_of_a_page };
	struct ml_step step = { .len = 64 * M, .prot = ML_RW, .tables = 1 };
	unsigned steps = 0;
	struct rig rig;

	t_eq(rig_open(&rig, WORLD_X86_4, &wish), ML_OK);
	while (step.len) {
		const uint64_t left = step.len, tables = rig.table.stats.tables;

		T_REQUIRE(t_eq(ml_map_step(&rig.table, &step, NULL), ML_OK));
		t_ok(left - step.len <= 2 * M);
		t_ok(rig.table.stats.tables - tables <= 3);
		steps++;
	}
	t_eq(steps, 32);
	t_eq(rig_leaves(&rig, 0), 64 * M / (4 * K));
	t_ok(rig_close(&rig));
}

/* Groups of pages need no deposit, but were refused for not having one. */
TEST(adoption_wanted_deposits_for_groups_of_pages)
{
	struct ml_table table;
	struct rig boot;

	t_eq(rig_open(&boot, WORLD_ARM_LOW, NULL), ML_OK);
	t_eq(ml_map(&boot.table, 0, 64 * K, 0, ML_RW, NULL), ML_OK);
	t_eq(rig_leaves(&boot, rig_rung(&boot, 16)), 1);
	T_REQUIRE(t_eq(adopt(&table, &boot, true), ML_OK));
	t_eq(ml_unmap(&table, 4 * K, 4 * K, NULL), ML_OK);
	take_down(&table, &boot);
	t_eq(rig_open(&boot, WORLD_ARM_LOW, NULL), ML_OK);
	t_eq(ml_map(&boot.table, 0, 2 * M, 0, ML_RW, NULL), ML_OK);
	t_eq(adopt(&table, &boot, true), ML_ERR_CONFIG);
	t_ok(rig_close(&boot));
}

/* The short way looked at the first byte of a leaf: one larger than all memory was mapped. */
TEST(large_leaves_reached_beyond_the_physical_width)
{
	static const struct {
		enum world world;
		uint8_t pa_bits, shift;
	} cases[] = {
		{ WORLD_X86_4, 20, 21 },
		{ WORLD_X86_4, 29, 30 },
		{ WORLD_ARM_LOW, 20, 21 },
		{ WORLD_TOY, 13, 14 },
	};

	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const struct ml_table_config wish = { .pa_bits = cases[i].pa_bits };
		const uint64_t bytes = (uint64_t)1 << cases[i].shift;
		struct rig rig;

		T_CONTEXT(worlds[cases[i].world].name, cases[i].shift);
		t_eq(rig_open(&rig, cases[i].world, &wish), ML_OK);
		t_eq(ml_map(&rig.table, bytes, bytes, 0, ML_RW, NULL), ML_ERR_PA_RANGE);
		t_eq(ml_map(&rig.table, 0, 4 * K, 0, ML_RW, NULL), ML_OK);
		t_eq(ml_map(&rig.table, bytes, bytes, 0, ML_RW, NULL), ML_ERR_PA_RANGE);
		t_eq(ml_map(&rig.table, bytes, 4 * K, 0, ML_RW, NULL), ML_OK);
		t_ok(rig_close(&rig));
	}
}

/* ... and so did the check of adopted tables. */
TEST(leaves_beyond_the_physical_width_were_adopted)
{
	struct ml_table_config config = { 0 };
	struct ml_table boot, table;
	struct ml_arena arena;

	t_eq(ml_arena_init(&arena, 64 * K, 64 * K), ML_OK);
	config.platform = &arena.platform;
	config.cookie = &arena;
	t_eq(ml_table_init(&boot, &ml_format_x86_64, &config), ML_OK);
	t_eq(ml_map(&boot, 0, 2 * M, 0, ML_RW, NULL), ML_OK);
	config.pa_bits = 20;
	t_eq(ml_table_adopt(&table, &ml_format_x86_64, &config, ml_table_root(&boot), TABLES),
	     ML_ERR_BAD_ENTRY);
	config.pa_bits = 21;
	t_eq(ml_table_adopt(&table, &ml_format_x86_64, &config, ml_table_root(&boot), TABLES),
	     ML_OK);
	ml_table_fini(&boot, NULL);
	t_eq(arena.in_use, 0);
	ml_arena_fini(&arena);
}

/* A page that the user wrote, and PXN clear, became executable when it lost writing. */
TEST(losing_a_right_gave_another)
{
	const ml_pte read_only = (ml_pte)1 << 7, dbm = (ml_pte)1 << 51, pxn = (ml_pte)1 << 53;
	const ml_pte forms[] = { dbm, dbm | read_only, 0 }; /* written, clean, always writable */
	struct rig rig;

	for (unsigned form = 0; form < 3; form++) {
		T_CONTEXT("form", form);
		t_eq(rig_open(&rig, WORLD_ARM_LOW, NULL), ML_OK);
		t_eq(ml_map(&rig.table, 4 * K, 60 * K, 4 * K, ML_RW | ML_USER, NULL), ML_OK);
		for (ml_va va = 4 * K; va < 64 * K; va += 4 * K) {
			ml_pte *entry = entry_at(&rig, va, 0);

			*entry = (*entry & ~(pxn | dbm | read_only)) | forms[form];
			t_eq(prot_at(&rig.table, va) & (ML_WRITE | ML_PEXEC), ML_WRITE);
		}
		t_eq(ml_protect(&rig.table, 4 * K, 4 * K, ML_WRITE, 0, NULL), ML_OK);
		t_eq(ml_protect(&rig.table, 8 * K, 40 * K, ML_WRITE, 0, NULL), ML_OK);
		t_eq(ml_protect(&rig.table, 48 * K, 8 * K, ML_USER, 0, NULL), ML_OK);
		t_eq(ml_protect(&rig.table, 56 * K, 8 * K, ML_RW | ML_USER, ML_READ, NULL), ML_OK);
		for (ml_va va = 4 * K; va < 64 * K; va += 4 * K)
			t_eq(prot_at(&rig.table, va) & ML_PEXEC, 0);
		t_ok(rig_close(&rig));
	}
}

/* Below a table that took writing away, what the user could have written was not executable. */
TEST(limits_above_took_execution)
{
	const ml_pte read_only = (ml_pte)1 << 7, dbm = (ml_pte)1 << 51, pxn = (ml_pte)1 << 53;
	const ml_pte forms[] = { dbm, dbm | read_only, 0, read_only };
	const ml_prot rights = ML_RW | ML_USER | ML_EXEC | ML_PEXEC;
	struct ml_model_result seen;
	struct ml_table table;
	struct rig boot;
	ml_pte *entry, *above, table_entry;

	t_eq(rig_open(&boot, WORLD_ARM_LOW, NULL), ML_OK);
	t_eq(ml_map(&boot.table, 0, 4 * K, 4 * K, ML_RW | ML_USER, NULL), ML_OK);
	entry = entry_at(&boot, 0, 0);
	above = entry_at(&boot, 0, 1);
	table_entry = *above;
	T_REQUIRE(t_eq(adopt(&table, &boot, false), ML_OK));
	for (unsigned i = 0; i < 16 * 4; i++) { /* PXN, UXN, AP of the table; forms of the leaf */
		T_CONTEXT("limits", i);
		*above = table_entry | (ml_pte)(i / 4) << 59;
		*entry = (*entry & ~(read_only | dbm | pxn)) | forms[i % 4];
		t_eq(ml_model_walk(&boot.model, 0, ML_MODEL_READ, false, &seen), ML_MODEL_OK);
		t_eq(prot_at(&table, 0) & rights, seen.prot & rights);
	}
	take_down(&table, &boot);
}

/* Edits of a type without a number were said to be refused, all of them; it can be replaced. */
TEST(a_type_without_a_number_was_said_to_stay)
{
	const struct ml_table_config wish = { .types = 0x0000bb04000cf0ff }; /* slot 2: GRE */
	const ml_pte slots = (ml_pte)7 << 2, slot = (ml_pte)2 << 2;
	const ml_prot nameless = ML_TYPE(ML_TYPE_COUNT);
	struct rig rig;

	t_eq(rig_open(&rig, WORLD_ARM_LOW, &wish), ML_OK);
	t_eq(ml_map(&rig.table, 0, 2 * M, 0, ML_RW, NULL), ML_OK);
	t_eq(ml_map(&rig.table, 2 * M, 4 * K, 0, ML_RW | nameless, NULL), ML_ERR_PROT);
	*entry_at(&rig, 0, 1) |= slot;
	t_eq(prot_at(&rig.table, 0) & ML_TYPE_MASK, nameless);
	t_eq(ml_protect(&rig.table, 0, 2 * M, ML_TYPE_MASK, nameless, NULL), ML_ERR_PROT);
	t_eq(ml_protect(&rig.table, 0, 2 * M, ML_SOFT(0), ML_SOFT(0), NULL), ML_OK);
	t_eq(ml_protect(&rig.table, 4 * K, 4 * K, ML_WRITE, 0, NULL), ML_OK);
	t_eq(ml_protect(&rig.table, 8 * K, 4 * K, ML_RW | ML_USER, ML_READ | ML_USER, NULL), ML_OK);
	for (ml_va va = 0; va < 2 * M; va += 4 * K)
		t_eq(*entry_at(&rig, va, 0) & slots, slot);
	t_eq(ml_protect(&rig.table, 0, 4 * K, ML_TYPE_MASK, ML_WB, NULL), ML_OK);
	t_eq(prot_at(&rig.table, 0) & ML_TYPE_MASK, ML_WB);
	t_eq(prot_at(&rig.table, 4 * K) & ML_TYPE_MASK, nameless);
	t_ok(rig_close(&rig));
}

/* Boot code's empty tables are nothing wrong, but made the whole tree a bad one. */
TEST(an_empty_table_was_not_adopted)
{
	for (unsigned world = 0; world < WORLDS; world++) {
		const uint64_t bytes = world == WORLD_TOY ? 16 * K : 2 * M;
		struct ml_table table;
		struct rig boot;
		ml_va va;

		T_CONTEXT(worlds[world].name, world);
		t_eq(rig_open(&boot, (enum world)world, NULL), ML_OK);
		va = start_of(&boot);
		t_eq(ml_map(&boot.table, va, 4 * K, 0, ML_RW, NULL), ML_OK);
		*entry_at(&boot, va, 0) = 0;
		T_REQUIRE(t_eq(adopt(&table, &boot, false), ML_OK));
		t_eq(ml_table_check(&table, NULL), ML_OK);
		t_eq(table.stats.tables, boot.table.stats.tables);
		t_eq(ml_map(&table, va, bytes, 0, ML_RW, NULL), ML_ERR_EXISTS); /* table.h */
		t_eq(ml_unmap(&table, va, bytes, NULL), ML_OK);
		t_eq(ml_map(&table, va, bytes, 0, ML_RW, NULL), ML_OK);
		take_down(&table, &boot);
	}
}

/* The members of a live group, and how often walkers could see two that say different things. */
struct members {
	const ml_pte *first;
	unsigned count, stores, torn;
	ml_pte group; /* bits: valid and group; and those in which members may differ (4.6, 4.7) */
	ml_pte bears;
};

static void watch_members(void *cookie, const struct ml_event *event)
{
	struct members *members = cookie;
	ml_pte differ = 0, seen = 0;

	for (unsigned i = 0; i < members->count; i++) {
		const ml_pte pte = members->first[i];

		if ((pte & members->group) != members->group)
			continue;
		differ |= seen ? seen ^ pte : 0;
		seen = pte;
	}
	members->stores += event->kind == ML_EVENT_STORE || event->kind == ML_EVENT_EXCHANGE;
	members->torn += (differ & ~members->bears) != 0;
}

/* Change a whole group of 1 << shift bytes while walkers are about, and back again. */
static void group_changes(enum world world, unsigned shift, ml_prot prot, ml_prot mask)
{
	const struct ml_table_config wish = { .live = true };
	const uint64_t bytes = (uint64_t)1 << shift;
	const bool toy = world == WORLD_TOY;
	struct members members = { .group = toy ? 0x5 : 0x0010000000000001,
				   .bears = toy ? 0xff068 : 0x0088fffffffff480 };
	struct ml_trace trace = { .watch = watch_members, .cookie = &members, .forget = true };
	struct rig rig;
	unsigned level;

	t_eq(rig_open(&rig, world, &wish), ML_OK);
	level = rig.facts->format->rungs[rig_rung(&rig, shift)].level;
	t_eq(ml_map(&rig.table, 0, bytes, 0, prot, NULL), ML_OK);
	t_eq(rig_leaves(&rig, rig_rung(&rig, shift)), 1);
	members.first = entry_at(&rig, 0, level);
	members.count = 1u << rig.facts->format->rungs[rig_rung(&rig, shift)].lg2_entries;
	ml_trace_to(&trace);
	t_eq(ml_protect(&rig.table, 0, bytes, mask, ~prot & mask, NULL), ML_OK);
	t_eq(ml_protect(&rig.table, 0, bytes, mask, prot & mask, NULL), ML_OK);
	ml_trace_to(NULL);
	t_ok(members.stores >= 2 * members.count);
	t_eq(members.torn, 0);
	t_eq(rig_leaves(&rig, rig_rung(&rig, shift)), 1);
	t_ok(rig_close(&rig));
}

/* A right of a live group was changed member by member, valid ones that differed side by side. */
TEST(members_of_a_live_group_differed)
{
	static const unsigned arm[] = { 16, 25 }, toy[] = { 13, 15 };

	for (unsigned i = 0; i < 2; i++) {
		T_CONTEXT("lg2 of a group", arm[i]);
		group_changes(WORLD_ARM_LOW, arm[i], ML_RW, ML_USER);
		group_changes(WORLD_ARM_LOW, arm[i], ML_READ | ML_USER, ML_EXEC);
		group_changes(WORLD_ARM_LOW, arm[i], ML_READ | ML_USER, ML_PEXEC);
		group_changes(WORLD_ARM_LOW, arm[i], ML_RW | ML_PEXEC, ML_PEXEC | ML_USER);
		group_changes(WORLD_ARM_LOW, arm[i], ML_RW, ML_WRITE | ML_USER);
		group_changes(WORLD_ARM_LOW, arm[i], ML_RW | ML_GLOBAL, ML_GLOBAL);
		T_CONTEXT("lg2 of toy's group", toy[i]);
		group_changes(WORLD_TOY, toy[i], ML_RW, ML_USER);
		group_changes(WORLD_TOY, toy[i], ML_READ | ML_USER, ML_EXEC);
		group_changes(WORLD_TOY, toy[i], ML_RW, ML_WRITE | ML_PEXEC);
	}
}

/* A group with one member that hardware marked; marks are the group's. */
static void map_group(struct rig *rig, uint64_t bytes, ml_va marked)
{
	const struct ml_table_config wish = { .track_ad = true, .live = true, .hardware_ad = true };
	struct ml_model_result result;

	t_eq(rig_open(rig, WORLD_ARM_LOW, &wish), ML_OK);
	t_eq(ml_map(&rig->table, 0, bytes, 0, ML_RW | ML_ACCESSED, NULL), ML_OK);
	t_ok(rig_touch(rig, marked, true, &result));
	t_ok(result.contiguous);
}

/* Hardware marks one member for the whole group; the others were told to be clean. */
TEST(other_members_of_a_written_group_were_clean)
{
	static const struct {
		uint64_t bytes, page;
	} groups[] = { { 64 * K, 4 * K }, { 32 * M, 2 * M } };

	for (unsigned i = 0; i < 2; i++) {
		const uint64_t page = groups[i].page;
		struct rig rig;

		map_group(&rig, groups[i].bytes, 9 * page + 1);
		for (ml_va va = 0; va < groups[i].bytes; va += page) {
			struct ml_cursor cursor = { va, va + (4 * K - 1), false };
			struct ml_run run = { 0 };

			T_CONTEXT("va", va);
			t_ok(ml_run_next(&rig.table, &cursor, &run));
			t_eq(run.va, va);
			t_eq(run.length, 4 * K);
			t_ok(run.prot & ML_DIRTY);
			t_ok(prot_at(&rig.table, va) & ML_DIRTY);
		}
		t_ok(rig_close(&rig));
	}
}

/* Unfolding spreads a mark to the member at the end, which then is split: nobody had counted it. */
TEST(a_mark_that_unfolding_spreads_was_not_counted)
{
	for (unsigned live = 0; live < 2; live++) {
		struct ml_op op = { 0 };
		struct rig rig;
		uint64_t tables;

		T_CONTEXT("live", live);
		map_group(&rig, 32 * M, 14 * M); /* neither the first nor the last of the range */
		ml_table_set_live(&rig.table, live);
		tables = rig.table.stats.tables;
		t_eq(ml_protect(&rig.table, 6 * M + 4 * K, 14 * M, ML_DIRTY, 0, &op), ML_OK);
		t_ok(op.tables_needed >= rig.table.stats.tables - tables);
		t_eq(prot_at(&rig.table, 8 * M) & ML_DIRTY, 0);
		t_eq(prot_at(&rig.table, 14 * M) & ML_DIRTY, 0);
		t_eq(ml_table_check(&rig.table, NULL), ML_OK);
		t_eq(rig_bytes(&rig), 32 * M);
		t_ok(rig_close(&rig));
	}
}

/* A lender that was not live changed tables under the walkers of a live borrower. */
TEST(a_live_table_borrowed_from_one_that_was_not)
{
	const struct ml_table_config live = { .live = true };
	struct rig user, kernel;

	t_eq(rig_open(&user, WORLD_X86_4, &live), ML_OK);
	t_eq(rig_open(&kernel, WORLD_X86_4, NULL), ML_OK);
	t_eq(ml_table_share(&user.table, &kernel.table, UPPER, SLOT, NULL), ML_ERR_CONFIG);
	t_eq(user.table.shared_count, 0);
	t_eq(kernel.table.stats.tables, 1);
	ml_table_set_live(&kernel.table, true);
	t_eq(ml_table_share(&user.table, &kernel.table, UPPER, SLOT, NULL), ML_OK);
	t_eq(ml_map(&kernel.table, UPPER, 4 * K, 0, ML_RW, NULL), ML_OK);
	t_ok(prot_at(&user.table, UPPER) & ML_WRITE);
	t_ok(rig_close(&user));
	t_ok(rig_close(&kernel));
}

/* ... nor are all bits at once one, which the place of no protection held. */
TEST(all_bits_were_mapped_as_the_last_protection)
{
	for (unsigned world = 0; world < WORLDS; world++) {
		struct picture picture = { 0 };
		struct rig rig;
		ml_va va;

		T_CONTEXT(worlds[world].name, world);
		t_eq(rig_open(&rig, (enum world)world, NULL), ML_OK);
		va = start_of(&rig);
		t_eq(ml_map(&rig.table, va, 8 * K, 0, ML_RW, NULL), ML_OK);
		picture_take(&picture, &rig);
		t_eq(ml_map(&rig.table, va + 8 * K, 4 * K, 4 * K, ~(ml_prot)0, NULL), ML_ERR_PROT);
		t_eq(ml_map(&rig.table, va + 8 * K, 4 * K, 4 * K, ML_PROT_ALL, NULL), ML_ERR_PROT);
		t_ok(picture_difference(&picture, &rig) == NULL);
		picture_release(&picture);
		t_ok(rig_close(&rig));
	}
}

/* What readers are told of one page while a call changes its group, store by store. */
struct reader {
	const struct rig *rig;
	ml_va va;
	unsigned reads, astray;
};

static void read_beside(void *cookie, const struct ml_event *event)
{
	struct reader *reader = cookie;
	struct ml_cursor cursor = { reader->va, reader->va + (1 * M - 1), false };
	struct ml_translation found;
	struct ml_run run;

	if (event->kind != ML_EVENT_STORE && event->kind != ML_EVENT_EXCHANGE)
		return;
	reader->reads++;
	if (ml_translate(&reader->rig->table, reader->va, &found) == ML_OK)
		reader->astray += found.pa != reader->va ||
				  ml_translation_prot(&reader->rig->table, &found) & ML_DIRTY;
	if (ml_run_next(&reader->rig->table, &cursor, &run))
		reader->astray += run.va != run.pa || run.va < reader->va || run.prot & ML_DIRTY ||
				  run.va + run.length > 64 * K || run.va + run.length <= run.va;
}

/* A reader of one member began where its group does, where a writer had been already. */
TEST(readers_beside_a_writer_ran_past_the_group)
{
	const struct ml_table_config wish = { .live = true, .track_ad = true };
	static const ml_prot masks[] = { ML_WRITE, ML_USER, ML_WRITE | ML_USER, ML_GLOBAL };

	for (unsigned i = 0; i < 4 * 16; i++) {
		struct rig rig;
		struct reader reader = { .rig = &rig, .va = i / 4 * 4 * K };
		struct ml_trace trace = { .watch = read_beside, .cookie = &reader, .forget = true };

		T_CONTEXT("page and mask", i);
		t_eq(rig_open(&rig, WORLD_ARM_LOW, &wish), ML_OK);
		t_eq(ml_map(&rig.table, 0, 64 * K, 0, ML_RW | ML_ACCESSED, NULL), ML_OK);
		trace.arena = rig.arena;
		ml_trace_to(&trace);
		t_eq(ml_protect(&rig.table, 0, 64 * K, masks[i % 4], ~ML_RW & masks[i % 4], NULL),
		     ML_OK);
		t_eq(ml_unmap(&rig.table, 0, 64 * K, NULL), ML_OK);
		ml_trace_to(NULL);
		t_ok(reader.reads >= 32);
		t_eq(reader.astray, 0);
		t_ok(rig_close(&rig));
	}
}
