/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/*
 * Random programs of several processes - map, unmap, protect, move, advise, fork, revoke, load,
 * store - on every format, against a flat picture of pages and bytes. ML_TEST_OPS= says how many
 * operations, SEED= repeats a run.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "support/life_dirty.h"
#include "support/life_homes.h"
#include "support/rig.h"
#include "t.h"

#define OPERATIONS 300000
#define CASE_LENGTH 500
#define SOUND_EVERY 16
#define SHORT_EVERY 8

static struct life_model model;
static struct life_homes homes;
static uint64_t short_calls, told_pages;

static struct ml_space_config draw_config(struct source *s)
{
	struct ml_space_config config = { .fault_rungs = source_chance(s, 2, 3) ? ~0u : 0 };

	config.bottom_up = source_chance(s, 1, 2);
	config.table.live = source_chance(s, 1, 2);
	config.table.guaranteed = source_chance(s, 2, 3);
	config.table.deposit_one = config.table.guaranteed && source_chance(s, 1, 2);
	if (config.table.guaranteed && source_chance(s, 1, 2))
		config.table.refaultable = ML_SOFT(0);
	config.table.fold = source_chance(s, 1, 2) ? ML_FOLD_COMPLETE : ML_FOLD_MAP;
	config.table.track_ad = source_chance(s, 1, 2);
	config.table.hardware_ad = !config.table.track_ad || source_chance(s, 1, 2);
	if (source_chance(s, 3, 4))
		life_dirty_wish(&config);
	return config;
}

/* Whose the action is: one of those that are alive. False: the last one does not exit. */
static bool choose_process(struct life_action *a)
{
	unsigned alive = 0, left, i;

	for (i = 0; i < model.most; i++)
		alive += model.processes[i].alive;
	left = a->process % alive;
	for (i = 0; !model.processes[i].alive || left--; i++)
		;
	a->process = (uint8_t)i;
	return a->kind != LIFE_EXIT || alive > 1;
}

/* Calls that may stop half way: they keep what is done, which nobody sees. */
static bool may_stop_half_way(const struct life_action *a)
{
	if (a->kind == LIFE_ADVISE)
		return a->advice == ML_ADVISE_POPULATE || a->advice == ML_ADVISE_POPULATE_WRITE ||
		       a->advice == ML_ADVISE_COLLAPSE;
	if (a->kind == LIFE_LOAD || a->kind == LIFE_STORE)
		return homes.homes[a->process].faults > 1; /* the earlier ones were done */
	return a->kind == LIFE_REVOKE;
}

static bool wants_memory(const struct life_action *a, int found)
{
	if (a->kind == LIFE_LOAD || a->kind == LIFE_STORE)
		return found == ML_FAULT_NO_MEMORY;
	return found == ML_ERR_NO_MEMORY;
}

/* Do it with one allocation failing, and again if that was the end of it. */
static int do_short(const struct life_action *a, uint32_t *to, uint8_t *byte)
{
	struct ml_arena *arena = rig_arena(homes.world);
	const uint64_t before = life_homes_picture(&homes);
	int found;

	homes.homes[a->process].faults = 0;
	*(a->fails_table ? &arena->fail_nth : &home_fail_nth) = a->fails;
	found = life_homes_do(&homes, a, to, byte);
	home_fail_nth = arena->fail_nth = 0;
	if (!wants_memory(a, found))
		return found;
	short_calls++;
	if (!may_stop_half_way(a) && life_homes_picture(&homes) != before)
		homes.what = "a call that failed has changed something";
	if (!life_homes_sound(&homes))
		homes.what = "soundness after a call that failed";
	return life_homes_do(&homes, a, to, byte);
}

/* NULL, or what was wrong. */
static const char *step(const struct life_action *a)
{
	uint32_t to = 0, model_to;
	uint8_t byte = 0, model_byte = 0;
	const int found = a->fails ? do_short(a, &to, &byte) : life_homes_do(&homes, a, &to, &byte);
	const char *lost = life_dirty_check(a, found);
	int want;

	if (homes.what || lost)
		return homes.what ? homes.what : lost;
	if (a->kind == LIFE_REVOKE && found == ML_ERR_REFUSED && !homes.wish.table.refaultable)
		return NULL; /* copies look like the file's own pages, and were to stay */
	model_to = to;
	want = life_model_do(&model, a, &model_to, &model_byte);
	if (a->kind == LIFE_FORK && model_to < model.most)
		model.processes[model_to].alive = true;
	if (found == ML_ERR_NO_MEMORY && a->kind == LIFE_ADVISE && a->advice == ML_ADVISE_COLLAPSE)
		return NULL;
	if (found != want) {
		printf("# got %d, wanted %d\n", found, want);
		return "the answer";
	}
	if (to != model_to || byte != model_byte) {
		printf("# to %u, wanted %u; byte %u, wanted %u\n", to, model_to, byte, model_byte);
		return "where it went, or what was read";
	}
	return NULL;
}

/* A program, and the table it runs on. */
struct program {
	uint64_t seed;
	enum world world;
	struct ml_space_config config;
	unsigned count;
	struct life_action actions[CASE_LENGTH];
};

static void draw_failure(struct source *s, struct life_action *a)
{
	a->fails = (uint8_t)(1 + source_below(s, source_chance(s, 1, 2) ? 2 : 12));
	a->fails_table = source_chance(s, 1, 2);
}

static void draw_program(struct program *p, uint64_t seed, enum world world)
{
	const struct life_rules rules = life_rules_of(world);
	struct source s = source_seeded(seed);

	p->seed = seed;
	p->world = world;
	p->config = draw_config(&s);
	for (p->count = 0; p->count < CASE_LENGTH; p->count++) {
		p->actions[p->count] = life_draw(&s, &rules);
		p->actions[p->count].serial = p->count;
		if (source_chance(&s, 1, SHORT_EVERY))
			draw_failure(&s, &p->actions[p->count]);
	}
}

static bool open_both(const struct program *p)
{
	struct source bytes = source_seeded(p->seed);

	if (!life_homes_open(&homes, p->world, &p->config, &bytes))
		return false;
	life_dirty_begin(&homes);
	life_model_open(&model, &homes.rules, malloc(homes.file_bytes), malloc(homes.file_bytes));
	memcpy(model.file, life_homes_file(&homes), homes.file_bytes);
	memcpy(model.device, life_homes_device(&homes), homes.file_bytes);
	return true;
}

static bool close_both(void)
{
	free(model.file);
	free(model.device);
	life_model_close(&model);
	return life_homes_close(&homes);
}

/* NULL, or what was wrong; `done` counts what was not left out. */
static const char *run_program(const struct program *p, uint64_t *done)
{
	const char *what = NULL;
	unsigned i;

	if (!open_both(p))
		return "opening";
	for (i = 0; i < p->count && !what; i++) {
		struct life_action a = p->actions[i];

		if (!choose_process(&a))
			continue;
		what = step(&a);
		if (!what && ++*done % SOUND_EVERY == 0 && !life_homes_sound(&homes))
			what = "soundness";
	}
	if (!what && !life_homes_agree(&homes, &model))
		what = homes.what;
	if (!what && !life_homes_sound(&homes))
		what = "soundness at the end";
	told_pages += life_dirty_heard();
	if (!close_both() && !what)
		what = "something was not given back";
	return what;
}

/* Run it in a process of its own, without output; true if it failed or died. */
static bool fails(const struct program *p)
{
	const pid_t child = fork();
	uint64_t done = 0;
	int status = 0;

	if (!child) {
		if (!freopen("/dev/null", "w", stdout))
			_exit(2);
		_exit(run_program(p, &done) != NULL);
	}
	return child > 0 && waitpid(child, &status, 0) == child && status != 0;
}

/* Leave out whatever the program fails without. */
static void shrink(struct program *p)
{
	unsigned piece, at;

	for (piece = p->count / 2; piece; piece /= 2)
		for (at = 0; at + piece <= p->count;) {
			struct program less = *p;

			less.count -= piece;
			memmove(less.actions + at, p->actions + at + piece,
				(p->count - at - piece) * sizeof(p->actions[0]));
			if (fails(&less))
				*p = less;
			else
				at += piece;
		}
}

static void report(struct program *p, uint64_t number)
{
	uint64_t done = 0;
	const char *what;
	unsigned i;

	shrink(p);
	printf("# program %llu (SEED=%llu), %s\n", (unsigned long long)number,
	       (unsigned long long)p->seed, worlds[p->world].name);
	for (i = 0; i < p->count; i++)
		life_print(&p->actions[i]);
	fflush(stdout);
	what = run_program(p, &done);
	printf("# %s\n", what ? what : "it held this time");
}

TEST(random_programs_see_what_a_flat_picture_shows)
{
	const uint64_t seed = t_seed(20261120), most = source_amount(OPERATIONS);
	static struct program program;
	uint64_t count = 0, number;

	for (number = 0; count < most; number++) {
		draw_program(&program, seed + number, (enum world)(number % WORLDS));
		if (!t_ok(!run_program(&program, &count))) {
			report(&program, number);
			return;
		}
	}
	printf("# %llu operations, %llu programs; %llu calls failed for want of memory; %llu pages "
	       "told dirty\n",
	       (unsigned long long)count, (unsigned long long)number,
	       (unsigned long long)short_calls, (unsigned long long)told_pages);
	t_ok(short_calls * 500 >= count);
	t_ok(told_pages * 100 >= count);
}
