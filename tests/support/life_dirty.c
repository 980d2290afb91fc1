/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* Pages of the file that wait for their owner to be told. */
#include <string.h>

#include "life_dirty.h"

static struct {
	struct life_homes *homes; /* NULL: nobody listens */
	bool written[LIFE_PROCESSES][LIFE_PAGES_MOST];
	unsigned waiting[LIFE_PROCESSES]; /* how many of them */
	unsigned heard[LIFE_PAGES_MOST];  /* since the last check */
	uint64_t sum;
} now;

static void hear(void *pool, ml_pa pa, uint64_t length)
{
	uint64_t at;

	(void)pool;
	for (at = 0; now.homes && at < length; at += LIFE_PAGE_BYTES)
		if (pa + at - now.homes->file_pa < now.homes->file_bytes) {
			now.heard[(pa + at - now.homes->file_pa) / LIFE_PAGE_BYTES]++;
			now.sum++;
		}
}

void life_dirty_wish(struct ml_space_config *config)
{
	static struct ml_frames frames;

	frames = home_frame_ops;
	frames.dirty = hear;
	config->frames = &frames;
}

void life_dirty_begin(struct life_homes *homes)
{
	memset(&now, 0, sizeof(now));
	now.homes = homes;
}

uint64_t life_dirty_heard(void)
{
	return now.sum;
}

static bool shares_file(const struct ml_region *region)
{
	return region && region->mapping == &now.homes->file && region->flags & ML_REGION_SHARED;
}

static void note_store(const struct life_action *a)
{
	const struct ml_space *s = &now.homes->homes[a->process].space;
	const ml_va va = s->first + (uint64_t)a->at * LIFE_PAGE_BYTES;
	const struct ml_region *region = ml_space_find(s, va);
	uint64_t page;

	if (!shares_file(region))
		return;
	page = (region->offset + (va - ml_region_va(region))) / LIFE_PAGE_BYTES;
	now.waiting[a->process] += !now.written[a->process][page];
	now.written[a->process][page] = true;
}

/* Whether a leaf of the process says that the page was written to. */
static bool is_marked(const struct ml_space *s, uint64_t page)
{
	const struct ml_region *region = now.homes->file.regions;

	for (; region; region = region->mapping_next) {
		const uint64_t skip = page * LIFE_PAGE_BYTES - region->offset;
		struct ml_translation leaf;

		if (region->space == s && shares_file(region) && skip < ml_region_length(region) &&
		    !ml_translate(&s->table, ml_region_va(region) + skip, &leaf) &&
		    ml_translation_prot(&s->table, &leaf) & ML_DIRTY)
			return true;
	}
	return false;
}

static bool is_accounted_for(unsigned process)
{
	const struct ml_space *s = &now.homes->homes[process].space;
	uint64_t page;

	for (page = 0; now.waiting[process] && page < LIFE_PAGES_MOST; page++) {
		if (!now.written[process][page] ||
		    (now.homes->alive[process] && is_marked(s, page)))
			continue;
		if (!now.heard[page])
			return false;
		now.heard[page]--;
		now.written[process][page] = false;
		now.waiting[process]--;
	}
	return true;
}

const char *life_dirty_check(const struct life_action *a, int found)
{
	const bool stores = a->kind == LIFE_STORE;
	unsigned process;

	if (!now.homes->wish.frames || a->kind == LIFE_LOAD)
		return NULL;
	if (stores && found == ML_FAULT_DONE)
		note_store(a);
	for (process = 0; !stores && process < LIFE_PROCESSES; process++)
		if (!is_accounted_for(process))
			return "what was written to is dropped unheard";
	memset(now.heard, 0, sizeof(now.heard));
	return NULL;
}
