/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/*
 * A random program against a flat picture of it: for each page whether it is there, what may be
 * done to it, and the word that it holds. Every CPU takes part.
 */
#include "space.h"

#define PAGES 1536
#define STEPS 400
#define LOOKS 6 /* after each step */

static struct {
	struct machine machine;
	struct ml_space space;
	uint64_t state;
	struct {
		bool mapped;
		ml_prot rights;
		uint64_t word;
	} pages[PAGES];
} life;

static uint64_t below(uint64_t limit)
{
	return t_random(&life.state) % limit;
}

static void map(uint64_t first, uint64_t count, ml_prot rights)
{
	const struct ml_region_spec spec = { .prot = rights, .may = ML_RIGHTS };
	const ml_va va = space_va(&life.space, first * PAGE);

	t_eq(ml_space_map(&life.space, va, count * PAGE, &spec, ML_MAP_REPLACE, NULL), ML_OK);
	for (uint64_t page = first; page < first + count; page++) {
		life.pages[page].mapped = true;
		life.pages[page].rights = rights;
		life.pages[page].word = 0;
	}
}

static void unmap(uint64_t first, uint64_t count)
{
	t_eq(ml_space_unmap(&life.space, space_va(&life.space, first * PAGE), count * PAGE), ML_OK);
	for (uint64_t page = first; page < first + count; page++)
		life.pages[page].mapped = false;
}

/* Whether there is no hole. */
static bool covered(uint64_t first, uint64_t count)
{
	for (uint64_t page = first; page < first + count; page++)
		if (!life.pages[page].mapped)
			return false;
	return true;
}

static void protect(uint64_t first, uint64_t count, ml_prot rights)
{
	const bool there = covered(first, count);

	t_eq(ml_space_protect(&life.space, space_va(&life.space, first * PAGE), count * PAGE,
			      rights),
	     there ? ML_OK : ML_ERR_NOT_MAPPED);
	for (uint64_t page = first; there && page < first + count; page++)
		life.pages[page].rights = rights;
}

static void advise(uint64_t first, uint64_t count, enum ml_advice advice)
{
	const bool there = covered(first, count);

	t_eq(ml_space_advise(&life.space, space_va(&life.space, first * PAGE), count * PAGE,
			     advice),
	     there ? ML_OK : ML_ERR_NOT_MAPPED);
	for (uint64_t page = first; there && page < first + count; page++)
		if (advice == ML_ADVISE_DONTNEED)
			life.pages[page].word = 0;
}

static void step(void)
{
	static const uint64_t counts[] = { 1, 2, 16, 24, 256, 512, 1024 };
	static const ml_prot rights[] = { 0, ML_READ, ML_RW, ML_RW, ML_RW };
	const uint64_t count = counts[below(7)], first = below(PAGES - count + 1);

	switch (below(8)) {
	case 0:
	case 1:
		map(first, count, rights[below(5)]);
		break;
	case 2:
		unmap(first, count);
		break;
	case 3:
	case 4:
	case 5:
		protect(first, count, rights[below(5)]);
		break;
	case 6:
		advise(first, count, ML_ADVISE_DONTNEED);
		break;
	default:
		advise(first, count, ML_ADVISE_COLLAPSE);
	}
}

/* What the picture says of an access; the word of a page is at its end. */
static enum ml_fault_result expected(uint64_t page, enum machine_access access)
{
	const ml_prot rights = life.pages[page].rights;

	if (!life.pages[page].mapped)
		return ML_FAULT_NO_REGION;
	if (!rights || (access == MACHINE_STORE && !(rights & ML_WRITE)))
		return ML_FAULT_ACCESS;
	return ML_FAULT_DONE;
}

static void look(void)
{
	const uint64_t page = below(PAGES);
	const ml_va va = space_va(&life.space, page * PAGE + PAGE - 8);
	const enum machine_access access = below(2) ? MACHINE_STORE : MACHINE_LOAD;
	const unsigned cpu = (unsigned)below(life.machine.facts->cpus);
	const enum ml_fault_result result = expected(page, access);
	uint64_t value = t_random(&life.state);

	if (access == MACHINE_STORE && result == ML_FAULT_DONE)
		life.pages[page].word = value;
	t_eq(space_access(&life.machine, &life.space, cpu, access, va, &value), result);
	if (result == ML_FAULT_DONE && access == MACHINE_LOAD)
		t_eq(value, life.pages[page].word);
}

static void live(const struct machine_facts *facts, const struct ml_space_config *wish)
{
	const uint64_t steps = T_OPTION("ML_TEST_STEPS", STEPS);

	for (uint64_t page = 0; page < PAGES; page++)
		life.pages[page].mapped = false;
	T_REQUIRE(spaces_begin(&life.machine, facts) &&
		  space_open(&life.machine, &life.space, wish));
	space_use(&life.machine, &life.space);
	for (uint64_t i = 0; i < steps && !t_state.complaints; i++) {
		step();
		for (unsigned j = 0; j < LOOKS; j++)
			look();
		if (i % 16 == 0)
			t_eq(ml_space_check(&life.space, NULL), ML_OK);
	}
	space_close(&life.machine, &life.space);
	spaces_end(&life.machine);
}

TEST(random_programs_live_as_their_picture_says)
{
	static const struct ml_space_config wishes[] = {
		{ .fault_rungs = 0 },
		{ .fault_rungs = ~0u },
		{ .fault_rungs = ~0u, .table = { .guaranteed = true, .fold = ML_FOLD_BLOCK } },
	};
	const struct machine_facts *facts;

	life.state = t_seed(20261120);
	FOR_EACH_MACHINE(facts)
		for (unsigned i = 0; i < sizeof(wishes) / sizeof(wishes[0]); i++)
			live(facts, &wishes[i]);
}
