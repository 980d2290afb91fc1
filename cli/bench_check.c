/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/*
 * Whether the views lead where they should, before anything is measured: every page holds the
 * offset of the next one of its chain, so that a single wrong frame breaks the cycle.
 */
#include <string.h>
#include <time.h>

#include "bench.h"
#include "bench_chain.h"

#define PARTS 8
#define COPY_MOST ((uint64_t)1 << 20)
#ifndef BENCH_EMULATED_NS
#define BENCH_EMULATED_NS 500 /* a load on hardware takes less, whatever it misses */
#endif

/* The chain of pages once around, part by part; and a part of the chain of lines. */
static bool chains_hold(struct bench_views *views, unsigned name, const struct chain_map *map)
{
	uint64_t offset = chain_start(map, CHAIN_PAGES, 0, PARTS);
	unsigned part;
	bool hold = true;

	for (part = 1; part <= PARTS && hold; part++) {
		offset = views->port->chase(views, name, offset, map->pages / PARTS);
		hold = offset == chain_start(map, CHAIN_PAGES, part % PARTS, PARTS);
	}
	offset = chain_start(map, CHAIN_RANDOM, 0, PARTS);
	offset = views->port->chase(views, name, offset, map->pages * CHAIN_LINES / PARTS);
	return hold && offset == chain_start(map, CHAIN_RANDOM, 1, PARTS);
}

static bool copy_holds(struct bench_views *views, unsigned name, uint64_t bytes)
{
	uint64_t half = bytes / 2, length = half < COPY_MOST ? half : COPY_MOST;
	uint64_t from = half - length, to = bytes - length;
	bool differed = memcmp(views->memory + to, views->memory + from, length) != 0;

	views->port->copy(views, name, to, from, length);
	return differed && memcmp(views->memory + to, views->memory + from, length) == 0;
}

/* ns of a load, at best: whoever else has the CPU is no emulator. */
static double load_ns(struct bench_views *views, const struct chain_map *map)
{
	uint64_t steps = map->pages / PARTS;
	double best = 1e12;
	unsigned i;

	for (i = 0; i < 3; i++) {
		uint64_t start = cli_now_ns();
		double ns;

		views->port->chase(views, BENCH_LARGE, chain_start(map, CHAIN_PAGES, 0, PARTS),
				   steps);
		ns = (double)(cli_now_ns() - start) / (double)steps;
		best = ns < best ? ns : best;
	}
	return best;
}

static const char *emulated_by(struct bench_views *views, const struct chain_map *map)
{
	if (views->shadowed)
		return "the CPU walks tables that KVM derives from ours";
	return load_ns(views, map) > BENCH_EMULATED_NS ? "a load takes over 500 ns" : NULL;
}

int bench_check(struct bench_views *views, uint64_t bytes, const char **emulated)
{
	struct chain_map map;
	unsigned name;
	bool holds = true;

	if (!chain_map_init(&map, bytes))
		return cli_error("bench", "no memory");
	for (name = 0; name < BENCH_VIEWS && holds && !views->broken; name++) {
		chain_write(&map, views->memory);
		holds = chains_hold(views, name, &map) && copy_holds(views, name, bytes);
	}
	chain_write(&map, views->memory);
	*emulated = emulated_by(views, &map);
	chain_map_fini(&map);
	if (!holds && !views->broken)
		return cli_error("bench", "the view of %s leaves leads to wrong frames",
				 bench_view_names[name - 1]);
	return views->broken ? CLI_TROUBLE : CLI_FINE;
}
