/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/*
 * Random programs of several processes under the adversarial TLB: live tables, hardware that marks
 * and hardware that does not, all rules of change, forks, copies, revocations. ML_TEST_OPS= says
 * how many operations, SEED= repeats a run. And each duty once neglected, which must be found.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support/life_watch.h"
#include "support/rig.h"
#include "t.h"

#define OPERATIONS 200000
#define CASE_LENGTH 200

static struct life_homes homes;
static struct life_watch watch;
static struct life_action done[CASE_LENGTH];

static struct ml_space_config draw_config(struct source *s, enum world world)
{
	struct ml_space_config config = { .fault_rungs = source_chance(s, 2, 3) ? ~0u : 0 };
	struct ml_table_config *table = &config.table;

	config.bottom_up = source_chance(s, 1, 2);
	table->guaranteed = source_chance(s, 2, 3);
	table->deposit_one = table->guaranteed && source_chance(s, 1, 2);
	if (table->guaranteed && source_chance(s, 1, 2))
		table->refaultable = ML_SOFT(0);
	table->fold = source_chance(s, 1, 2) ? ML_FOLD_COMPLETE : ML_FOLD_MAP;
	table->track_ad = source_chance(s, 1, 2);
	table->hardware_ad = !table->track_ad || source_chance(s, 1, 2);
	table->bbm = (uint8_t)source_below(s, worlds[world].format->bbm_most + 1u);
	table->errata = (uint8_t)(source_chance(s, 1, 4) ? source_below(s, 16) : 0);
	table->each_member = source_chance(s, 1, 4);
	life_watch_wish(&config);
	return config;
}

static bool makes_sense(const struct life_action *a)
{
	unsigned alive = 0, i;

	for (i = 0; i < homes.rules.processes; i++)
		alive += homes.alive[i];
	return homes.alive[a->process] && (a->kind != LIFE_EXIT || alive > 1);
}

/* One program; NULL, or what was wrong. */
static const char *run_case(struct source *s, enum world world, uint64_t seed)
{
	const struct ml_space_config config = draw_config(s, world);
	const char *what = NULL;
	static char text[256];
	unsigned n = 0;

	if (!life_homes_open(&homes, world, &config, s))
		return "opening";
	life_watch_begin(&watch, &homes, seed);
	while (!what && n < CASE_LENGTH) {
		struct life_action a = life_draw(s, &homes.rules);
		uint32_t to;
		uint8_t byte;

		a.serial = n;
		if (!makes_sense(&a))
			continue;
		done[n++] = a;
		(void)life_watch_do(&watch, &a, &to, &byte);
		what = life_watch_fault(&watch);
	}
	if (what) {
		snprintf(text, sizeof(text), "%s", what);
		what = text;
	}
	for (unsigned i = n > 6 ? n - 6 : 0; what && i < n; i++)
		life_print(&done[i]);
	life_watch_end(&watch);
	if (!what && !life_homes_sound(&homes))
		what = "soundness";
	if (!life_homes_close(&homes) && !what)
		what = "something was not given back";
	return what;
}

TEST(random_programs_rely_on_no_luck)
{
	const uint64_t seed = t_seed(20261121), most = source_amount(OPERATIONS);
	uint64_t cases = 0, freed = 0;

	for (; cases * CASE_LENGTH < most; cases++) {
		struct source s = source_seeded(seed + cases);
		const enum world world = (enum world)((seed + cases) % WORLDS);
		const char *what = run_case(&s, world, seed + cases);

		freed += watch.frames_freed;
		if (what)
			printf("# case %llu (SEED=%llu), %s: %s\n", (unsigned long long)cases,
			       (unsigned long long)(seed + cases), worlds[world].name, what);
		if (!t_ok(!what))
			return;
	}
	printf("# %llu programs; %llu frames given up\n", (unsigned long long)cases,
	       (unsigned long long)freed);
	t_ok(freed > cases);
}

/* ---- duties neglected ---------------------------------------------------------------- */

static void drop_invalidation(void *cookie, struct ml_op *op, const struct ml_invalidation *what)
{
	(void)cookie;
	(void)op;
	(void)what;
}

static void drop_completion(void *cookie, struct ml_op *op)
{
	(void)cookie;
	(void)op;
}

static void open_watched(void)
{
	struct ml_space_config config = { 0 };
	struct source s = source_seeded(1);

	life_watch_wish(&config);
	t_ok(life_homes_open(&homes, WORLD_X86_4, &config, &s));
	life_watch_begin(&watch, &homes, 1);
}

static void do_one(struct life_action a)
{
	uint32_t to;
	uint8_t byte;

	a.rights = a.may = ML_RW;
	t_eq(life_watch_do(&watch, &a, &to, &byte), 0);
}

/* Two pages, both written to; nothing is wrong so far. */
static void live_a_little(void)
{
	open_watched();
	do_one((struct life_action){ .kind = LIFE_MAP, .pages = 2 });
	do_one((struct life_action){ .kind = LIFE_STORE, .at = 0, .byte = 1 });
	do_one((struct life_action){ .kind = LIFE_STORE, .at = 1, .byte = 2 });
	t_ok(!life_watch_fault(&watch));
}

/* What the call comes to if the platform does less than it must. */
static void neglect(struct life_action a, bool completion, const char *expected)
{
	struct ml_platform *platform = &rig_arena(WORLD_X86_4)->platform;
	const struct ml_platform was = *platform;
	const char *what;

	if (completion)
		platform->complete = drop_completion;
	else
		platform->invalidate = drop_invalidation;
	do_one(a);
	*platform = was;
	what = life_watch_fault(&watch);
	if (!t_ok(what && strstr(what, expected)))
		printf("# %s\n", what ? what : "nothing was noticed");
	life_watch_end(&watch);
	rig_arena(WORLD_X86_4)->pending = 0;
	t_ok(life_homes_close(&homes));
}

TEST(a_fork_without_invalidations_lets_the_parent_write_to_what_is_the_childs)
{
	live_a_little();
	neglect((struct life_action){ .kind = LIFE_FORK }, false, "it allows more");
}

TEST(a_frame_is_not_put_while_it_may_be_held)
{
	live_a_little();
	neglect((struct life_action){ .kind = LIFE_UNMAP, .pages = 1 }, false,
		"a frame is given up that may be held");
}

TEST(a_frame_is_not_put_before_the_invalidation_is_complete)
{
	live_a_little();
	neglect((struct life_action){ .kind = LIFE_UNMAP, .pages = 1 }, true,
		"a reference goes before an invalidation is complete");
}

TEST(a_copy_is_not_made_beside_the_old_page)
{
	live_a_little();
	do_one((struct life_action){ .kind = LIFE_FORK });
	neglect((struct life_action){ .kind = LIFE_STORE, .byte = 3 }, false, "may be held while");
}

TEST(a_move_without_invalidations_leaves_the_old_place_in_reach)
{
	live_a_little();
	neglect((struct life_action){ .kind = LIFE_MOVE,
				      .at = 0,
				      .pages = 1,
				      .new_pages = 1,
				      .to = 8,
				      .flags = ML_MOVE_MAY | ML_MOVE_FIXED },
		false, "nothing is mapped there");
}

TEST(a_revocation_without_invalidations_leaves_the_device_in_reach)
{
	live_a_little();
	do_one((struct life_action){
		.kind = LIFE_MAP, .source = LIFE_RAW_SHARED, .at = 4, .offset = 4, .pages = 1 });
	do_one((struct life_action){ .kind = LIFE_STORE, .at = 4, .byte = 5 });
	neglect(
		(struct life_action){
			.kind = LIFE_REVOKE, .source = LIFE_RAW_SHARED, .offset = 4, .pages = 1 },
		false, "nothing is mapped there");
}
