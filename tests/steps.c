/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* The step forms: bounded work each, leaf boundaries, and the same table in the end. */
#include <maxleaf/table.h>

#include "support/rig.h"
#include "t.h"

#define K ((uint64_t)1 << 10)
#define M ((uint64_t)1 << 20)
#define G ((uint64_t)1 << 30)

struct stretch {
	enum world world;
	ml_va va;
	uint64_t len;
	ml_pa pa;
};

static const struct stretch stretches[] = {
	{ WORLD_X86_4, 4 * G - 6 * M - 4 * K, 3 * G + 12 * M, 8 * G - 6 * M - 4 * K },
	{ WORLD_X86_4, 4 * G - 6 * M - 4 * K, 16 * M, 8 * G },
	{ WORLD_X86_5, 0 - (16 * M), 16 * M, 0 },
	{ WORLD_X86_4, 0, 4 * K, 0 },
	{ WORLD_ARM_LOW, 2 * G - 40 * M - 64 * K, 100 * M, G - 40 * M - 64 * K },
	{ WORLD_ARM_HIGH, 0 - (3 * G), 3 * G, 0 },
	{ WORLD_TOY, 0x1000, 0xf000, 0x11000 },
};

#define STRETCHES (sizeof(stretches) / sizeof(stretches[0]))

static bool same_leaves(const struct rig *a, const struct rig *b)
{
	struct ml_stats of_a, of_b;

	ml_table_stats(&a->table, &of_a);
	ml_table_stats(&b->table, &of_b);
	for (unsigned rung = 0; rung < ML_RUNG_MAX; rung++)
		if (of_a.leaves[rung] != of_b.leaves[rung])
			return false;
	return true;
}

/* Map in steps; returns their number. */
static unsigned map_in_steps(struct rig *rig, const struct stretch *s, uint64_t tables)
{
	struct ml_step step = { s->va, s->len, s->pa, ML_RW, tables };
	unsigned count = 0;

	while (step.len) {
		const struct ml_step was = step;
		struct ml_op op = { 0 };

		if (!t_eq(ml_map_step(&rig->table, &step, &op), ML_OK) || !t_ok(step.len < was.len))
			break;
		t_eq(step.va - was.va, was.len - step.len);
		t_eq(op.bytes, was.len - step.len);
		if (step.len)
			t_eq(step.pa - was.pa, was.len - step.len);
		count++;
	}
	return count;
}

TEST(mapping_in_steps_is_mapping)
{
	for (unsigned i = 0; i < STRETCHES; i++)
		for (uint64_t tables = 0; tables < 6; tables += tables + 1) {
			const struct stretch *s = &stretches[i];
			struct rig whole, steps;

			T_CONTEXT("stretch", i);
			t_eq(rig_open(&whole, s->world, NULL), ML_OK);
			t_eq(rig_open(&steps, s->world, NULL), ML_OK);
			t_eq(ml_map(&whole.table, s->va, s->len, s->pa, ML_RW, NULL), ML_OK);
			t_ok(map_in_steps(&steps, s, tables) >= 1);
			t_ok(same_leaves(&whole, &steps));
			t_eq(rig_bytes(&steps), s->len);
			t_eq(ml_table_check(&steps.table, NULL), ML_OK);
			t_ok(rig_close(&steps));
			t_ok(rig_close(&whole));
		}
}

TEST(a_step_does_a_bounded_amount)
{
	const struct stretch s = { WORLD_X86_4, 4 * G, 64 * M, 4 * G + 4 * K };
	struct ml_step step = { s.va, s.len, s.pa, ML_RW, 4 };
	unsigned count = 0;
	struct rig rig;

	t_eq(rig_open(&rig, s.world, NULL), ML_OK);
	while (step.len) {
		ml_doors.stores = ml_doors.fills = 0;
		t_eq(ml_map_step(&rig.table, &step, NULL), ML_OK);
		t_ok(ml_doors.stores + ml_doors.fills <= 6 * 512 + 3 * 512);
		count++;
	}
	t_ok(count >= 32 / 6 && count <= 32);
	step = (struct ml_step){ .va = s.va, .len = s.len, .tables = 4 };
	for (count = 0; step.len; count++) {
		ml_doors.stores = ml_doors.loads = 0;
		t_eq(ml_unmap_step(&rig.table, &step, NULL), ML_OK);
		t_ok(ml_doors.loads <= 6 * 512 + 3 * 512);
	}
	t_ok(count >= 32 / 6 && count <= 32);
	t_eq(rig.table.stats.tables, 1);
	t_ok(rig_close(&rig));
}

static uint64_t heard;

static void hear(void *cookie, const struct ml_run *run)
{
	(void)cookie;
	heard += run->length;
}

TEST(unmapping_in_steps_is_unmapping)
{
	for (unsigned i = 0; i < STRETCHES; i++)
		for (unsigned live = 0; live < 2; live++) {
			const struct ml_table_config wish = { .live = live };
			const struct stretch *s = &stretches[i];
			struct ml_step step = { .va = s->va, .len = s->len };
			struct ml_op op = { .sink = hear };
			struct rig rig;

			T_CONTEXT("stretch", i);
			heard = 0;
			t_eq(rig_open(&rig, s->world, &wish), ML_OK);
			t_eq(ml_map(&rig.table, s->va, s->len, s->pa, ML_RW, NULL), ML_OK);
			while (step.len) {
				const struct ml_step was = step;

				T_REQUIRE(t_eq(ml_unmap_step(&rig.table, &step, &op), ML_OK));
				T_REQUIRE(t_ok(step.len < was.len));
				t_eq(step.va - was.va, was.len - step.len);
				t_eq(rig_bytes(&rig), step.len);
				t_eq(ml_table_check(&rig.table, NULL), ML_OK);
			}
			t_eq(heard, s->len);
			t_eq(rig.table.stats.tables, 1);
			t_eq(rig.table.stats.splits, 0); /* every step stopped between leaves */
			t_ok(rig_close(&rig));
		}
}

/* A step that begins inside a table ends with it, so that no table is begun in vain. */
TEST(unmapping_steps_end_with_tables)
{
	struct ml_step step = { .va = 4 * G + M, .len = 8 * M, .tables = 1 };
	struct rig rig;

	t_eq(rig_open(&rig, WORLD_X86_4, NULL), ML_OK);
	t_eq(ml_map(&rig.table, 4 * G, 16 * M, 4 * K, ML_RW, NULL), ML_OK);
	t_eq(ml_unmap_step(&rig.table, &step, NULL), ML_OK);
	t_eq(step.va, 4 * G + 2 * M);
	t_eq(ml_unmap_step(&rig.table, &step, NULL), ML_OK);
	t_eq(step.va, 4 * G + 4 * M);
	t_ok(rig_close(&rig));
}

/* Unmapping ends inside large leaves at both ends, and in a hole. */
TEST(unmapping_in_steps_splits_the_ends)
{
	struct ml_step step = { .va = 4 * G + 4 * K, .len = 3 * G - 8 * K };
	struct rig rig;

	t_eq(rig_open(&rig, WORLD_X86_4, NULL), ML_OK);
	t_eq(ml_map(&rig.table, 4 * G, G, 4 * G, ML_RW, NULL), ML_OK);
	t_eq(ml_map(&rig.table, 6 * G, G, 6 * G, ML_RW, NULL), ML_OK);
	while (step.len)
		T_REQUIRE(t_eq(ml_unmap_step(&rig.table, &step, NULL), ML_OK));
	t_eq(rig_bytes(&rig), 8 * K);
	t_ok(rig_maps(&rig, 4 * G, 4 * K, 4 * G, 0));
	t_ok(rig_maps(&rig, 7 * G - 4 * K, 4 * K, 7 * G - 4 * K, 0));
	t_eq(ml_table_check(&rig.table, NULL), ML_OK);
	t_ok(rig_close(&rig));
}

/* The step that meets something in its way is refused whole; the steps before it stay. */
TEST(a_step_is_all_or_nothing)
{
	struct ml_step step = { 4 * G, 16 * M, 4 * G + 4 * K, ML_RW, 1 };
	struct picture picture = { 0 };
	struct rig rig;
	int error = ML_OK;

	t_eq(rig_open(&rig, WORLD_X86_4, NULL), ML_OK);
	t_eq(ml_map(&rig.table, 4 * G + 10 * M + 4 * K, 4 * K, 0, ML_RW, NULL), ML_OK);
	while (step.len && !error) {
		picture_take(&picture, &rig);
		error = ml_map_step(&rig.table, &step, NULL);
	}
	t_eq(error, ML_ERR_EXISTS);
	t_ok(picture_difference(&picture, &rig) == NULL);
	t_ok(step.va >= 4 * G && step.va <= 4 * G + 10 * M + 4 * K);
	t_eq(rig_bytes(&rig), step.va - 4 * G + 4 * K);
	t_eq(step.len, 16 * M - (step.va - 4 * G));
	picture_release(&picture);
	t_ok(rig_close(&rig));
}

TEST(steps_refuse_bad_arguments)
{
	struct ml_step step = { 4 * G + 1, 4 * K, 0, ML_RW, 1 };
	struct rig rig;

	t_eq(rig_open(&rig, WORLD_X86_4, NULL), ML_OK);
	t_eq(ml_map_step(&rig.table, &step, NULL), ML_ERR_ALIGN);
	t_eq(ml_unmap_step(&rig.table, &step, NULL), ML_ERR_ALIGN);
	step.va = (ml_va)1 << 50;
	t_eq(ml_map_step(&rig.table, &step, NULL), ML_ERR_CANONICAL);
	t_eq(ml_unmap_step(&rig.table, &step, NULL), ML_ERR_CANONICAL);
	step.va = 0;
	step.pa = (ml_pa)1 << 60;
	t_eq(ml_map_step(&rig.table, &step, NULL), ML_ERR_PA_RANGE);
	t_eq(step.len, 4 * K);
	t_ok(rig_close(&rig));
}

TEST(taking_a_table_down_in_steps)
{
	for (unsigned i = 0; i < STRETCHES; i++)
		for (uint8_t fold = ML_FOLD_MAP; fold <= ML_FOLD_BLOCK; fold++) {
			const struct ml_table_config wish = { .fold = fold };
			const struct stretch *s = &stretches[i];
			struct ml_step step = { .tables = 1 };
			struct ml_op op = { .sink = hear };
			struct ml_arena *arena;
			unsigned count = 0;
			struct rig rig;

			T_CONTEXT("stretch", i);
			heard = 0;
			t_eq(rig_open(&rig, s->world, &wish), ML_OK);
			arena = rig.arena;
			t_eq(ml_map(&rig.table, s->va, s->len, s->pa, ML_RW, NULL), ML_OK);
			while (ml_table_fini_step(&rig.table, &step, &op))
				T_REQUIRE(t_ok(++count < 100000));
			t_eq(heard, s->len);
			t_eq(arena->in_use, 0);
		}
}

/* Taking a table down at once tells of every leaf, too, with the accessed and dirty it had. */
TEST(taking_a_table_down_tells)
{
	for (unsigned i = 0; i < STRETCHES; i++) {
		const struct stretch *s = &stretches[i];
		struct ml_op op = { .sink = hear };
		struct rig rig;

		T_CONTEXT("stretch", i);
		heard = 0;
		t_eq(rig_open(&rig, s->world, NULL), ML_OK);
		t_eq(ml_map(&rig.table, s->va, s->len, s->pa, ML_RW, NULL), ML_OK);
		ml_table_fini(&rig.table, &op);
		t_eq(heard, s->len);
		t_eq(rig.arena->in_use, 0);
	}
}
