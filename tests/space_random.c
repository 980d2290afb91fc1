/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/*
 * Random programs of several processes - map, unmap, protect, move, advise, fork, revoke, load,
 * store - on every format, against a flat picture of pages and bytes. ML_TEST_OPS= says how many
 * operations, SEED= repeats a run.
 */
#include <stdio.h>
#include <stdlib.h>

#include "support/life_homes.h"
#include "t.h"

#define OPERATIONS 300000
#define CASE_LENGTH 250
#define SOUND_EVERY 16

static struct life_model model;
static struct life_homes homes;
static struct life_action done[CASE_LENGTH];

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
	return config;
}

/* Whether the action is one that both sides can do now. */
static bool makes_sense(const struct life_action *a)
{
	const struct life_process *process = &model.processes[a->process];
	unsigned alive = 0, i;

	for (i = 0; i < model.most; i++)
		alive += model.processes[i].alive;
	return process->alive && (a->kind != LIFE_EXIT || alive > 1);
}

/* NULL, or what was wrong. */
static const char *step(const struct life_action *a)
{
	uint32_t to = 0, model_to;
	uint8_t byte = 0, model_byte = 0;
	const int found = life_homes_do(&homes, a, &to, &byte);
	int want;

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

static const char *run_case(struct source *s, enum world world, uint64_t *count)
{
	const struct ml_space_config config = draw_config(s);
	const char *what = NULL;
	unsigned n = 0;

	if (!life_homes_open(&homes, world, &config, s))
		return "opening";
	life_model_open(&model, &homes.rules, malloc(homes.file_bytes), malloc(homes.file_bytes));
	for (uint64_t i = 0; i < homes.file_bytes; i++) {
		model.file[i] = life_homes_file(&homes)[i];
		model.device[i] = life_homes_device(&homes)[i];
	}
	while (!what && n < CASE_LENGTH) {
		struct life_action a = life_draw(s, &homes.rules);

		a.serial = n;
		if (!makes_sense(&a))
			continue;
		done[n++] = a;
		what = step(&a);
		if (!what && n % SOUND_EVERY == 0 && !life_homes_sound(&homes))
			what = "soundness";
	}
	if (!what && !life_homes_agree(&homes, &model))
		what = homes.what;
	if (!what && !life_homes_sound(&homes))
		what = "soundness at the end";
	for (unsigned i = n > 12 ? n - 12 : 0; what && i < n; i++)
		life_print(&done[i]);
	*count += n;
	free(model.file);
	free(model.device);
	life_model_close(&model);
	if (!life_homes_close(&homes) && !what)
		what = "something was not given back";
	return what;
}

TEST(random_programs_see_what_a_flat_picture_shows)
{
	const uint64_t seed = t_seed(20261120), most = source_amount(OPERATIONS);
	uint64_t count = 0, cases = 0;

	while (count < most) {
		struct source s = source_seeded(seed + cases);
		const enum world world = (enum world)(cases % WORLDS);
		const char *what = run_case(&s, world, &count);

		if (what)
			printf("# case %llu (SEED=%llu), %s: %s\n", (unsigned long long)cases,
			       (unsigned long long)(seed + cases), worlds[world].name, what);
		if (!t_ok(!what))
			return;
		cases++;
	}
	printf("# %llu operations, %llu programs\n", (unsigned long long)count,
	       (unsigned long long)cases);
}
