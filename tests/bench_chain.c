/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/*
 * The benchmark's chains: one cycle through everything they claim to visit, each load in
 * another page, and cursors that start far apart.
 */
#include <stdlib.h>
#include <string.h>

#include "../cli/bench_chain.c"
#include "t.h"

#define BYTES ((uint64_t)1 << 20)
#define PAGES (BYTES >> CHAIN_PAGE_SHIFT)

static char memory[BYTES] __attribute__((aligned(4096)));
static struct chain_map map;

static bool setup(void)
{
	memset(memory, 0xff, sizeof(memory));
	if (!t_ok(chain_map_init(&map, BYTES)))
		return false;
	chain_write(&map, memory);
	return true;
}

/* Follow the chain until it closes; the number of steps, 0 if it visits a line twice before. */
static uint64_t cycle(unsigned chain, uint64_t *pages_seen)
{
	static bool line_seen[BYTES >> CHAIN_LINE_SHIFT];
	uint64_t start = chain_start(&map, chain, 0, 1);
	uint64_t at = start, steps = 0;

	memset(line_seen, 0, sizeof(line_seen));
	*pages_seen = 0;
	do {
		uint64_t next = chain_follow(memory, at, 1);

		if (!t_ok(next < BYTES) || line_seen[at >> CHAIN_LINE_SHIFT])
			return 0;
		line_seen[at >> CHAIN_LINE_SHIFT] = true;
		t_ok(next >> CHAIN_PAGE_SHIFT != at >> CHAIN_PAGE_SHIFT);
		at = next;
		steps++;
	} while (at != start);
	for (uint64_t page = 0; page < PAGES; page++)
		*pages_seen += !!memchr(line_seen + page * CHAIN_LINES, true, CHAIN_LINES);
	return steps;
}

TEST(the_random_chain_visits_every_line_once)
{
	uint64_t pages;

	T_REQUIRE(setup());
	t_eq(cycle(CHAIN_RANDOM, &pages), BYTES >> CHAIN_LINE_SHIFT);
	t_eq(pages, PAGES);
	chain_map_fini(&map);
}

TEST(the_page_chain_visits_one_line_of_every_page)
{
	uint64_t pages;

	T_REQUIRE(setup());
	t_eq(cycle(CHAIN_PAGES, &pages), PAGES);
	t_eq(pages, PAGES);
	chain_map_fini(&map);
}

static void check_starts(unsigned chain, uint64_t steps)
{
	uint64_t first = chain_start(&map, chain, 0, 3);

	for (unsigned part = 1; part < 3; part++)
		t_eq(chain_follow(memory, first, steps * part / 3),
		     chain_start(&map, chain, part, 3));
}

TEST(cursors_start_thirds_of_the_cycle_apart)
{
	T_REQUIRE(setup());
	check_starts(CHAIN_RANDOM, BYTES >> CHAIN_LINE_SHIFT);
	check_starts(CHAIN_PAGES, PAGES);
	chain_map_fini(&map);
}

/* No page follows its neighbour more often than chance has it: nothing to prefetch. */
TEST(the_order_of_pages_is_shuffled)
{
	unsigned neighbours = 0;

	T_REQUIRE(setup());
	for (uint64_t i = 0; i + 1 < map.pages; i++)
		neighbours += map.order[i] + 1 == map.order[i + 1];
	t_ok(neighbours < 8);
	chain_map_fini(&map);
}
