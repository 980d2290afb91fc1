/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/*
 * The chains of dependent loads. Every 64-byte line of the working set holds two links,
 * as offsets from the start of the memory, so that every view can follow them:
 *
 * - random: one cycle through every line. The pages come in random order, each load in
 *   another page than the one before; a page's lines come in an order of its own, one in each
 *   round over the pages (lat_mem_rd -t walks memory that way).
 * - pages: one cycle through one line of every page, in the same random order: few
 *   lines, as many pages as there are, so that translation is what is left to miss.
 */
#ifndef MAXLEAF_CLI_BENCH_CHAIN_H
#define MAXLEAF_CLI_BENCH_CHAIN_H

#include <stdbool.h>
#include <stdint.h>

enum { CHAIN_RANDOM, CHAIN_PAGES, CHAIN_COUNT };

#define CHAIN_PAGE_SHIFT 12
#define CHAIN_LINE_SHIFT 6
#define CHAIN_LINES (1u << (CHAIN_PAGE_SHIFT - CHAIN_LINE_SHIFT)) /* in a page */

struct chain_map {
	uint32_t *order; /* the pages in the order they are visited */
	uint64_t pages;
};

/* Draw an order of the pages of `bytes`; always the same one. False: no memory. */
bool chain_map_init(struct chain_map *map, uint64_t bytes);
void chain_map_fini(struct chain_map *map);

/* Write both chains into the memory. */
void chain_write(const struct chain_map *map, char *memory);

/* Where a cursor starts that is `part` of `parts` of the cycle ahead: for chain_follow(). */
uint64_t chain_start(const struct chain_map *map, unsigned chain, unsigned part, unsigned parts);

/* Follow `steps` links from an offset; the new offset. Multiples of 8 steps go fastest. */
uint64_t chain_follow(const char *memory, uint64_t offset, uint64_t steps);

#endif
