/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/*
 * Taking over tables that other code built: good ones are used and freed as one's own, and
 * no hostile one is walked off the edge.
 */
#include <string.h>

#include <maxleaf/table.h>

#include "support/rig.h"
#include "t.h"

#define K ((uint64_t)1 << 10)
#define M ((uint64_t)1 << 20)
#define G ((uint64_t)1 << 30)
#define TABLES 100

static struct ml_table_config config_of(const struct rig *rig)
{
	return (struct ml_table_config){
		.platform = &rig->arena->platform,
		.cookie = rig->arena,
		.base = ml_arena_base(rig->arena),
		.levels = rig->facts->levels,
		.high = rig->facts->high,
		.live = true,
	};
}

static int adopt(struct ml_table *table, const struct rig *boot, uint64_t most)
{
	const struct ml_table_config config = config_of(boot);

	return ml_table_adopt(table, boot->facts->format, &config, ml_table_root(&boot->table),
			      most);
}

/* A table as boot code leaves it: leaves of every size, three or more tables. */
static void boot_table(struct rig *boot, enum world world)
{
	const ml_va at = worlds[world].low_last ? 0 : worlds[world].high_first;

	t_eq(rig_open(boot, world, NULL), ML_OK);
	if (world == WORLD_TOY) {
		t_eq(ml_map(&boot->table, 0x0000, 0x3000, 0x0000, ML_RW, NULL), ML_OK);
		t_eq(ml_map(&boot->table, 0x8000, 0x8000, 0x8000, ML_RW, NULL), ML_OK);
		return;
	}
	t_eq(ml_map(&boot->table, at, 2 * M + 20 * K, 0, ML_RW, NULL), ML_OK);
	t_eq(ml_map(&boot->table, at + G - 64 * M, G + 64 * M, G - 64 * M, ML_READ, NULL), ML_OK);
}

static ml_pte *entry_at(const struct rig *boot, ml_va va, unsigned level)
{
	struct ml_walk walk;

	if (!t_eq(ml_walk(&boot->table, va, &walk), ML_OK))
		exit(2);
	for (unsigned i = 0; i < walk.count; i++)
		if (walk.entries[i].level == level)
			return ml_arena_pointer(
				boot->arena, walk.entries[i].table + 8 * walk.entries[i].index, 8);
	t_ok(!"the walk ends above that level");
	exit(2);
}

TEST(a_good_table_is_used_and_freed_as_ones_own)
{
	for (unsigned world = 0; world < WORLDS; world++) {
		const ml_va at = worlds[world].low_last ? 0 : worlds[world].high_first;
		struct ml_stats before, after;
		struct ml_table table;
		struct rig boot;

		T_CONTEXT(worlds[world].name, world);
		boot_table(&boot, (enum world)world);
		ml_table_stats(&boot.table, &before);
		T_REQUIRE(t_eq(adopt(&table, &boot, TABLES), ML_OK));
		ml_table_stats(&table, &after);
		t_eq(memcmp(before.leaves, after.leaves, sizeof(before.leaves)), 0);
		t_eq(after.tables, before.tables);
		t_eq(ml_table_check(&table, NULL), ML_OK);
		t_eq(ml_unmap(&table, at, 4 * K, NULL), ML_OK);
		t_eq(ml_map(&table, at, 4 * K, 0, ML_RW, NULL), ML_OK);
		t_eq(ml_unmap(&table, at + 0x2000, 4 * K, NULL), ML_OK);
		t_eq(ml_table_check(&table, NULL), ML_OK);
		ml_table_fini(&table, NULL);
		t_eq(boot.arena->in_use, 0);
	}
}

TEST(an_empty_root_is_a_good_table)
{
	struct ml_table table;
	struct rig boot;

	t_eq(rig_open(&boot, WORLD_X86_4, NULL), ML_OK);
	T_REQUIRE(t_eq(adopt(&table, &boot, 1), ML_OK));
	t_eq(ml_map(&table, 0, 4 * K, 0, ML_RW, NULL), ML_OK);
	ml_table_fini(&table, NULL);
	t_eq(boot.arena->in_use, 0);
}

TEST(no_more_tables_than_told)
{
	struct ml_table table;
	struct rig boot;
	uint64_t tables;

	boot_table(&boot, WORLD_X86_4);
	tables = boot.table.stats.tables;
	for (uint64_t most = 0; most < tables; most++)
		t_eq(adopt(&table, &boot, most), ML_ERR_BAD_TABLE);
	T_REQUIRE(t_eq(adopt(&table, &boot, tables), ML_OK));
	ml_table_fini(&table, NULL);
	t_eq(boot.arena->in_use, 0);
}

/* One entry is wrong: the adoption is refused, and the boot table untouched. */
static void entry_refused(enum world world, ml_va va, unsigned level, ml_pte clear, ml_pte set,
			  int error)
{
	struct picture picture = { 0 };
	struct ml_table table;
	struct rig boot;
	ml_pte *entry, good;

	boot_table(&boot, world);
	entry = entry_at(&boot, va, level);
	good = *entry;
	*entry = (good & ~clear) | set;
	picture_take(&picture, &boot);
	if (!t_eq(adopt(&table, &boot, TABLES), error))
		printf("# %s: va 0x%llx level %u 0x%llx -> 0x%llx\n", worlds[world].name,
		       (unsigned long long)va, level, (unsigned long long)good,
		       (unsigned long long)*entry);
	t_ok(picture_difference(&picture, &boot) == NULL);
	*entry = good;
	picture_release(&picture);
	t_ok(rig_close(&boot));
}

#define PHYSICAL ((ml_pte)0xffffffffff000)

TEST(pointers_that_lead_nowhere)
{
	static const ml_pa nowhere[] = { 0, 0x1000, ML_ARENA_PA - 4 * K, ML_ARENA_PA + 1024 * M,
					 (ml_pa)1 << 47 };

	for (unsigned i = 0; i < sizeof(nowhere) / sizeof(nowhere[0]); i++)
		for (unsigned level = 1; level < 4; level++) {
			T_CONTEXT("pointer", i);
			entry_refused(WORLD_X86_4, 2 * M, level, PHYSICAL, nowhere[i],
				      ML_ERR_BAD_TABLE);
			entry_refused(WORLD_ARM_LOW, 2 * M, level, PHYSICAL & ~((ml_pte)0xf << 48),
				      nowhere[i], ML_ERR_BAD_TABLE);
		}
	entry_refused(WORLD_TOY, 0, 1, 0xfffe0, 0x40000, ML_ERR_BAD_TABLE);
	entry_refused(WORLD_TOY, 0, 1, 0xfffe0, 0, ML_ERR_BAD_TABLE);
}

static void loop_refused(enum world world, unsigned from, unsigned to)
{
	struct ml_table table;
	struct rig boot;
	struct ml_walk walk;
	ml_pte *entry, good;

	boot_table(&boot, world);
	t_eq(ml_walk(&boot.table, 2 * M, &walk), ML_OK);
	entry = entry_at(&boot, 2 * M, from);
	good = *entry;
	*entry = (good & ~(PHYSICAL & (((ml_pte)1 << 48) - 1))) |
		 walk.entries[boot.table.levels - 1 - to].table;
	t_eq(adopt(&table, &boot, TABLES), ML_ERR_BAD_TABLE);
	*entry = good;
	t_ok(rig_close(&boot));
}

TEST(tables_that_loop)
{
	for (unsigned from = 1; from < 4; from++)
		for (unsigned to = from; to < 4; to++) {
			T_CONTEXT("from", from * 10 + to);
			loop_refused(WORLD_X86_4, from, to);
			loop_refused(WORLD_X86_5, from, to);
			loop_refused(WORLD_ARM_LOW, from, to);
		}
}

/* A table linked twice would be freed twice. */
TEST(tables_linked_twice)
{
	struct ml_table table;
	struct rig boot;
	ml_pte *first, *second, good;

	t_eq(rig_open(&boot, WORLD_X86_4, NULL), ML_OK);
	t_eq(ml_map(&boot.table, 0, 4 * K, 0, ML_RW, NULL), ML_OK);
	t_eq(ml_map(&boot.table, 2 * M, 4 * K, 0, ML_RW, NULL), ML_OK);
	first = entry_at(&boot, 0, 1);
	second = entry_at(&boot, 2 * M, 1);
	good = *second;
	*second = *first;
	t_eq(adopt(&table, &boot, boot.table.stats.tables), ML_ERR_BAD_TABLE);
	*second = good;
	t_ok(rig_close(&boot));
}

TEST(reserved_bits)
{
	const ml_pte bit7 = (ml_pte)1 << 7;

	entry_refused(WORLD_X86_4, 0, 3, 0, bit7, ML_ERR_BAD_ENTRY);
	entry_refused(WORLD_X86_5, 0, 4, 0, bit7, ML_ERR_BAD_ENTRY);
	entry_refused(WORLD_X86_4, 0, 1, 0, (ml_pte)1 << 13, ML_ERR_BAD_ENTRY);
	entry_refused(WORLD_X86_4, G, 2, 0, (ml_pte)1 << 21, ML_ERR_BAD_ENTRY);
	entry_refused(WORLD_ARM_LOW, 2 * M, 0, 0, (ml_pte)1 << 48, ML_ERR_BAD_ENTRY);
	entry_refused(WORLD_ARM_LOW, G, 2, 0, (ml_pte)1 << 12, ML_ERR_BAD_ENTRY);
	entry_refused(WORLD_ARM_LOW, 0, 3, 2, 0, ML_ERR_BAD_ENTRY); /* a block at the root */
	entry_refused(WORLD_TOY, 0, 0, 0, (ml_pte)1 << 30, ML_ERR_BAD_ENTRY);
	entry_refused(WORLD_TOY, 0, 0, 2, 0, ML_ERR_BAD_ENTRY); /* a table at level 0 */
}

TEST(frames_wider_than_the_machine)
{
	struct ml_table_config config;
	struct ml_table table;
	struct rig boot;

	t_eq(rig_open(&boot, WORLD_X86_4, NULL), ML_OK);
	t_eq(ml_map(&boot.table, 0, 2 * M, (ml_pa)1 << 45, ML_RW, NULL), ML_OK);
	config = config_of(&boot);
	config.pa_bits = 45;
	t_eq(ml_table_adopt(&table, boot.facts->format, &config, ml_table_root(&boot.table),
			    TABLES),
	     ML_ERR_BAD_ENTRY);
	config.pa_bits = 46;
	T_REQUIRE(t_eq(ml_table_adopt(&table, boot.facts->format, &config,
				      ml_table_root(&boot.table), TABLES),
		       ML_OK));
	ml_table_fini(&table, NULL);
	t_eq(boot.arena->in_use, 0);
}

/* One member of a contiguous group says something else. */
TEST(groups_that_do_not_agree)
{
	const ml_pte group = (ml_pte)1 << 52, user = (ml_pte)1 << 6, frame = (ml_pte)1 << 12;
	const ml_va pages = G - 64 * M; /* 32M groups of 2M blocks */
	struct ml_table table;
	struct rig boot;

	for (unsigned member = 0; member < 16; member++) {
		const ml_va va = pages + member * 2 * M;

		T_CONTEXT("member", member);
		entry_refused(WORLD_ARM_LOW, va, 1, group, 0, ML_ERR_BAD_ENTRY);
		entry_refused(WORLD_ARM_LOW, va, 1, 0, user, ML_ERR_BAD_ENTRY);
		entry_refused(WORLD_ARM_LOW, va, 1, 1, 0, ML_ERR_BAD_ENTRY);
		entry_refused(WORLD_ARM_LOW, va, 1, (ml_pte)0x1ff << 21, (ml_pte)(member ^ 3) << 21,
			      ML_ERR_BAD_ENTRY);
	}
	t_eq(rig_open(&boot, WORLD_ARM_LOW, NULL), ML_OK);
	t_eq(ml_map(&boot.table, 0, 64 * K, 64 * K, ML_RW, NULL), ML_OK);
	for (unsigned member = 0; member < 16; member++) /* consecutive, but from a frame that is
							     not aligned */
		*entry_at(&boot, member * 4 * K, 0) += frame;
	t_eq(adopt(&table, &boot, TABLES), ML_ERR_BAD_ENTRY);
	for (unsigned member = 0; member < 16; member++)
		*entry_at(&boot, member * 4 * K, 0) -= frame;
	t_ok(rig_close(&boot));
}

/* Accessed and dirty may differ inside a group: hardware marks one member. */
TEST(groups_may_differ_in_accessed_and_dirty)
{
	const ml_pte af = (ml_pte)1 << 10;
	struct ml_table table;
	struct rig boot;

	t_eq(rig_open(&boot, WORLD_ARM_LOW, NULL), ML_OK);
	t_eq(ml_map(&boot.table, 0, 64 * K, 64 * K, ML_RW, NULL), ML_OK);
	*entry_at(&boot, 20 * K, 0) &= ~af;
	T_REQUIRE(t_eq(adopt(&table, &boot, TABLES), ML_OK));
	ml_table_fini(&table, NULL);
	t_eq(boot.arena->in_use, 0);
}

TEST(roots_that_are_no_table)
{
	static const ml_pa roots[] = {
		0, 1, ML_ARENA_PA - 4 * K, ML_ARENA_PA + 1024 * M, ML_ARENA_PA + 8, (ml_pa)1 << 60
	};
	struct ml_table_config config;
	struct ml_table table;
	struct rig boot;

	boot_table(&boot, WORLD_X86_4);
	config = config_of(&boot);
	for (unsigned i = 0; i < sizeof(roots) / sizeof(roots[0]); i++)
		t_eq(ml_table_adopt(&table, boot.facts->format, &config, roots[i], TABLES),
		     ML_ERR_BAD_TABLE);
	config.levels = 7;
	t_eq(ml_table_adopt(&table, boot.facts->format, &config, ml_table_root(&boot.table),
			    TABLES),
	     ML_ERR_CONFIG);
	t_ok(rig_close(&boot));
}

/* The owner of a table taken over pulled one out: reading it says so. */
TEST(a_table_that_has_gone_is_not_read)
{
	struct ml_translation found;
	struct ml_table table;
	struct ml_walk walk;
	struct rig boot;
	ml_pte *entry, good;

	boot_table(&boot, WORLD_X86_4);
	T_REQUIRE(t_eq(adopt(&table, &boot, TABLES), ML_OK));
	entry = entry_at(&boot, 2 * M, 1);
	good = *entry;
	*entry = good & ~PHYSICAL;
	t_eq(ml_translate(&table, 2 * M, &found), ML_ERR_BAD_TABLE);
	t_eq(ml_walk(&table, 2 * M, &walk), ML_ERR_BAD_TABLE);
	*entry = good;
	ml_table_fini(&table, NULL);
	t_eq(boot.arena->in_use, 0);
}

/* Bits of others in leaves, and entries that are not valid, are none of our business. */
TEST(bits_of_others_survive_adoption)
{
	const ml_pte theirs = (ml_pte)0x7 << 59; /* x86-64: protection key, ignored without PKE */
	struct ml_table table;
	struct rig boot;
	ml_pte *entry;

	t_eq(rig_open(&boot, WORLD_X86_4, NULL), ML_OK);
	t_eq(ml_map(&boot.table, 0, 2 * M, 0, ML_RW, NULL), ML_OK);
	entry = entry_at(&boot, 0, 1);
	*entry |= theirs;
	T_REQUIRE(t_eq(adopt(&table, &boot, TABLES), ML_OK));
	t_eq(ml_protect(&table, 4 * K, 4 * K, ML_WRITE, 0, NULL), ML_OK);
	for (ml_va va = 0; va < 2 * M; va += 4 * K) {
		struct ml_translation found;

		t_eq(ml_translate(&table, va, &found), ML_OK);
		t_eq(found.pte & theirs, theirs);
	}
	t_eq(ml_fold(&table, 0, 2 * M, 1, NULL), ML_OK);
	ml_table_fini(&table, NULL);
	t_eq(boot.arena->in_use, 0);
}

/* Entries in which every bit is set are leaves of x86-64 like others: edits reach them. */
TEST(leaves_with_every_bit_set_are_edited)
{
	struct ml_table_config config;
	struct ml_table table;
	struct ml_op op = { 0 };
	struct rig boot;
	ml_pte *entry;

	boot_table(&boot, WORLD_X86_4);
	entry = entry_at(&boot, 2 * M, 0);
	for (unsigned i = 0; i < 16; i++)
		entry[i] = ~(ml_pte)0;
	config = config_of(&boot);
	config.live = false;
	T_REQUIRE(t_eq(ml_table_adopt(&table, boot.facts->format, &config,
				      ml_table_root(&boot.table), TABLES),
		       ML_OK));
	t_eq(ml_protect(&table, 2 * M, 64 * K, ML_USER, 0, &op), ML_OK);
	t_eq(op.bytes, 64 * K);
	for (unsigned i = 0; i < 16; i++)
		t_eq(entry[i] & 7, 3); /* present, writable, no user */
	ml_table_fini(&table, NULL);
}

/* Whatever single bit is flipped in whatever entry: refused or sound, never astray. */
TEST(every_single_bit_flipped)
{
	static const enum world some[] = { WORLD_X86_4, WORLD_ARM_LOW, WORLD_TOY };

	for (unsigned w = 0; w < 3; w++) {
		unsigned refused = 0, accepted = 0;
		struct rig boot;

		T_CONTEXT(worlds[some[w]].name, w);
		boot_table(&boot, some[w]);
		for (unsigned level = 0; level < boot.table.levels; level++)
			for (unsigned bit = 0; bit < 64; bit++) {
				ml_pte *entry =
					entry_at(&boot, some[w] == WORLD_TOY ? 0 : 2 * M, level);
				struct ml_table table;
				int error;

				*entry ^= (ml_pte)1 << bit;
				error = adopt(&table, &boot, TABLES);
				if (error)
					refused++;
				else
					accepted += t_eq(ml_table_check(&table, NULL), ML_OK);
				*entry ^= (ml_pte)1 << bit;
			}
		t_ok(refused > 8 && accepted > 2);
		t_ok(rig_close(&boot));
	}
}
