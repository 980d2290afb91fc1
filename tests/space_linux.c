/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/*
 * The same random programs in address spaces of the library and in processes of the kernel below
 * us, by its real calls: every answer, every region and every byte compared. Steps that the kernel
 * does by halves are left out: a change of rights, or advice, over a hole, which the library
 * refuses whole; and moves of what the kernel does not keep as one region.
 */
#include <stdio.h>
#include <stdlib.h>

#include "support/life_homes.h"
#include "support/life_linux.h"
#include "t.h"

#define OPERATIONS 15000
#define CASE_LENGTH 250

static struct life_model model;
static struct life_homes homes;
static struct life_linux kernel;
static struct life_action done[CASE_LENGTH];
static uint64_t left_out;

static bool covered(const struct life_action *a)
{
	const struct life_page *page = model.processes[a->process].pages + a->at;
	uint32_t i;

	for (i = 0; i < a->pages; i++)
		if (!page[i].mapped)
			return false;
	return true;
}

/* Whether populating, which stops at the first page that may not be touched, gets to its end. */
static bool populates(const struct life_action *a)
{
	const struct life_page *page = model.processes[a->process].pages + a->at;
	const uint8_t right = a->advice == ML_ADVISE_POPULATE         ? ML_READ
			      : a->advice == ML_ADVISE_POPULATE_WRITE ? ML_WRITE
								      : 0;
	uint32_t i;

	for (i = 0; right && i < a->pages; i++)
		if (!(page[i].rights & right) ||
		    (page[i].source != LIFE_ANONYMOUS && page[i].offset >= model.pages))
			return false;
	return true;
}

static bool makes_sense(const struct life_action *a)
{
	unsigned alive = 0, free_one = 0, i;

	for (i = 0; i < model.most; i++) {
		alive += model.processes[i].alive;
		free_one += !model.processes[i].alive;
	}
	if (!model.processes[a->process].alive || (a->kind == LIFE_EXIT && alive == 1) ||
	    (a->kind == LIFE_FORK && !free_one))
		return false;
	switch (a->kind) {
	case LIFE_REVOKE: /* no call of a program's */
	case LIFE_REMAP:
		return false;
	case LIFE_PROTECT:
		return covered(a);
	case LIFE_ADVISE:
		return covered(a) && populates(a);
	case LIFE_MOVE:
		return a->flags != ML_MOVE_FIXED && life_linux_one_region(&kernel, a);
	default:
		return true;
	}
}

static const char *step(const struct life_action *a)
{
	uint32_t to = 0, model_to;
	uint8_t byte = 0, model_byte = 0, kernel_byte = 0;
	const bool access = a->kind == LIFE_LOAD || a->kind == LIFE_STORE;
	const int found = life_homes_do(&homes, a, &to, &byte);
	int want, real;

	model_to = to;
	want = life_model_do(&model, a, &model_to, &model_byte);
	if (a->kind == LIFE_FORK)
		model.processes[model_to].alive = true;
	if (found != want && !(a->kind == LIFE_ADVISE && a->advice == ML_ADVISE_COLLAPSE))
		return "the library is not as the picture";
	if (a->kind == LIFE_MOVE && found == ML_ERR_NO_SPACE && a->flags & ML_MOVE_MAY)
		return NULL; /* the kernel has more space than the window */
	if (a->kind == LIFE_MOVE && found == ML_ERR_NO_SPACE)
		to = a->at;
	real = life_linux_do(&kernel, a, to, &kernel_byte);
	if (access ? real != found : !real != !found) {
		printf("# the kernel says %d, the library %d\n", real, found);
		return "the kernel answers otherwise";
	}
	return a->kind == LIFE_LOAD && kernel_byte != byte ? "the kernel reads another byte" : NULL;
}

static const char *run_case(struct source *s, uint64_t *count)
{
	static const enum world here[] = { WORLD_X86_4, WORLD_ARM_LOW };
	const struct ml_space_config config = {
		.fault_rungs = ~0u,
		.bottom_up = source_chance(s, 1, 2),
		.table = { .live = true, .guaranteed = source_chance(s, 1, 2) },
	};
	const char *what = NULL;
	unsigned n = 0;

	if (!life_homes_open(&homes, here[source_below(s, 2)], &config, s))
		return "opening";
	homes.rules.sources =
		1u << LIFE_ANONYMOUS | 1u << LIFE_FILE_SHARED | 1u << LIFE_FILE_PRIVATE;
	if (!life_linux_open(&kernel, &homes.rules, life_homes_file(&homes)))
		return "starting a process";
	life_model_open(&model, &homes.rules, malloc(homes.file_bytes), NULL);
	for (uint64_t i = 0; i < homes.file_bytes; i++)
		model.file[i] = life_homes_file(&homes)[i];
	while (!what && n < CASE_LENGTH) {
		struct life_action a = life_draw(s, &homes.rules);

		a.may = ML_RIGHTS; /* as the kernel has it for these */
		if (!makes_sense(&a)) {
			left_out++;
			continue;
		}
		done[n++] = a;
		what = step(&a);
	}
	if (!what && !life_homes_agree(&homes, &model))
		what = homes.what;
	if (!what)
		what = life_linux_differs(&kernel, &model);
	for (unsigned i = n > 12 ? n - 12 : 0; what && i < n; i++)
		life_print(&done[i]);
	*count += n;
	life_linux_close(&kernel);
	free(model.file);
	life_model_close(&model);
	if (!life_homes_close(&homes) && !what)
		what = "something was not given back";
	return what;
}

TEST(programs_run_as_on_the_kernel_below_us)
{
	const uint64_t seed = t_seed(20261120), most = source_amount(OPERATIONS);
	uint64_t count = 0, cases = 0;

	while (count < most) {
		struct source s = source_seeded(seed + cases);
		const char *what = run_case(&s, &count);

		if (what)
			printf("# SEED=%llu: %s\n", (unsigned long long)(seed + cases), what);
		if (!t_ok(!what))
			return;
		cases++;
	}
	printf("# %llu operations, %llu programs, %llu left out\n", (unsigned long long)count,
	       (unsigned long long)cases, (unsigned long long)left_out);
}
