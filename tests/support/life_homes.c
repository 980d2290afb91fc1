/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* Living a program in address spaces of the library, and comparing them with the picture. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "life_homes.h"
#include "rig.h"

struct life_rules life_rules_of(enum world world)
{
	struct life_rules rules = { LIFE_PAGES_MOST, LIFE_PROCESSES, LIFE_ALL, 0 };

	if (world == WORLD_TOY) {
		rules.pages = 16;
		rules.processes = 2;
	}
	return rules;
}

static ml_va va_of(const struct home *home, uint32_t page)
{
	return home->space.first + (uint64_t)page * LIFE_PAGE_BYTES;
}

/* A page of the file: of any size that fits, because all of it lies together. */
static enum ml_fault_result file_fault(struct ml_fault_request *request)
{
	const struct life_homes *l = request->region->mapping->owner;
	const struct ml_space *s = request->space;

	request->pa = l->file_pa + request->offset;
	if (request->offset + request->length > l->file_bytes ||
	    request->pa & (request->length - 1))
		return ML_FAULT_FALLBACK;
	s->frames->get(s->frames_cookie, request->pa, request->length);
	return ML_FAULT_DONE;
}

static const struct ml_region_ops file_ops = { .fault = file_fault, .rungs = ~0u };
static const struct ml_region_ops device_ops = { .rungs = 0 };

static int open_home(struct life_homes *l, unsigned process)
{
	struct home *home = &l->homes[process];
	const int error = home_open(home, l->world, &l->wish);

	home->model.hardware_accessed = home->model.hardware_dirty = l->wish.table.hardware_ad;
	l->alive[process] = !error;
	return error;
}

uint8_t *life_homes_file(struct life_homes *l)
{
	return home_byte(&l->homes[0], l->file_pa);
}

uint8_t *life_homes_device(struct life_homes *l)
{
	return home_byte(&l->homes[0], l->homes[0].raw->first);
}

bool life_homes_open(struct life_homes *l, enum world world, const struct ml_space_config *wish,
		     struct source *s)
{
	uint64_t i;

	memset(l, 0, sizeof(*l));
	l->world = world;
	l->rules = life_rules_of(world);
	l->wish = *wish;
	l->file_bytes = (uint64_t)l->rules.pages * LIFE_PAGE_BYTES;
	l->file = (struct ml_mapping){ .ops = &file_ops, .owner = l };
	l->device = (struct ml_mapping){ .ops = &device_ops, .owner = l };
	if (open_home(l, 0) ||
	    !home_frame_ops.alloc(l->homes[0].pool, l->file_bytes, false, &l->file_pa))
		return false;
	for (i = 0; i < l->file_bytes; i += 8) {
		const uint64_t bytes[2] = { source_next(s), source_next(s) };

		memcpy(life_homes_file(l) + i, &bytes[0], 8);
		memcpy(life_homes_device(l) + i, &bytes[1], 8);
	}
	return true;
}

/* Frames come into a new region; an allocation that was to fail has done so at most once. */
static int fill(struct life_homes *l, struct home *home, ml_va va, uint64_t len, uint64_t offset)
{
	const ml_pa pa = home->raw->first + offset;
	const uint64_t before = life_homes_picture(l);
	int error = ml_remap_pfn_range(&home->space, va, len, pa, ML_WB);

	if (error != ML_ERR_NO_MEMORY)
		return error;
	if (life_homes_picture(l) != before)
		l->what = "a call that failed has changed something";
	return ml_remap_pfn_range(&home->space, va, len, pa, ML_WB);
}

static int do_map(struct life_homes *l, const struct life_action *a)
{
	static const char names[1 << 12];
	struct home *home = &l->homes[a->process];
	const uint64_t len = (uint64_t)a->pages * LIFE_PAGE_BYTES;
	const bool file = a->source == LIFE_FILE_SHARED || a->source == LIFE_FILE_PRIVATE;
	const bool raw = a->source == LIFE_RAW_SHARED || a->source == LIFE_RAW_PRIVATE;
	struct ml_region_spec spec = { .prot = a->rights | ML_WB, .may = a->may };
	int error;

	if (a->source == LIFE_FILE_SHARED || a->source == LIFE_RAW_SHARED)
		spec.flags = ML_REGION_SHARED;
	if (raw)
		spec.flags |= ML_REGION_RAW;
	if (file || raw) {
		spec.mapping = file ? &l->file : &l->device;
		spec.offset = (uint64_t)a->offset * LIFE_PAGE_BYTES;
	}
	if (a->source == LIFE_RAW_PRIVATE)
		spec.name = &names[a->serial % sizeof(names)];
	error = ml_space_map(&home->space, va_of(home, a->at), len, &spec,
			     a->flags & ML_MAP_REPLACE, NULL);
	return error || !raw ? error : fill(l, home, va_of(home, a->at), len, spec.offset);
}

static int do_move(struct life_homes *l, const struct life_action *a, uint32_t *to)
{
	struct home *home = &l->homes[a->process];
	ml_va va = va_of(home, a->to);
	const int error = ml_space_move(&home->space, va_of(home, a->at),
					(uint64_t)a->pages * LIFE_PAGE_BYTES,
					(uint64_t)a->new_pages * LIFE_PAGE_BYTES, a->flags, &va);

	*to = (uint32_t)((va - home->space.first) / LIFE_PAGE_BYTES);
	return error;
}

static int do_fork(struct life_homes *l, const struct life_action *a, uint32_t *to)
{
	unsigned child;
	int error;

	for (child = 0; child < l->rules.processes && l->alive[child]; child++)
		;
	*to = child;
	if (child == l->rules.processes)
		return ML_OK;
	error = open_home(l, child);
	if (error)
		return error;
	error = ml_space_fork(&l->homes[child].space, &l->homes[a->process].space);
	if (error) {
		l->alive[child] = false;
		if (l->homes[child].space.regions || !home_close(&l->homes[child]))
			return ML_ERR_BUG;
	}
	return error;
}

static int do_exit(struct life_homes *l, const struct life_action *a)
{
	l->alive[a->process] = false;
	return home_close(&l->homes[a->process]) ? ML_OK : ML_ERR_BUG;
}

static int do_remap(struct life_homes *l, const struct life_action *a)
{
	struct home *home = &l->homes[a->process];
	const ml_va va = va_of(home, a->at);
	const struct ml_region *region = ml_space_find(&home->space, va);
	uint64_t offset = 0;

	if (region)
		offset = region->offset + (va - ml_region_va(region));
	return ml_remap_pfn_range(&home->space, va, (uint64_t)a->pages * LIFE_PAGE_BYTES,
				  home->raw->first + offset, ML_WB);
}

static int do_revoke(struct life_homes *l, const struct life_action *a)
{
	struct ml_mapping *mapping = a->source == LIFE_RAW_SHARED || a->source == LIFE_RAW_PRIVATE
					     ? &l->device
					     : &l->file;

	return ml_unmap_mapping_range(mapping, (uint64_t)a->offset * LIFE_PAGE_BYTES,
				      (uint64_t)a->pages * LIFE_PAGE_BYTES, a->flags & 1);
}

static int do_access(struct home *home, const struct life_action *a, uint8_t *byte)
{
	const ml_va va = va_of(home, a->at) + a->skew;
	const bool done =
		a->kind == LIFE_LOAD ? home_load(home, va, byte) : home_store(home, va, a->byte);

	return (int)(done ? ML_FAULT_DONE : home->fault);
}

int life_homes_do(struct life_homes *l, const struct life_action *a, uint32_t *to, uint8_t *byte)
{
	struct home *home = &l->homes[a->process];
	const uint64_t len = (uint64_t)a->pages * LIFE_PAGE_BYTES;

	switch (a->kind) {
	case LIFE_MAP:
		return do_map(l, a);
	case LIFE_UNMAP:
		return ml_space_unmap(&home->space, va_of(home, a->at), len);
	case LIFE_PROTECT:
		return ml_space_protect(&home->space, va_of(home, a->at), len, a->rights);
	case LIFE_MOVE:
		return do_move(l, a, to);
	case LIFE_ADVISE:
		return ml_space_advise(&home->space, va_of(home, a->at), len, a->advice);
	case LIFE_FORK:
		return do_fork(l, a, to);
	case LIFE_EXIT:
		return do_exit(l, a);
	case LIFE_REVOKE:
		return do_revoke(l, a);
	case LIFE_REMAP:
		return do_remap(l, a);
	default:
		return do_access(home, a, byte);
	}
}

/* The longest runs of pages that go on are the regions. */
static bool regions_agree(const struct home *home, const struct life_model *m, unsigned process)
{
	const struct life_page *pages = m->processes[process].pages;
	const struct ml_region *region = ml_space_find_from(&home->space, 0);
	uint32_t at = 0, end;

	for (; at < m->pages; at = end) {
		end = at + 1;
		while (end < m->pages && life_goes_on(&pages[end - 1], &pages[end]))
			end++;
		if (!pages[at].mapped) {
			end = at + 1;
			continue;
		}
		if (!region || ml_region_va(region) != va_of(home, at) ||
		    ml_region_length(region) != (uint64_t)(end - at) * LIFE_PAGE_BYTES ||
		    (region->prot & ML_RIGHTS) != pages[at].rights)
			return false;
		region = ml_region_next(region);
	}
	return !region;
}

/* All bytes of one page, read as its process reads them. */
static bool page_agrees(struct home *home, const struct life_model *m, const struct life_page *page,
			uint32_t at)
{
	static const uint8_t zeroes[LIFE_PAGE_BYTES];
	const uint8_t *want = life_model_bytes(m, page);
	struct ml_translation leaf;
	uint8_t byte;

	if (!page->mapped || !page->rights)
		return !page->mapped || ml_translate(&home->space.table, va_of(home, at), &leaf) ||
		       !(ml_translation_prot(&home->space.table, &leaf) & ML_USER);
	if (!home_load(home, va_of(home, at), &byte))
		return !want && page->source != LIFE_ANONYMOUS && home->fault == ML_FAULT_BUS;
	return !ml_translate(&home->space.table, va_of(home, at), &leaf) &&
	       !memcmp(home_byte(home, leaf.pa), want ? want : zeroes, LIFE_PAGE_BYTES);
}

bool life_homes_agree(struct life_homes *l, struct life_model *m)
{
	unsigned process;
	uint32_t at;

	for (process = 0; process < l->rules.processes; process++) {
		if (!l->alive[process])
			continue;
		if (!regions_agree(&l->homes[process], m, process)) {
			l->what = "regions differ";
			return false;
		}
		for (at = 0; at < m->pages; at++)
			if (!page_agrees(&l->homes[process], m, &m->processes[process].pages[at],
					 at)) {
				printf("# page %u of process %u\n", at, process);
				l->what = "bytes differ";
				return false;
			}
	}
	return true;
}

/* ---- what leaves hold -------------------------------------------------------------- */

static const struct ml_cursor everything = { 0, ~(ml_va)0, false };

static void count_references(const struct home *home, uint32_t *counts)
{
	struct ml_cursor cursor = everything;
	struct ml_run run;
	uint64_t at;

	while (ml_run_next(&home->space.table, &cursor, &run))
		for (at = 0; at < run.length && !(run.prot & ML_SPECIAL); at += LIFE_PAGE_BYTES)
			counts[(run.pa + at - home->pool->pa) / LIFE_PAGE_BYTES]++;
}

/* Leaves hold one reference on each page, the file's owner holds one; the rest are objects. */
static bool references_right(const struct life_homes *l)
{
	const struct ml_frame_pool *pool = l->homes[0].pool;
	const ml_pa file_end = l->file_pa + l->file_bytes;
	uint32_t *counts = calloc(pool->pages, sizeof(*counts));
	uint64_t page, objects = 0;
	unsigned process;
	bool right = true;

	for (process = 0; process < l->rules.processes; process++)
		if (l->alive[process])
			count_references(&l->homes[process], counts);
	for (page = 0; page < pool->pages; page++) {
		const ml_pa pa = pool->pa + page * LIFE_PAGE_BYTES;
		const uint32_t found = ml_frame_references(pool, pa);

		counts[page] += pa >= l->file_pa && pa < file_end;
		objects += found && !counts[page];
		right &= found == counts[page] || (found == 1 && !counts[page]);
	}
	free(counts);
	return right && objects == pool->object_pages;
}

bool life_homes_sound(const struct life_homes *l)
{
	unsigned process;

	for (process = 0; process < l->rules.processes; process++)
		if (l->alive[process] && !home_is_sound(&l->homes[process]))
			return false;
	return references_right(l);
}

static void mix(uint64_t *picture, uint64_t word)
{
	*picture = (*picture ^ word) * 0x9e3779b97f4a7c15;
	*picture ^= *picture >> 29;
}

static void add_regions(const struct ml_space *s, uint64_t *picture)
{
	const struct ml_region *region = ml_space_find_from(s, 0);

	for (; region; region = ml_region_next(region)) {
		mix(picture, ml_region_va(region));
		mix(picture, ml_region_length(region));
		mix(picture, region->prot);
		mix(picture, region->may << 8 | region->flags << 1 | region->copied);
		mix(picture, region->offset);
		mix(picture, (uintptr_t)region->mapping);
		mix(picture, (uintptr_t)region->name);
	}
}

static void add_leaves(const struct ml_space *s, uint64_t *picture)
{
	struct ml_cursor cursor = everything;
	struct ml_run run;

	while (ml_run_next(&s->table, &cursor, &run)) {
		mix(picture, run.va);
		mix(picture, run.length);
		mix(picture, run.pa);
		mix(picture, run.prot);
		mix(picture, run.rung);
	}
}

uint64_t life_homes_picture(const struct life_homes *l)
{
	uint64_t picture = 0;
	unsigned process;

	for (process = 0; process < l->rules.processes; process++) {
		if (!l->alive[process])
			continue;
		mix(&picture, process);
		add_regions(&l->homes[process].space, &picture);
		add_leaves(&l->homes[process].space, &picture);
	}
	return picture;
}

bool life_homes_close(struct life_homes *l)
{
	bool good = true;
	unsigned process;

	home_frame_ops.put(l->homes[0].pool, l->file_pa, l->file_bytes);
	for (process = 0; process < l->rules.processes; process++)
		if (l->alive[process])
			good &= home_close(&l->homes[process]);
	return good && home_is_empty(l->world) && !l->file.regions && !l->device.regions;
}
