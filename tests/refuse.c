/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/*
 * Bad arguments: each cause has its own error, for every call and format, and nothing has
 * changed. And what looks like a bad argument but is none: the last page of the space.
 */
#include <maxleaf/table.h>

#include "support/rig.h"
#include "t.h"

#define K ((uint64_t)1 << 10)

/* What each call does with a bad range; mapping also looks at frames. */
static const uint8_t calls[] = { ACTION_MAP,     ACTION_EXTENTS, ACTION_UNMAP,
				 ACTION_PROTECT, ACTION_SPLIT,   ACTION_FOLD };

static struct picture picture;

static ml_va first_address(enum world world)
{
	return worlds[world].low_last ? 0 : worlds[world].high_first;
}

static ml_va last_page(enum world world)
{
	return (worlds[world].high_first ? ~(ml_va)0 : worlds[world].low_last) - (4 * K - 1);
}

static struct action good(enum world world, uint8_t kind)
{
	struct action a = {
		.kind = kind,
		.va = first_address(world) + 0x4000,
		.len = 0x2000,
		.pa = 0x8000,
		.prot = kind == ACTION_PROTECT ? 0 : ML_RW,
		.mask = ML_WRITE,
		.extent_count = 1,
	};

	a.extents[0] = (struct ml_extent){ a.pa, a.len };
	return a;
}

static void put_up(struct rig *rig, enum world world)
{
	const struct ml_table_config wish = { .live = true };

	T_CONTEXT(worlds[world].name, world);
	t_eq(rig_open(rig, world, &wish), ML_OK);
	t_eq(ml_map(&rig->table, first_address(world) + 0xc000, 0x2000, 0xc000, ML_RW, NULL),
	     ML_OK);
}

static void refused(struct rig *rig, struct action *a, int error)
{
	const char *difference;

	if (a->kind == ACTION_EXTENTS)
		a->extents[0] = (struct ml_extent){ a->pa, a->len };
	picture_take(&picture, rig);
	if (!t_eq(rig_call(rig, a, NULL), error))
		printf("# call %u va 0x%llx len 0x%llx pa 0x%llx\n", a->kind,
		       (unsigned long long)a->va, (unsigned long long)a->len,
		       (unsigned long long)a->pa);
	difference = picture_difference(&picture, rig);
	if (!t_ok(difference == NULL))
		printf("# %s\n", difference);
}

/* The range [va, va + len) is refused with `error` by every call. */
static void range_refused(enum world world, ml_va va, uint64_t len, int error)
{
	struct rig rig;

	put_up(&rig, world);
	for (unsigned i = 0; i < sizeof(calls); i++) {
		struct action a = good(world, calls[i]);

		a.va = va;
		a.len = len;
		refused(&rig, &a, error);
	}
	t_ok(rig_close(&rig));
}

TEST(misaligned)
{
	for (unsigned i = 0; i < WORLDS; i++) {
		const ml_va va = first_address((enum world)i) + 0x4000;

		range_refused((enum world)i, va + 1, 0x1000, ML_ERR_ALIGN);
		range_refused((enum world)i, va + 0x800, 0x1000, ML_ERR_ALIGN);
		range_refused((enum world)i, va, 0xfff, ML_ERR_ALIGN);
		range_refused((enum world)i, va, 1, ML_ERR_ALIGN);
		range_refused((enum world)i, va, 0x1800, ML_ERR_ALIGN);
	}
}

TEST(empty)
{
	for (unsigned i = 0; i < WORLDS; i++)
		range_refused((enum world)i, first_address((enum world)i), 0, ML_ERR_EMPTY);
}

TEST(wrapping)
{
	for (unsigned i = 0; i < WORLDS; i++) {
		range_refused((enum world)i, 0 - (4 * K), 8 * K, ML_ERR_WRAP);
		range_refused((enum world)i, 0x1000, 0 - (4 * K), ML_ERR_CANONICAL);
		range_refused((enum world)i, 0x2000, 0 - (4 * K), ML_ERR_WRAP);
	}
}

TEST(not_canonical)
{
	for (unsigned i = 0; i < WORLDS; i++) {
		const struct world_facts *facts = &worlds[i];
		const enum world world = (enum world)i;

		if (facts->low_last) {
			range_refused(world, facts->low_last + 1, 4 * K, ML_ERR_CANONICAL);
			range_refused(world, facts->low_last - (4 * K - 1), 8 * K,
				      ML_ERR_CANONICAL);
		}
		if (facts->high_first) {
			range_refused(world, facts->high_first - 4 * K, 4 * K, ML_ERR_CANONICAL);
			range_refused(world, facts->high_first - 4 * K, 8 * K, ML_ERR_CANONICAL);
		} else {
			range_refused(world, 0 - (4 * K), 4 * K, ML_ERR_CANONICAL);
		}
		if (facts->low_last && facts->high_first) /* from one half into the other */
			range_refused(world, facts->low_last - (4 * K - 1),
				      facts->high_first - facts->low_last - 1 + 8 * K,
				      ML_ERR_CANONICAL);
		range_refused(world, (ml_va)1 << 60, 4 * K, ML_ERR_CANONICAL);
	}
}

static void frames_refused(enum world world, uint8_t pa_bits, ml_pa pa, uint64_t len, int error)
{
	const struct ml_table_config wish = { .pa_bits = pa_bits };
	uint64_t tables = 77;
	struct rig rig;

	T_CONTEXT(worlds[world].name, world);
	t_eq(rig_open(&rig, world, &wish), ML_OK);
	for (unsigned i = 0; i < 2; i++) {
		struct action a = good(world, calls[i]);

		a.pa = pa;
		a.len = len;
		refused(&rig, &a, error);
		t_eq(ml_map_tables(&rig.table, a.va, len, pa, ML_RW, NULL, &tables), error);
	}
	t_ok(rig_close(&rig));
}

TEST(frames_beyond_the_physical_width)
{
	for (unsigned i = 0; i < WORLDS; i++) {
		const enum world world = (enum world)i;
		const ml_pa end = (ml_pa)1 << worlds[i].format->pa_bits;
		const uint8_t narrow = worlds[i].format->pa_bits > 40 ? 40 : 18;

		frames_refused(world, 0, end, 4 * K, ML_ERR_PA_RANGE);
		frames_refused(world, 0, end - 4 * K, 8 * K, ML_ERR_PA_RANGE);
		frames_refused(world, 0, (ml_pa)1 << 62, 4 * K, ML_ERR_PA_RANGE);
		frames_refused(world, narrow, (ml_pa)1 << narrow, 4 * K, ML_ERR_PA_RANGE);
		frames_refused(world, narrow, ((ml_pa)1 << narrow) - 4 * K, 8 * K, ML_ERR_PA_RANGE);
		frames_refused(world, 0, 0x8800, 4 * K, ML_ERR_ALIGN);
		frames_refused(world, 0, 0x8001, 4 * K, ML_ERR_ALIGN);
		frames_refused(world, 0, 0 - (4 * K), 8 * K, ML_ERR_WRAP);
	}
}

TEST(the_last_frame_is_an_ordinary_frame)
{
	for (unsigned i = 0; i < WORLDS; i++) {
		const enum world world = (enum world)i;
		const ml_pa last = ((ml_pa)1 << worlds[i].format->pa_bits) - 4 * K;
		struct ml_translation found;
		struct rig rig;

		T_CONTEXT(worlds[i].name, i);
		t_eq(rig_open(&rig, world, NULL), ML_OK);
		t_eq(ml_map(&rig.table, first_address(world), 4 * K, last, ML_RW, NULL), ML_OK);
		t_eq(ml_translate(&rig.table, first_address(world) + 4 * K - 1, &found), ML_OK);
		t_eq(found.pa, last + 4 * K - 1);
		t_ok(rig_close(&rig));
	}
}

TEST(overlapping)
{
	for (unsigned i = 0; i < WORLDS; i++) {
		const enum world world = (enum world)i;
		const ml_va at = first_address(world) + 0xc000;
		const struct {
			ml_va va;
			uint64_t len;
		} ranges[] = {
			{ at, 0x1000 },          { at + 0x1000, 0x1000 }, { at - 0x1000, 0x2000 },
			{ at + 0x1000, 0x2000 }, { at - 0x4000, 0x8000 }, { at, 0x2000 },
		};
		struct rig rig;

		put_up(&rig, world);
		for (unsigned k = 0; k < sizeof(ranges) / sizeof(ranges[0]); k++)
			for (unsigned call = 0; call < 2; call++) {
				struct action a = good(world, calls[call]);

				a.va = ranges[k].va;
				a.len = ranges[k].len;
				refused(&rig, &a, ML_ERR_EXISTS);
			}
		t_ok(rig_close(&rig));
	}
}

/* A small mapping under a large one, a large one over a small one. */
TEST(overlapping_other_sizes)
{
	static const uint64_t sizes[] = { 4 * K, 64 * K, (uint64_t)2 << 20, (uint64_t)1 << 30 };
	static const enum world wide[] = { WORLD_X86_4, WORLD_X86_5, WORLD_ARM_LOW };

	for (unsigned w = 0; w < 3; w++)
		for (unsigned i = 0; i < 4; i++)
			for (unsigned k = 0; k < 4; k++) {
				const ml_va at = (ml_va)1 << 36;
				struct action a = { .kind = ACTION_MAP,
						    .va = at,
						    .len = sizes[k],
						    .pa = at,
						    .prot = ML_RW };
				struct rig rig;

				T_CONTEXT(worlds[wide[w]].name, i * 4 + k);
				t_eq(rig_open(&rig, wide[w], NULL), ML_OK);
				t_eq(ml_map(&rig.table, at, sizes[i], at, ML_RW, NULL), ML_OK);
				refused(&rig, &a, ML_ERR_EXISTS);
				a.va += sizes[i] > sizes[k] ? sizes[i] - sizes[k] : 0;
				refused(&rig, &a, ML_ERR_EXISTS);
				t_ok(rig_close(&rig));
			}
}

TEST(protections_that_cannot_be)
{
	for (unsigned i = 0; i < WORLDS; i++) {
		const enum world world = (enum world)i;
		struct rig rig;
		struct action a;

		put_up(&rig, world);
		a = good(world, ACTION_MAP);
		a.prot = 0; /* not even read */
		refused(&rig, &a, ML_ERR_PROT);
		a.prot = ML_RW | (ml_prot)1 << 7;
		refused(&rig, &a, ML_ERR_PROT);
		a.prot = ML_RW | ML_TYPE(9);
		refused(&rig, &a, ML_ERR_PROT);
		a = good(world, ACTION_PROTECT);
		a.va = first_address(world) + 0xc000;
		a.prot = ML_USER; /* not named by the mask */
		refused(&rig, &a, ML_ERR_PROT);
		a.mask = ML_READ;
		a.prot = 0;
		refused(&rig, &a, ML_ERR_PROT);
		a.mask = ML_WRITE | (ml_prot)1 << 7;
		refused(&rig, &a, ML_ERR_PROT);
		a.mask = ML_TYPE(1); /* a part of the type */
		refused(&rig, &a, ML_ERR_PROT);
		a.mask = ML_TYPE_MASK;
		a.prot = ML_TYPE(9);
		refused(&rig, &a, ML_ERR_PROT);
		a.mask = a.prot = ML_SOFT(worlds[i].format->soft_bits);
		refused(&rig, &a, ML_ERR_PROT);
		t_ok(rig_close(&rig));
	}
}

/* One leaf in the middle of a long range cannot hold the result: none has changed. */
TEST(protect_refuses_before_it_changes)
{
	static const ml_prot user_code = ML_READ | ML_USER | ML_EXEC;
	struct rig rig;
	struct action a = {
		.kind = ACTION_PROTECT, .va = 0, .len = (uint64_t)8 << 20, .mask = ML_USER
	};

	t_eq(rig_open(&rig, WORLD_X86_4, NULL), ML_OK);
	t_eq(ml_map(&rig.table, 0, (uint64_t)4 << 20, 0, ML_READ | ML_USER, NULL), ML_OK);
	t_eq(ml_map(&rig.table, (uint64_t)6 << 20, 4 * K, 0, user_code, NULL), ML_OK);
	refused(&rig, &a, ML_ERR_PROT);
	t_ok(rig_close(&rig));
}

TEST(sizes_that_do_not_exist)
{
	for (unsigned i = 0; i < WORLDS; i++) {
		const enum world world = (enum world)i;
		struct rig rig;

		put_up(&rig, world);
		for (unsigned call = 4; call < 6; call++) {
			struct action a = good(world, calls[call]);

			a.rung = worlds[i].format->rung_count;
			refused(&rig, &a, ML_ERR_SIZE);
			a.rung = 200;
			refused(&rig, &a, ML_ERR_SIZE);
		}
		t_ok(rig_close(&rig));
	}
}

static int part_of(struct rig *rig, const struct ml_extent *extents, uint64_t skip, uint64_t len)
{
	return ml_map_extents_part(&rig->table, 0, len, extents, 3, skip, ML_RW, NULL);
}

TEST(extents_that_make_no_sense)
{
	struct ml_extent extents[3] = { { 0x10000, 0x1000 }, { 0x20000, 0 }, { 0x30000, 0x1000 } };
	struct rig rig;

	t_eq(rig_open(&rig, WORLD_X86_4, NULL), ML_OK);
	picture_take(&picture, &rig);
	t_eq(ml_map_extents(&rig.table, 0, extents, 0, ML_RW, NULL), ML_ERR_ARGUMENT);
	t_eq(ml_map_extents(&rig.table, 0, extents, 3, ML_RW, NULL), ML_ERR_EMPTY);
	extents[1].length = 0x800;
	t_eq(ml_map_extents(&rig.table, 0, extents, 3, ML_RW, NULL), ML_ERR_ALIGN);
	extents[1].length = 0 - (uint64_t)0x1000;
	t_eq(ml_map_extents(&rig.table, 0, extents, 3, ML_RW, NULL), ML_ERR_WRAP);
	extents[1] = (struct ml_extent){ (ml_pa)1 << 52, 0x1000 };
	t_eq(ml_map_extents(&rig.table, 0, extents, 3, ML_RW, NULL), ML_ERR_PA_RANGE);
	extents[1] = (struct ml_extent){ 0x20000, 0x1000 };
	t_eq(part_of(&rig, extents, 0x1000, 0x1801), ML_ERR_ALIGN);
	t_eq(part_of(&rig, extents, 0x1001, 0x1000), ML_ERR_ALIGN);
	t_eq(part_of(&rig, extents, 0x1000, 0), ML_ERR_EMPTY);
	t_eq(part_of(&rig, extents, 0x1000, 0x3000), ML_ERR_ARGUMENT);
	t_eq(part_of(&rig, extents, 0x3000, 0x1000), ML_ERR_ARGUMENT);
	t_eq(part_of(&rig, extents, ~(uint64_t)0, ~(uint64_t)0), ML_ERR_ARGUMENT);
	t_eq(part_of(&rig, NULL, 0, 0x1000), ML_ERR_ARGUMENT);
	t_ok(picture_difference(&picture, &rig) == NULL);
	t_ok(rig_close(&rig));
}

TEST(configurations_that_contradict_themselves)
{
	struct rig rig;

	for (unsigned i = 0; i < WORLDS; i++) {
		const enum world world = (enum world)i;
		struct ml_table_config wish = { .fold = 3 };

		T_CONTEXT(worlds[i].name, i);
		t_eq(rig_open(&rig, world, &wish), ML_ERR_CONFIG);
		wish = (struct ml_table_config){ .pa_bits = 60 };
		t_eq(rig_open(&rig, world, &wish), ML_ERR_CONFIG);
		wish = (struct ml_table_config){ .rungs = 1u << worlds[i].format->rung_count };
		t_eq(rig_open(&rig, world, &wish), ML_ERR_CONFIG);
	}
	t_eq(rig_arena(WORLD_X86_4)->in_use, 0);
	t_eq(rig_arena(WORLD_TOY)->in_use, 0);
}

/* Each part by itself: nothing else is wrong with these. */
TEST(configurations_that_lack_a_part)
{
	struct ml_arena *arena = rig_arena(WORLD_X86_4);
	struct ml_platform lacks[5];
	const struct ml_table_config bad[] = {
		{ .pa_bits = 12 },
		{ .rungs = 9 },
		{ .rungs = 2 },
		{ .deposit_one = true },
		{ .refaultable = ML_SOFT(0) },
		{ .guaranteed = true, .refaultable = ML_SPECIAL },
		{ .guaranteed = true, .refaultable = ML_SOFT(0) | ML_SOFT(1) },
		{ .guaranteed = true, .refaultable = ML_SOFT(7) },
		{ .platform = &lacks[0] },
		{ .platform = &lacks[1] },
		{ .platform = &lacks[2] },
		{ .platform = &lacks[3], .live = true },
		{ .platform = &lacks[4], .live = true },
	};
	struct ml_table table;

	for (unsigned i = 0; i < 5; i++)
		lacks[i] = arena->platform;
	lacks[0].table_alloc = NULL;
	lacks[1].table_free = NULL;
	lacks[2].table_pointer = NULL;
	lacks[3].invalidate = NULL;
	lacks[4].complete = NULL;
	for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct ml_table_config config = bad[i];

		T_CONTEXT("configuration", i);
		config.cookie = arena;
		if (!config.platform)
			config.platform = &arena->platform;
		t_eq(ml_table_init(&table, &ml_format_x86_64, &config), ML_ERR_CONFIG);
	}
	t_eq(arena->in_use, 0);
}

TEST(levels_a_format_does_not_have)
{
	struct ml_arena *arena = rig_arena(WORLD_X86_4);
	struct ml_table_config config = { .platform = &arena->platform, .cookie = arena };
	struct ml_table table;

	config.levels = 3;
	t_eq(ml_table_init(&table, &ml_format_x86_64, &config), ML_ERR_CONFIG);
	config.levels = 6;
	t_eq(ml_table_init(&table, &ml_format_x86_64, &config), ML_ERR_CONFIG);
	config.levels = 5;
	t_eq(ml_table_init(&table, &ml_format_arm64_4k, &config), ML_ERR_CONFIG);
	config = (struct ml_table_config){ .cookie = arena };
	t_eq(ml_table_init(&table, &ml_format_x86_64, &config), ML_ERR_CONFIG);
	config = (struct ml_table_config){ .platform = &arena->platform,
					   .cookie = arena,
					   .high = true };
	t_eq(ml_table_init(&table, &ml_format_x86_64, &config), ML_ERR_CONFIG);
	t_eq(arena->in_use, 0);
}

TEST(addresses_that_cannot_be_looked_up)
{
	for (unsigned i = 0; i < WORLDS; i++) {
		const struct world_facts *facts = &worlds[i];
		const ml_va outside = facts->low_last ? facts->low_last + 1 : facts->high_first - 1;
		struct ml_translation found;
		struct ml_walk walk;
		struct rig rig;

		put_up(&rig, (enum world)i);
		t_eq(ml_translate(&rig.table, outside, &found), ML_ERR_CANONICAL);
		t_eq(ml_walk(&rig.table, outside, &walk), ML_ERR_CANONICAL);
		t_eq(ml_translate(&rig.table, first_address((enum world)i), &found),
		     ML_ERR_NOT_MAPPED);
		t_eq(ml_walk(&rig.table, first_address((enum world)i), &walk), ML_OK);
		t_ok(!ml_table_covers(&rig.table, outside, 1));
		t_ok(!ml_table_covers(&rig.table, outside - 4 * K, 8 * K));
		t_ok(ml_table_covers(&rig.table, last_page((enum world)i), 4 * K));
		t_ok(rig_close(&rig));
	}
}

/* Both ends of every space, with every call. */
static void use_page(enum world world, ml_va va, bool live)
{
	const struct ml_table_config wish = { .live = live };
	struct ml_cursor cursor = { .va = va, .last = va + (4 * K - 1) };
	struct ml_translation found;
	struct ml_walk walk;
	struct ml_run run;
	struct rig rig;

	t_eq(rig_open(&rig, world, &wish), ML_OK);
	t_eq(ml_map(&rig.table, va, 4 * K, 0x9000, ML_RW, NULL), ML_OK);
	t_eq(ml_map(&rig.table, va, 4 * K, 0x9000, ML_RW, NULL), ML_ERR_EXISTS);
	t_eq(ml_translate(&rig.table, va + 4 * K - 1, &found), ML_OK);
	t_eq(found.pa, 0x9fff);
	t_eq(ml_walk(&rig.table, va, &walk), ML_OK);
	t_eq(walk.count, rig.table.levels);
	t_ok(ml_run_next(&rig.table, &cursor, &run));
	t_eq(run.va, va);
	t_eq(run.length, 4 * K);
	t_ok(!ml_run_next(&rig.table, &cursor, &run));
	t_eq(ml_protect(&rig.table, va, 4 * K, ML_WRITE, 0, NULL), ML_OK);
	t_eq(ml_translate(&rig.table, va, &found), ML_OK);
	t_eq(ml_translation_prot(&rig.table, &found) & ML_WRITE, 0);
	t_eq(ml_split(&rig.table, va, 4 * K, 0, NULL), ML_OK);
	t_eq(ml_fold(&rig.table, va, 4 * K, worlds[world].format->rung_count - 1u, NULL), ML_OK);
	t_eq(rig_bytes(&rig), 4 * K);
	t_eq(ml_table_check(&rig.table, NULL), ML_OK);
	t_eq(ml_unmap(&rig.table, va, 4 * K, NULL), ML_OK);
	t_eq(ml_translate(&rig.table, va, &found), ML_ERR_NOT_MAPPED);
	t_eq(rig.table.stats.tables, 1);
	t_ok(rig_close(&rig));
}

TEST(the_ends_of_the_space_are_ordinary_pages)
{
	for (unsigned i = 0; i < WORLDS; i++) {
		const enum world world = (enum world)i;

		T_CONTEXT(worlds[i].name, i);
		for (unsigned live = 0; live < 2; live++) {
			use_page(world, first_address(world), live);
			use_page(world, last_page(world), live);
			if (worlds[i].low_last)
				use_page(world, worlds[i].low_last - (4 * K - 1), live);
			if (worlds[i].high_first)
				use_page(world, worlds[i].high_first, live);
		}
	}
}

/* The last leaf of every size, split and folded again. */
TEST(the_last_leaf_of_every_size)
{
	for (unsigned i = 0; i < WORLDS; i++)
		for (unsigned rung = 1; rung < worlds[i].format->rung_count; rung++) {
			const uint64_t bytes = (uint64_t)1 << worlds[i].format->rungs[rung].shift;
			const ml_va va = last_page((enum world)i) + 4 * K - bytes;
			struct rig rig;

			if (worlds[i].format->rungs[rung].off_by_default)
				continue;
			T_CONTEXT(worlds[i].name, rung);
			t_eq(rig_open(&rig, (enum world)i, NULL), ML_OK);
			t_eq(ml_map(&rig.table, va, bytes, 0, ML_RW, NULL), ML_OK);
			t_eq(rig_leaves(&rig, rung), 1);
			t_eq(ml_split(&rig.table, va, bytes, rung - 1, NULL), ML_OK);
			t_eq(rig_leaves(&rig, rung), 0);
			t_eq(ml_fold(&rig.table, va, bytes, rung, NULL), ML_OK);
			t_eq(rig_leaves(&rig, rung), 1);
			t_eq(ml_unmap(&rig.table, va + bytes - 4 * K, 4 * K, NULL), ML_OK);
			t_eq(rig_bytes(&rig), bytes - 4 * K);
			t_eq(ml_table_check(&rig.table, NULL), ML_OK);
			t_ok(rig_close(&rig));
		}
}

/* The second call of a kind may take a short way: it refuses what the first one does. */
TEST(the_short_ways_refuse_too)
{
	static const uint64_t sizes[] = { 4 * K, (uint64_t)2 << 20, (uint64_t)1 << 30 };

	for (unsigned i = 0; i < 3; i++)
		for (unsigned w = 0; w < 2; w++) {
			const struct ml_table_config wish = { .pa_bits = 40 };
			const uint64_t size = sizes[i];
			struct ml_table *t;
			struct rig rig;

			T_CONTEXT("size", size);
			t_eq(rig_open(&rig, w ? WORLD_ARM_LOW : WORLD_X86_4, &wish), ML_OK);
			t = &rig.table;
			t_eq(ml_map(t, 4 * size, size, 0, ML_RW, NULL), ML_OK);
			picture_take(&picture, &rig);
			t_eq(ml_map(t, 4 * size, size, 0, ML_RW, NULL), ML_ERR_EXISTS);
			t_eq(ml_map(t, 5 * size + 8, size, 0, ML_RW, NULL), ML_ERR_ALIGN);
			t_eq(ml_map(t, 5 * size, size, 8, ML_RW, NULL), ML_ERR_ALIGN);
			t_eq(ml_map(t, 5 * size, size, (ml_pa)1 << 40, ML_RW, NULL),
			     ML_ERR_PA_RANGE);
			t_eq(ml_map(t, (ml_va)1 << 50, size, 0, ML_RW, NULL), ML_ERR_CANONICAL);
			t_eq(ml_unmap(t, 4 * size + 8, size, NULL), ML_ERR_ALIGN);
			t_eq(ml_unmap(t, (ml_va)1 << 50, size, NULL), ML_ERR_CANONICAL);
			t_ok(picture_difference(&picture, &rig) == NULL);
			t_ok(rig_close(&rig));
		}
}

/* ... and keeps the rungs, the deposits and the units. */
TEST(the_short_ways_keep_the_policy)
{
	const uint64_t size = (uint64_t)2 << 20;
	const struct ml_table_config pages = { .rungs = 1 }, owes = { .guaranteed = true };
	struct rig rig;

	t_eq(rig_open(&rig, WORLD_X86_4, &pages), ML_OK);
	for (unsigned i = 0; i < 3; i++)
		t_eq(ml_map(&rig.table, i * size, size, i * size, ML_RW, NULL), ML_OK);
	t_eq(rig_leaves(&rig, 0), 3 * 512);
	t_ok(rig_close(&rig));
	t_eq(rig_open(&rig, WORLD_X86_4, &owes), ML_OK);
	for (unsigned i = 0; i < 3; i++)
		t_eq(ml_map(&rig.table, i * size, size, i * size, ML_RW, NULL), ML_OK);
	t_eq(rig.table.spare.count, 3);
	t_eq(rig_leaves(&rig, 1), 3);
	t_ok(rig_close(&rig));
}
