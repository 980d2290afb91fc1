/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* Drawing and printing programs: ranges that meet each other's ends, and the ends of leaves. */
#include <stdio.h>

#include "life.h"

static const char *const kind_names[] = { "map",   "unmap", "protect", "move",   "advise", "load",
					  "store", "fork",  "exit",    "revoke", "remap" };
static const char *const source_names[] = { "anonymous", "file-shared", "file-private",
					    "raw-shared", "raw-private" };

/* Loads and stores are what most programs do; processes come and go now and then. */
static uint8_t draw_kind(struct source *s)
{
	static const uint8_t weights[LIFE_KINDS] = {
		[LIFE_MAP] = 16,   [LIFE_UNMAP] = 8,  [LIFE_PROTECT] = 12, [LIFE_MOVE] = 8,
		[LIFE_ADVISE] = 8, [LIFE_LOAD] = 24,  [LIFE_STORE] = 32,   [LIFE_FORK] = 3,
		[LIFE_EXIT] = 2,   [LIFE_REVOKE] = 2, [LIFE_REMAP] = 2,
	};
	unsigned sum = 0, kind, at;

	for (kind = 0; kind < LIFE_KINDS; kind++)
		sum += weights[kind];
	at = (unsigned)source_below(s, sum);
	for (kind = 0; at >= weights[kind]; kind++)
		at -= weights[kind];
	return (uint8_t)kind;
}

/* A boundary of something: a page, a group, a large leaf; and one page beside it. */
static uint32_t draw_page(struct source *s, uint32_t pages)
{
	static const uint8_t shifts[] = { 0, 0, 1, 2, 4, 9 };
	uint32_t page = (uint32_t)source_below(s, pages);

	page &= ~0u << shifts[source_below(s, sizeof(shifts))];
	if (source_chance(s, 1, 4) && page + 1 < pages)
		page++;
	return page;
}

static uint32_t draw_length(struct source *s, uint32_t most)
{
	const uint32_t end = draw_page(s, most) + 1;

	if (source_chance(s, 1, 3))
		return 1 + (uint32_t)source_below(s, most < 8 ? most : 8);
	return source_chance(s, 1, 2) && end > 1 ? end - 1 : end;
}

static uint8_t draw_rights(struct source *s)
{
	static const uint8_t rights[] = { ML_RW, ML_RW,    ML_RW, ML_READ, ML_READ | ML_EXEC,
					  0,     ML_RIGHTS };

	return rights[source_below(s, sizeof(rights))];
}

static uint8_t draw_source(struct source *s, unsigned sources)
{
	uint8_t source;

	do
		source = (uint8_t)source_below(s, LIFE_SOURCES);
	while (!(sources >> source & 1));
	return source;
}

struct life_action life_draw(struct source *s, const struct life_rules *rules)
{
	const uint32_t pages = rules->pages;
	struct life_action a = { .kind = draw_kind(s) };

	while (rules->without >> a.kind & 1)
		a.kind = draw_kind(s);
	a.process = (uint8_t)source_below(s, rules->processes);
	a.source = draw_source(s, rules->sources);
	a.advice = (uint8_t)source_below(s, ML_ADVISE_HUGE + 1);
	a.rights = draw_rights(s);
	a.may = a.rights | (source_chance(s, 7, 8) ? (uint8_t)ML_RIGHTS : 0);
	a.byte = (uint8_t)source_next(s);
	a.at = draw_page(s, pages);
	a.pages = draw_length(s, pages - a.at);
	a.skew = (uint32_t)source_below(s, 4096);
	a.new_pages = source_chance(s, 1, 2) ? a.pages : draw_length(s, pages - a.at);
	a.to = draw_page(s, pages - a.new_pages + 1);
	if (source_chance(s, 1, 4) && a.at + a.pages <= pages - a.new_pages)
		a.to = a.at + a.pages; /* right behind the old place */
	a.offset = a.at;               /* congruent, */
	if (source_chance(s, 1, 3))
		a.offset = draw_page(s, pages - a.pages + 1); /* or not */
	a.flags = (uint8_t)source_below(s, 4);
	return a;
}

void life_print(const struct life_action *a)
{
	printf("#   %u: %s %s at %u, %u pages, new %u to %u, offset %u, rights %x of %x, "
	       "advice %u, flags %u, byte %u at %u",
	       a->process, kind_names[a->kind], source_names[a->source], a->at, a->pages,
	       a->new_pages, a->to, a->offset, a->rights, a->may, a->advice, a->flags, a->byte,
	       a->skew);
	if (a->fails)
		printf(", %s %u fails", a->fails_table ? "table" : "allocation", a->fails);
	printf("\n");
}
