/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/*
 * The live policy, told letter by letter: what a change stores and invalidates under each level of
 * break-before-make, under errata, and where nothing may ever fault. Random sequences of the same
 * are judged in trace.c and oracle_random.c.
 */
#include <string.h>

#include <maxleaf/table.h>

#include "support/order.h"
#include "support/story.h"
#include "t.h"

#define K ((uint64_t)1 << 10)
#define PAGE (4 * K)

static struct order order;

/* Where the first large leaf of a world stands, and the sizes that matter. */
struct scene {
	enum world world;
	ml_va at;
	uint64_t block;            /* bytes of a leaf of level 1 */
	unsigned block_rung, step; /* and the rung its split gives */
	uint64_t group;            /* bytes of a group of pages; 0: none */
};

static const struct scene scenes[] = {
	{ WORLD_X86_4, (uint64_t)1 << 32, 2048 * K, 1, 0, 0 },
	{ WORLD_X86_5, (uint64_t)1 << 32, 2048 * K, 1, 0, 0 },
	{ WORLD_ARM_LOW, (uint64_t)1 << 32, 2048 * K, 2, 1, 64 * K },
	{ WORLD_TOY, 16 * K, 16 * K, 2, 1, 8 * K },
};

#define FOR_EACH_SCENE(s) \
	for (const struct scene *s = scenes; s < scenes + sizeof(scenes) / sizeof(scenes[0]); s++)

static struct ml_table_config policy(unsigned bbm, unsigned errata)
{
	return (struct ml_table_config){ .live = true,
					 .bbm = (uint8_t)bbm,
					 .errata = (uint8_t)errata };
}

/* Which of three stories holds: the format may have no announcement, and then 1 is 0. */
static const char *of(const struct scene *s, unsigned bbm, const char *breaks,
		      const char *announces, const char *directly)
{
	if (bbm == 1 && worlds[s->world].format->announce_bit)
		return announces;
	return bbm == 2 ? directly : breaks;
}

static void put_up(struct rig *rig, const struct scene *s, const struct ml_table_config *wish)
{
	T_CONTEXT(worlds[s->world].name, wish->bbm);
	t_eq(rig_open(rig, s->world, wish), ML_OK);
}

/* With the first large leaf in it. */
static void put_up_block(struct rig *rig, const struct scene *s, unsigned bbm, unsigned errata)
{
	const struct ml_table_config wish = policy(bbm, errata);

	put_up(rig, s, &wish);
	t_eq(ml_map(&rig->table, s->at, s->block, s->at, ML_RW, NULL), ML_OK);
}

TEST(a_block_and_its_table)
{
	FOR_EACH_SCENE(s)
	{
		for (unsigned bbm = 0; bbm <= 2; bbm++) {
			struct rig rig;

			put_up_block(&rig, s, bbm, 0);
			story_begin(&rig);
			t_eq(ml_split(&rig.table, s->at, s->block, s->step, NULL), ML_OK);
			t_str(story_end(), of(s, bbm, "aFbiwl", "aFciwliw", "aFliw"));
			story_begin(&rig);
			t_eq(ml_fold(&rig.table, s->at, s->block, s->block_rung, NULL), ML_OK);
			t_str(story_end(), of(s, bbm, "biwmf", "ciwcf", "ciwf"));
			t_eq(rig_leaves(&rig, s->block_rung), 1);
			t_ok(rig_close(&rig));
		}
	}
}

/* Half of a block loses writing, and then goes: one invalidation where the new is made whole. */
TEST(a_part_of_a_block)
{
	FOR_EACH_SCENE(s)
	{
		for (unsigned bbm = 0; bbm <= 2; bbm++) {
			const uint64_t half = s->block / 2;
			struct ml_op op = { 0 };
			struct rig rig;

			put_up_block(&rig, s, bbm, 0);
			story_begin(&rig);
			t_eq(ml_protect(&rig.table, s->at, half, ML_WRITE, 0, &op), ML_OK);
			t_str(story_end(), of(s, bbm, "aFbiwl", "aFciwlciw", "aFlciw"));
			t_eq(op.bytes, half);
			t_ok(rig_maps(&rig, s->at, s->block, s->at, s->step));
			t_eq(ml_unmap(&rig.table, s->at, s->block, NULL), ML_OK);
			t_eq(ml_map(&rig.table, s->at, s->block, s->at, ML_RW, NULL), ML_OK);
			story_begin(&rig);
			t_eq(ml_unmap(&rig.table, s->at + half, half, NULL), ML_OK);
			t_str(story_end(), of(s, bbm, "aFbiwl", "aFciwliw", "aFliw"));
			t_ok(rig_maps(&rig, s->at, half, s->at, s->step));
			t_eq(rig_bytes(&rig), half);
			t_ok(rig_close(&rig));
		}
	}
}

/* The end of one block and the beginning of the next. */
TEST(a_range_that_cuts_two_blocks)
{
	FOR_EACH_SCENE(s)
	{
		for (unsigned bbm = 0; bbm <= 2; bbm++) {
			const struct ml_table_config wish = policy(bbm, 0);
			const uint64_t half = s->block / 2;
			struct rig rig;

			put_up(&rig, s, &wish);
			t_eq(ml_map(&rig.table, s->at, 2 * s->block, s->at, ML_RW, NULL), ML_OK);
			story_begin(&rig);
			t_eq(ml_unmap(&rig.table, s->at + half, s->block, NULL), ML_OK);
			t_str(story_end(), of(s, bbm, "aFbiwl", "aFciwliw", "aFliw"));
			t_eq(rig_bytes(&rig), s->block);
			t_ok(rig_close(&rig));
		}
	}
}

TEST(a_group)
{
	FOR_EACH_SCENE(s)
	{
		for (unsigned bbm = 0; s->group && bbm <= 2; bbm++) {
			const struct ml_table_config wish = policy(bbm, 0);
			const bool direct = bbm == 2;
			struct rig rig;

			put_up(&rig, s, &wish);
			t_eq(ml_map(&rig.table, s->at, s->group, s->at, ML_RW, NULL), ML_OK);
			story_begin(&rig);
			t_eq(ml_split(&rig.table, s->at, s->group, 0, NULL), ML_OK);
			t_str(story_end(), direct ? "c" : "biwm");
			story_begin(&rig);
			t_eq(ml_fold(&rig.table, s->at, s->group, 1, NULL), ML_OK);
			t_str(story_end(), direct ? "c" : "biwm");
			t_eq(rig_leaves(&rig, 1), 1);
			story_begin(&rig);
			t_eq(ml_protect(&rig.table, s->at, PAGE, ML_WRITE, 0, NULL), ML_OK);
			t_str(story_end(), direct ? "ciw" : "biwm");
			t_eq(ml_protect(&rig.table, s->at, PAGE, ML_RW, ML_RW, NULL), ML_OK);
			t_eq(ml_fold(&rig.table, s->at, s->group, 1, NULL), ML_OK);
			t_eq(rig_leaves(&rig, 1), 1);
			story_begin(&rig);
			t_eq(ml_unmap(&rig.table, s->at + PAGE, PAGE, NULL), ML_OK);
			t_str(story_end(), direct ? "cbiw" : "biwm");
			t_eq(rig_bytes(&rig), s->group - PAGE);
			t_ok(rig_close(&rig));
		}
	}
}

/* S0.6: the page that completes a group costs one invalidation, or none. */
TEST(completing_a_group)
{
	FOR_EACH_SCENE(s)
	{
		for (unsigned bbm = 0; s->group && bbm <= 2; bbm++) {
			struct ml_table_config wish = policy(bbm, 0);
			struct rig rig;

			wish.fold = ML_FOLD_COMPLETE;
			put_up(&rig, s, &wish);
			t_eq(ml_map(&rig.table, s->at + PAGE, s->group - PAGE, s->at + PAGE, ML_RW,
				    NULL),
			     ML_OK);
			story_begin(&rig);
			t_eq(ml_map(&rig.table, s->at, PAGE, s->at, ML_RW, NULL), ML_OK);
			t_str(story_end(), bbm == 2 ? "mc" : "mbiwm");
			t_eq(rig_leaves(&rig, 1), 1);
			t_ok(rig_close(&rig));
		}
	}
}

/* ---- errata ------------------------------------------------------------------------ */

TEST(never_two_sizes_at_once)
{
	FOR_EACH_SCENE(s)
	{
		struct rig rig;

		put_up_block(&rig, s, 2, ML_ERRATUM_ONE_SIZE);
		story_begin(&rig);
		t_eq(ml_split(&rig.table, s->at, s->block, s->step, NULL), ML_OK);
		t_str(story_end(), "aFbiwl");
		story_begin(&rig);
		t_eq(ml_fold(&rig.table, s->at, s->block, s->block_rung, NULL), ML_OK);
		t_str(story_end(), "biwmf");
		t_ok(rig_close(&rig));
	}
}

TEST(every_invalidation_is_repeated)
{
	FOR_EACH_SCENE(s)
	{
		struct rig rig;

		put_up_block(&rig, s, 0, ML_ERRATUM_REPEAT);
		story_begin(&rig);
		t_eq(ml_split(&rig.table, s->at, s->block, s->step, NULL), ML_OK);
		t_str(story_end(), "aFbiwiwl");
		story_begin(&rig);
		t_eq(ml_unmap(&rig.table, s->at, s->block, NULL), ML_OK);
		t_ok(strncmp(story_end(), "biwiwf", 6) == 0); /* B-51: before a table is free */
		t_eq(rig.table.stats.invalidations, rig.table.stats.completions);
		t_ok(rig_close(&rig));
	}
}

TEST(no_groups)
{
	FOR_EACH_SCENE(s)
	{
		struct rig rig;

		put_up_block(&rig, s, 0, ML_ERRATUM_NO_GROUPS);
		t_eq(ml_split(&rig.table, s->at, PAGE, 0, NULL), ML_OK);
		t_ok(rig_maps(&rig, s->at, s->block, s->at, 0));
		t_eq(ml_fold(&rig.table, s->at, s->block, s->step, NULL), ML_OK);
		t_ok(rig_maps(&rig, s->at, s->block, s->at, 0));
		t_eq(ml_fold(&rig.table, s->at, s->block, s->block_rung, NULL), ML_OK);
		t_eq(rig_leaves(&rig, s->block_rung), 1);
		t_ok(rig_close(&rig));
	}
}

/* B-30: what is executable never changes its size, because it has but one. */
TEST(executable_leaves_are_small)
{
	FOR_EACH_SCENE(s)
	{
		const struct ml_table_config wish = policy(0, ML_ERRATUM_SMALL_EXEC);
		const ml_prot code = ML_READ | ML_PEXEC;
		struct picture picture = { 0 };
		struct rig rig;

		put_up(&rig, s, &wish);
		t_eq(ml_map(&rig.table, s->at, s->block, s->at, code, NULL), ML_OK);
		t_ok(rig_maps(&rig, s->at, s->block, s->at, 0));
		t_eq(ml_fold(&rig.table, s->at, s->block, s->block_rung, NULL), ML_OK);
		t_ok(rig_maps(&rig, s->at, s->block, s->at, 0));
		t_eq(ml_unmap(&rig.table, s->at, s->block, NULL), ML_OK);
		t_eq(ml_map(&rig.table, s->at, s->block, s->at, ML_READ, NULL), ML_OK);
		t_eq(rig_leaves(&rig, s->block_rung), 1);
		picture_take(&picture, &rig);
		t_eq(ml_protect(&rig.table, s->at, s->block, ML_PEXEC, ML_PEXEC, NULL),
		     ML_ERR_SIZE);
		t_ok(picture_difference(&picture, &rig) == NULL);
		t_eq(ml_split(&rig.table, s->at, s->block, 0, NULL), ML_OK);
		t_eq(ml_protect(&rig.table, s->at, s->block, ML_PEXEC, ML_PEXEC, NULL), ML_OK);
		picture_release(&picture);
		t_ok(rig_close(&rig));
	}
}

TEST(what_no_manual_defines_is_refused)
{
	const struct ml_table_config three = policy(3, 0), unknown = policy(0, 16);
	struct rig rig;

	for (unsigned world = 0; world < WORLDS; world++) {
		t_eq(rig_open(&rig, (enum world)world, &three), ML_ERR_CONFIG);
		t_eq(rig_open(&rig, (enum world)world, &unknown), ML_ERR_CONFIG);
	}
}

/* ---- what must never fault --------------------------------------------------------- */

/* Leaves no larger than the piece, but where sizes change directly. */
TEST(what_never_faults_is_mapped_in_pieces)
{
	FOR_EACH_SCENE(s)
	{
		for (unsigned bbm = 0; bbm <= 2; bbm++) {
			const struct ml_table_config wish = policy(bbm, 0);
			struct ml_never_fault range = { .va = s->at, .len = s->block };
			struct rig rig;

			put_up(&rig, s, &wish);
			t_eq(ml_never_fault(&rig.table, &range), ML_OK);
			t_eq(ml_map(&rig.table, s->at, 2 * s->block, s->at, ML_RW, NULL), ML_OK);
			t_ok(rig_maps(&rig, s->at, s->block, s->at, bbm == 2 ? s->block_rung : 0) ||
			     s->world == WORLD_TOY); /* two blocks are a group there */
			t_eq(ml_fold(&rig.table, s->at, s->block, s->block_rung, NULL), ML_OK);
			if (bbm < 2)
				t_ok(rig_maps(&rig, s->at, s->block, s->at, 0));
			ml_may_fault(&rig.table, &range);
			t_eq(ml_fold(&rig.table, s->at, s->block, s->block_rung, NULL), ML_OK);
			t_ok(!rig_maps(&rig, s->at, s->block, s->at, 0));
			t_ok(rig_close(&rig));
		}
	}
}

static void refused(struct rig *rig, const struct action *a)
{
	struct picture picture = { 0 };
	struct ml_op op = { .flags = a->replace ? ML_OP_REPLACE : 0 };

	picture_take(&picture, rig);
	order_operation(&order);
	t_eq(rig_call(rig, a, &op), ML_ERR_NEVER_FAULT);
	t_ok(!order.stored);
	t_ok(picture_difference(&picture, rig) == NULL);
	picture_release(&picture);
}

static void done(struct rig *rig, const struct action *a)
{
	struct ml_op op = { .flags = a->replace ? ML_OP_REPLACE : 0 };

	order_operation(&order);
	order_keep(&order, a->va + (a->kind == ACTION_UNMAP ? a->len : 0), order.kept[0].va);
	t_eq(rig_call(rig, a, &op), ML_OK);
	t_ok(order_settled(&order));
}

/* A piece as large as a block: what is smaller is refused, or done without a break. */
TEST(what_never_faults_is_not_cut)
{
	FOR_EACH_SCENE(s)
	{
		for (unsigned bbm = 0; bbm <= 2; bbm++) {
			const struct ml_table_config wish = policy(bbm, 0);
			struct ml_never_fault range = { s->at, s->block, s->block, NULL };
			const struct action actions[] = {
				{ .kind = ACTION_SPLIT, .va = s->at, .len = PAGE },
				{ .kind = ACTION_PROTECT,
				  .va = s->at,
				  .len = PAGE,
				  .mask = ML_WRITE },
				{ .kind = ACTION_UNMAP, .va = s->at, .len = PAGE },
			};
			struct rig rig;

			put_up(&rig, s, &wish);
			t_eq(ml_never_fault(&rig.table, &range), ML_OK);
			order_begin(&order, &rig, &wish);
			order_operation(&order);
			t_eq(ml_map(&rig.table, s->at, s->block, s->at, ML_RW, NULL), ML_OK);
			t_eq(rig_leaves(&rig, s->block_rung), 1);
			order.kept[0].va = s->at + (s->block - 1);
			for (unsigned i = 0; i < 3; i++) {
				order.kept[0].va = s->at + (s->block - 1);
				if (bbm == 2)
					done(&rig, &actions[i]);
				else
					refused(&rig, &actions[i]);
			}
			order_end(&order);
			t_ok(rig_close(&rig));
		}
	}
}

/* A change of type, or replacement, is a break whatever the walkers bear. */
TEST(what_never_faults_is_not_replaced)
{
	FOR_EACH_SCENE(s)
	{
		const struct ml_table_config wish = policy(2, 0);
		struct ml_never_fault range = { .va = s->at, .len = s->block };
		const struct action replace = { .kind = ACTION_MAP,
						.va = s->at,
						.len = PAGE,
						.pa = s->at,
						.prot = ML_READ,
						.replace = true };
		const struct action type = { .kind = ACTION_PROTECT,
					     .va = s->at,
					     .len = PAGE,
					     .mask = ML_TYPE_MASK,
					     .prot = ML_NC };
		struct rig rig;

		put_up(&rig, s, &wish);
		t_eq(ml_never_fault(&rig.table, &range), ML_OK);
		order_begin(&order, &rig, &wish);
		order_operation(&order);
		t_eq(ml_map(&rig.table, s->at, s->block, s->at, ML_RW, NULL), ML_OK);
		refused(&rig, &replace);
		if (rig.facts->format->break_type)
			refused(&rig, &type);
		order_end(&order);
		ml_table_set_live(&rig.table, false);
		t_eq(ml_protect(&rig.table, s->at, PAGE, ML_TYPE_MASK, ML_NC, NULL), ML_OK);
		t_ok(rig_close(&rig));
	}
}

TEST(declarations_that_make_no_sense)
{
	FOR_EACH_SCENE(s)
	{
		const struct ml_table_config wish = policy(0, 0);
		struct ml_never_fault range = { .va = s->at, .len = s->block };
		struct ml_never_fault again = range, bad = range;
		struct rig rig;

		put_up(&rig, s, &wish);
		bad.len = 0;
		t_eq(ml_never_fault(&rig.table, &bad), ML_ERR_EMPTY);
		bad.len = PAGE / 2;
		t_eq(ml_never_fault(&rig.table, &bad), ML_ERR_ALIGN);
		bad = (struct ml_never_fault){ s->at + PAGE, s->block, s->block, NULL };
		t_eq(ml_never_fault(&rig.table, &bad), ML_ERR_ALIGN);
		bad.piece = 3 * PAGE;
		t_eq(ml_never_fault(&rig.table, &bad), ML_ERR_SIZE);
		bad.piece = PAGE / 2;
		t_eq(ml_never_fault(&rig.table, &bad), ML_ERR_SIZE);
		t_eq(ml_map(&rig.table, s->at, s->block, s->at, ML_RW, NULL), ML_OK);
		t_eq(ml_never_fault(&rig.table, &range), ML_ERR_EXISTS);
		t_eq(ml_split(&rig.table, s->at, s->block, 0, NULL), ML_OK);
		t_eq(ml_never_fault(&rig.table, &range), ML_OK);
		t_eq(ml_never_fault(&rig.table, &again), ML_ERR_ARGUMENT);
		t_ok(rig_close(&rig));
	}
}

/* ---- walkers that gather nothing --------------------------------------------------- */

/* B-01: an access flag given to one member is given to all, and the group stays. */
TEST(marks_reach_every_member)
{
	FOR_EACH_SCENE(s)
	{
		struct ml_table_config wish = policy(0, 0);
		struct ml_translation found;
		struct rig rig;

		wish.track_ad = true;
		wish.each_member = true;
		put_up(&rig, s, &wish);
		t_eq(ml_map(&rig.table, s->at, s->group ? s->group : PAGE, s->at, ML_RW, NULL),
		     ML_OK);
		story_begin(&rig);
		t_eq(ml_protect(&rig.table, s->at, PAGE, ML_ACCESSED, ML_ACCESSED, NULL), ML_OK);
		t_str(story_end(), "c"); /* nobody holds a leaf without it */
		for (uint64_t page = 0; page < s->group; page += PAGE) {
			struct ml_walk walk;
			struct ml_entry entry;

			t_eq(ml_walk(&rig.table, s->at + page, &walk), ML_OK);
			t_eq(ml_format_decode(rig.facts->format, &rig.table.types,
					      walk.entries[walk.count - 1].pte, 0, &entry),
			     ML_OK);
			t_ok(entry.group && entry.prot & ML_ACCESSED);
		}
		t_eq(ml_translate(&rig.table, s->at, &found), ML_OK);
		t_ok(rig_close(&rig));
	}
}

/* Marks spread over a group, but not where an end of the range cuts one of its blocks. */
TEST(marks_of_a_part_of_a_block_broke_what_never_faults)
{
	const struct ml_table_config wish = { .live = true, .track_ad = true, .each_member = true };
	struct ml_never_fault range = { .va = 0, .len = 32 * 1024 * K, .piece = 32 * 1024 * K };
	struct picture picture = { 0 };
	struct ml_translation found;
	struct rig rig;

	t_eq(rig_open(&rig, WORLD_ARM_LOW, &wish), ML_OK);
	t_eq(ml_never_fault(&rig.table, &range), ML_OK);
	t_eq(ml_map(&rig.table, 0, 32 * 1024 * K, 0, ML_RW, NULL), ML_OK);
	picture_take(&picture, &rig);
	t_eq(ml_protect(&rig.table, 1024 * K, 1024 * K, ML_PROT_AD, ML_PROT_AD, NULL),
	     ML_ERR_NEVER_FAULT);
	t_ok(picture_difference(&picture, &rig) == NULL);
	t_eq(ml_protect(&rig.table, 2 * 1024 * K, 2 * 1024 * K, ML_PROT_AD, ML_PROT_AD, NULL),
	     ML_OK);
	t_eq(ml_translate(&rig.table, 30 * 1024 * K, &found), ML_OK);
	t_eq(ml_translation_prot(&rig.table, &found) & ML_PROT_AD, ML_PROT_AD);
	picture_release(&picture);
	t_ok(rig_close(&rig));
}

/* ---- the judge itself --------------------------------------------------------------- */

/* Whether the judge of order finds fault with this change of a block, and of a group. */
static bool found_fault(const struct scene *s, const struct ml_table_config *wish,
			const struct ml_table_config *walkers, uint64_t bytes, bool keeps)
{
	const unsigned rung = bytes == s->block ? s->block_rung : 1;
	struct rig rig;
	bool fault;

	put_up(&rig, s, wish);
	order_begin(&order, &rig, walkers);
	order_operation(&order);
	t_eq(ml_map(&rig.table, s->at, bytes, s->at, ML_RW, NULL), ML_OK);
	order_operation(&order);
	if (keeps)
		order_keep(&order, s->at, s->at + (bytes - 1));
	t_eq(ml_split(&rig.table, s->at, bytes, rung - 1, NULL), ML_OK);
	fault = !order_settled(&order);
	order_end(&order);
	t_ok(rig_close(&rig));
	return fault;
}

/* A table that trusts its walkers with more than they bear is found out, and no other. */
TEST(the_judge_knows_what_walkers_bear)
{
	FOR_EACH_SCENE(s)
	{
		for (unsigned does = 0; does <= 2; does++)
			for (unsigned bears = 0; bears <= 2; bears++) {
				const bool says = worlds[s->world].format->announce_bit;
				const struct ml_table_config wish = policy(does, 0);
				const struct ml_table_config walkers = policy(bears, 0);
				const unsigned really = does == 1 && !says ? 0 : does;

				t_eq(found_fault(s, &wish, &walkers, s->block, false),
				     really > bears);
				t_eq(found_fault(s, &wish, &walkers, s->block, true),
				     really > bears || really < 2);
				if (s->group)
					t_eq(found_fault(s, &wish, &walkers, s->group, false),
					     does == 2 && bears < 2);
			}
	}
}

TEST(the_judge_counts_repetitions)
{
	const struct ml_table_config once = policy(0, 0), twice = policy(0, ML_ERRATUM_REPEAT);

	FOR_EACH_SCENE(s)
	{
		t_ok(found_fault(s, &once, &twice, s->block, false));
		t_ok(!found_fault(s, &twice, &twice, s->block, false));
		t_ok(!found_fault(s, &twice, &once, s->block, false));
	}
}
