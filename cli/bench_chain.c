/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/*
 * Writing and following the chains. Depends on nothing but memory, so that a test can
 * count the links.
 */
#include <stdlib.h>

#include "bench_chain.h"

/* splitmix64's finaliser: from a number to one that looks random. */
static uint64_t mix(uint64_t value)
{
	value = (value ^ (value >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	value = (value ^ (value >> 27)) * UINT64_C(0x94d049bb133111eb);
	return value ^ (value >> 31);
}

bool chain_map_init(struct chain_map *map, uint64_t bytes)
{
	uint64_t state = 1;
	uint64_t i;

	map->pages = bytes >> CHAIN_PAGE_SHIFT;
	map->order = malloc(map->pages * sizeof(*map->order));
	if (!map->order)
		return false;
	for (i = 0; i < map->pages; i++)
		map->order[i] = (uint32_t)i;
	for (i = map->pages - 1; i > 0; i--) {
		uint64_t other = mix(state += UINT64_C(0x9e3779b97f4a7c15)) % (i + 1);
		uint32_t page = map->order[i];

		map->order[i] = map->order[other];
		map->order[other] = page;
	}
	return true;
}

void chain_map_fini(struct chain_map *map)
{
	free(map->order);
	map->order = NULL;
}

/* The offset of a page's link in a round. An odd stride visits every line of the page. */
static uint64_t random_link(uint64_t page, unsigned round)
{
	uint64_t drawn = mix(page + 1);
	uint64_t line = (drawn + round * (drawn >> 32 | 1)) % CHAIN_LINES;

	return page << CHAIN_PAGE_SHIFT | line << CHAIN_LINE_SHIFT;
}

static uint64_t pages_link(uint64_t page)
{
	return (page << CHAIN_PAGE_SHIFT | mix(~page) % CHAIN_LINES << CHAIN_LINE_SHIFT) +
	       sizeof(uint64_t);
}

void chain_write(const struct chain_map *map, char *memory)
{
	uint64_t i;
	unsigned round;

	for (i = 0; i < map->pages; i++) {
		bool last = i + 1 == map->pages;
		uint64_t page = map->order[i];
		uint64_t next = map->order[last ? 0 : i + 1];

		for (round = 0; round < CHAIN_LINES; round++) {
			uint64_t *link = (void *)(memory + random_link(page, round));

			*link = random_link(next, (round + last) % CHAIN_LINES);
		}
		*(uint64_t *)(void *)(memory + pages_link(page)) = pages_link(next);
	}
}

uint64_t chain_start(const struct chain_map *map, unsigned chain, unsigned part, unsigned parts)
{
	uint64_t steps = map->pages * (chain == CHAIN_RANDOM ? CHAIN_LINES : 1) * part / parts;
	uint64_t page = map->order[steps % map->pages];

	if (chain == CHAIN_PAGES)
		return pages_link(page);
	return random_link(page, (unsigned)(steps / map->pages));
}

uint64_t chain_follow(const char *memory, uint64_t offset, uint64_t steps)
{
#define FOLLOW() (offset = *(const uint64_t *)(const void *)(memory + offset))
	for (; steps >= 8; steps -= 8) {
		FOLLOW();
		FOLLOW();
		FOLLOW();
		FOLLOW();
		FOLLOW();
		FOLLOW();
		FOLLOW();
		FOLLOW();
	}
	for (; steps; steps--)
		FOLLOW();
#undef FOLLOW
	return offset;
}
