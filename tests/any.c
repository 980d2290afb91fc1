/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/*
 * The same random sequences through a format's own algorithms and through those that read
 * the descriptor at run time: same results, same reports, the same entries bit for bit.
 */
#include <inttypes.h>

#include <maxleaf/table.h>

#include "support/rig.h"
#include "support/source.h"
#include "t.h"

#define OPERATIONS 60000 /* and a twelfth of ML_TEST_OPS= */
#define CASE_LENGTH 150
#define HEARD_MOST 4096

/* One of the two, and what its last operation came to. */
struct side {
	struct setting setting;
	struct rig rig;
	struct ml_op op;
	int error;
	size_t heard_count;
	struct ml_run heard[HEARD_MOST];
};

static void hear(void *cookie, const struct ml_run *run)
{
	struct side *side = cookie;

	if (side->heard_count < HEARD_MOST)
		side->heard[side->heard_count] = *run;
	side->heard_count++;
}

/* A pair of tables of one level, on the way through both trees. */
struct pair {
	const ml_pte *a, *b;
	unsigned index, level;
};

static const ml_pte *table_of(const struct rig *rig, ml_pa pa, unsigned level)
{
	return ml_arena_pointer(rig->arena, pa, ml_format_table_bytes(rig->facts->format, level));
}

/* Both entries are the same, or link tables; then *below is the pair of those. */
static bool entries_agree(const struct side *own, const struct side *any, const struct pair *at,
			  struct pair *below)
{
	const struct ml_format *f = own->rig.facts->format;
	const ml_pte a = at->a[at->index], b = at->b[at->index];
	struct ml_entry of_a, of_b;

	below->a = NULL;
	if (ml_format_decode(f, &own->rig.table.types, a, at->level, &of_a) ||
	    ml_format_decode(f, &any->rig.table.types, b, at->level, &of_b))
		return false;
	if (of_a.kind != ML_KIND_TABLE || of_b.kind != ML_KIND_TABLE)
		return a == b;
	below->a = table_of(&own->rig, of_a.pa, at->level - 1);
	below->b = table_of(&any->rig, of_b.pa, at->level - 1);
	below->index = 0;
	below->level = at->level - 1;
	return (a & ~of_a.pa) == (b & ~of_b.pa) && below->a && below->b;
}

/* Every entry of both trees is the same but for the addresses of tables. */
static bool same_tables(const struct side *own, const struct side *any)
{
	const struct ml_format *f = own->rig.facts->format;
	struct pair stack[ML_LEVEL_MAX];
	unsigned depth = 1;

	stack[0].level = own->rig.table.levels - 1u;
	stack[0].index = 0;
	stack[0].a = table_of(&own->rig, ml_table_root(&own->rig.table), stack[0].level);
	stack[0].b = table_of(&any->rig, ml_table_root(&any->rig.table), stack[0].level);
	while (depth) {
		struct pair *at = &stack[depth - 1];
		struct pair below;

		if (at->index == 1u << f->index_bits[at->level]) {
			depth--;
			continue;
		}
		if (!entries_agree(own, any, at, &below))
			return false;
		at->index++;
		if (below.a)
			stack[depth++] = below;
	}
	return true;
}

static int steps(struct side *side, const struct action *a)
{
	struct ml_step step = { a->va, a->len, a->pa, a->prot, a->rung };
	int error = ML_OK;

	while (step.len && !error)
		error = a->kind == ACTION_MAP_STEP
				? ml_map_step(&side->rig.table, &step, &side->op)
				: ml_unmap_step(&side->rig.table, &step, &side->op);
	return error;
}

static void run(struct side *side, const struct action *a)
{
	struct ml_model_result seen;

	side->op = (struct ml_op){ .flags = a->replace ? ML_OP_REPLACE : 0 };
	if (a->sink) {
		side->op.sink = hear;
		side->op.sink_cookie = side;
	}
	side->heard_count = 0;
	side->rig.arena->fail_nth = a->fail;
	switch (a->kind) {
	case ACTION_TOUCH:
		side->error = rig_touch(&side->rig, a->va, a->write, &seen);
		break;
	case ACTION_LIVE:
		ml_table_set_live(&side->rig.table, a->write);
		break;
	case ACTION_MAP_STEP:
	case ACTION_UNMAP_STEP:
		side->error = steps(side, a);
		break;
	default:
		side->error = rig_call(&side->rig, a, a->bare ? NULL : &side->op);
		break;
	}
	side->rig.arena->fail_nth = 0;
}

static bool same_run(const struct ml_run *a, const struct ml_run *b)
{
	return a->va == b->va && a->pa == b->pa && a->length == b->length && a->prot == b->prot &&
	       a->rung == b->rung;
}

static bool same_outcome(const struct side *own, const struct side *any)
{
	const struct ml_stats *a = &own->rig.table.stats, *b = &any->rig.table.stats;
	bool same = t_eq(any->error, own->error) && t_eq(any->op.bytes, own->op.bytes) &&
		    t_eq(any->op.tables_needed, own->op.tables_needed) &&
		    t_eq(any->heard_count, own->heard_count) && t_eq(b->tables, a->tables) &&
		    t_eq(b->splits, a->splits) && t_eq(b->folds, a->folds) &&
		    t_eq(b->invalidations, a->invalidations) &&
		    t_eq(b->completions, a->completions) &&
		    t_eq(any->rig.table.owed, own->rig.table.owed) &&
		    t_eq(any->rig.table.spare.count, own->rig.table.spare.count);

	for (size_t i = 0; same && i < own->heard_count && i < HEARD_MOST; i++)
		same = t_ok(same_run(&own->heard[i], &any->heard[i]));
	return same;
}

static bool same_readings(const struct side *own, const struct side *any, ml_va va)
{
	struct ml_translation a, b;
	struct ml_walk walk_a, walk_b;
	const int error = ml_translate(&own->rig.table, va, &a);
	bool same = t_eq(ml_translate(&any->rig.table, va, &b), error);

	if (same && !error)
		same = t_eq(b.pa, a.pa) &&
		       t_eq(ml_translation_prot(&any->rig.table, &b),
			    ml_translation_prot(&own->rig.table, &a)) &&
		       t_eq(b.pte, a.pte) && t_eq(b.level, a.level) &&
		       t_eq(ml_translation_rung(&any->rig.table, &b),
			    ml_translation_rung(&own->rig.table, &a));
	same = same &&
	       t_eq(ml_walk(&any->rig.table, va, &walk_b), ml_walk(&own->rig.table, va, &walk_a));
	return same && (error == ML_ERR_CANONICAL || t_eq(walk_b.count, walk_a.count));
}

static bool open_side(struct side *side, const struct setting *setting, bool any)
{
	side->setting = *setting;
	side->setting.any = any;
	side->error = ML_OK;
	return t_eq(rig_open_setting(&side->rig, &side->setting), ML_OK);
}

static void run_case(struct source *s, uint64_t number)
{
	const struct setting setting = sequence_setting(s);
	static struct side own, any;

	T_CONTEXT(worlds[setting.world].name, number);
	T_REQUIRE(open_side(&own, &setting, false) && open_side(&any, &setting, true));
	for (unsigned i = 0; i < CASE_LENGTH; i++) {
		const struct action a = sequence_action(s, &setting);

		run(&own, &a);
		run(&any, &a);
		if (!same_outcome(&own, &any) || !t_ok(same_tables(&own, &any)) ||
		    !same_readings(&own, &any, a.va)) {
			sequence_print_setting(&setting);
			sequence_print_action(i, &a);
			return;
		}
	}
	t_ok(rig_close(&own.rig));
	t_ok(rig_close(&any.rig));
}

TEST(any_makes_the_same_tables)
{
	const uint64_t amount = source_amount(OPERATIONS * 12) / 12;
	struct source s = source_seeded(t_seed(20251202));
	uint64_t cases = amount / CASE_LENGTH + 1;

	for (uint64_t number = 0; number < cases && !t_state.complaints; number++)
		run_case(&s, number);
	printf("# %" PRIu64 " sequences of %d operations\n", cases, CASE_LENGTH);
}
