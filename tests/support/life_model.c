/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* The flat picture: every call page by page. */
#include <stdlib.h>
#include <string.h>

#include "life_model.h"

static bool is_raw(const struct life_page *page)
{
	return page->source == LIFE_RAW_SHARED || page->source == LIFE_RAW_PRIVATE;
}

static bool is_private(const struct life_page *page)
{
	return page->source != LIFE_FILE_SHARED && page->source != LIFE_RAW_SHARED;
}

static struct life_page *pages_of(struct life_model *m, const struct life_action *a)
{
	return m->processes[a->process].pages + a->at;
}

static void forget_bytes(struct life_page *page)
{
	free(page->own);
	page->own = NULL;
}

static void clear_page(struct life_page *page)
{
	forget_bytes(page);
	memset(page, 0, sizeof(*page));
}

static uint8_t *shown(const struct life_model *m, const struct life_page *page)
{
	uint8_t *memory = is_raw(page) ? m->device : m->file;

	return memory + (size_t)page->offset * LIFE_PAGE_BYTES;
}

/* Nothing is behind it: a frame that was taken out, or the file has ended before. */
static bool is_void(const struct life_model *m, const struct life_page *page)
{
	if (page->own || page->source == LIFE_ANONYMOUS)
		return false;
	return is_raw(page) ? !page->filled : page->offset >= m->pages;
}

const uint8_t *life_model_bytes(const struct life_model *m, const struct life_page *page)
{
	if (page->own)
		return page->own;
	return page->source == LIFE_ANONYMOUS || is_void(m, page) ? NULL : shown(m, page);
}

void life_model_open(struct life_model *m, const struct life_rules *rules, uint8_t *file,
		     uint8_t *device)
{
	memset(m, 0, sizeof(*m));
	m->pages = rules->pages;
	m->most = rules->processes;
	m->file = file;
	m->device = device;
	m->processes[0].alive = true;
}

static void end(struct life_model *m, unsigned process)
{
	uint32_t i;

	for (i = 0; i < m->pages; i++)
		clear_page(&m->processes[process].pages[i]);
	m->processes[process].alive = false;
}

void life_model_close(struct life_model *m)
{
	unsigned i;

	for (i = 0; i < LIFE_PROCESSES; i++)
		end(m, i);
}

bool life_model_free(const struct life_model *m, unsigned process, uint32_t at, uint32_t pages)
{
	uint32_t i;

	if (at > m->pages || pages > m->pages - at)
		return false;
	for (i = at; i < at + pages; i++)
		if (m->processes[process].pages[i].mapped)
			return false;
	return true;
}

bool life_goes_on(const struct life_page *page, const struct life_page *next)
{
	return page->mapped == next->mapped && page->source == next->source &&
	       page->rights == next->rights && page->may == next->may &&
	       page->no_huge == next->no_huge && page->serial == next->serial &&
	       (page->source == LIFE_ANONYMOUS || page->offset + 1 == next->offset);
}

static bool one_region(const struct life_page *pages, uint32_t count)
{
	uint32_t i;

	for (i = 1; i < count; i++)
		if (!life_goes_on(&pages[i - 1], &pages[i]))
			return false;
	return pages->mapped;
}

static bool all_mapped(const struct life_page *pages, uint32_t count)
{
	while (count && pages->mapped) {
		pages++;
		count--;
	}
	return !count;
}

static int do_map(struct life_model *m, const struct life_action *a)
{
	struct life_page *page = pages_of(m, a);
	uint32_t i;

	if (!(a->flags & ML_MAP_REPLACE) && !life_model_free(m, a->process, a->at, a->pages))
		return ML_ERR_EXISTS;
	for (i = 0; i < a->pages; i++, page++) {
		clear_page(page);
		page->mapped = page->filled = true;
		page->source = a->source;
		page->rights = a->rights;
		page->may = a->may;
		page->serial = a->source == LIFE_RAW_PRIVATE ? a->serial : 0;
		page->offset = a->source == LIFE_ANONYMOUS ? 0 : a->offset + i;
	}
	return ML_OK;
}

static int do_unmap(struct life_model *m, const struct life_action *a)
{
	struct life_page *page = pages_of(m, a);
	uint32_t i;

	for (i = 0; i < a->pages; i++)
		clear_page(page + i);
	return ML_OK;
}

static int do_protect(struct life_model *m, const struct life_action *a)
{
	struct life_page *page = pages_of(m, a);
	uint32_t i;

	if (!all_mapped(page, a->pages))
		return ML_ERR_NOT_MAPPED;
	for (i = 0; i < a->pages; i++)
		if (a->rights & ~page[i].may)
			return ML_ERR_ACCESS;
	for (i = 0; i < a->pages; i++)
		page[i].rights = a->rights;
	return ML_OK;
}

/* The region grows by pages like its last one, which show what follows. */
static void grow(struct life_page *from, struct life_page *to, uint32_t count)
{
	struct life_page last = *from;

	last.own = NULL;
	while (count--) {
		last.offset += last.source != LIFE_ANONYMOUS;
		*to++ = last;
	}
}

static bool has_hole(const struct life_model *m, unsigned process, uint32_t pages)
{
	uint32_t at;

	for (at = 0; at + pages <= m->pages; at++)
		if (life_model_free(m, process, at, pages))
			return true;
	return false;
}

static void relocate(struct life_model *m, const struct life_action *a, uint32_t to)
{
	struct life_page *from = pages_of(m, a), *place = m->processes[a->process].pages + to;
	const uint32_t along = a->pages < a->new_pages ? a->pages : a->new_pages;
	uint32_t i;

	for (i = 0; i < a->new_pages; i++)
		clear_page(place + i);
	for (i = 0; i < along; i++) {
		place[i] = from[i];
		from[i].own = NULL;
	}
	grow(place + along - 1, place + along, a->new_pages - along);
	for (i = 0; i < a->pages; i++)
		clear_page(from + i);
}

static int do_move(struct life_model *m, const struct life_action *a, uint32_t *to)
{
	struct life_page *page = pages_of(m, a);
	const bool fixed = a->flags & ML_MOVE_FIXED;

	if (a->flags == ML_MOVE_FIXED)
		return ML_ERR_ARGUMENT;
	if (!one_region(page, a->pages))
		return ML_ERR_NOT_MAPPED;
	if (a->new_pages > a->pages && is_raw(page))
		return ML_ERR_REFUSED;
	if (fixed && a->to < a->at + a->pages && a->at < a->to + a->new_pages)
		return ML_ERR_ARGUMENT;
	if (fixed) {
		relocate(m, a, a->to);
		return ML_OK;
	}
	if (a->new_pages <= a->pages) {
		struct life_action rest = *a;

		rest.at += a->new_pages;
		rest.pages -= a->new_pages;
		*to = a->at;
		return do_unmap(m, &rest);
	}
	if (life_model_free(m, a->process, a->at + a->pages, a->new_pages - a->pages)) {
		grow(page + a->pages - 1, page + a->pages, a->new_pages - a->pages);
		*to = a->at;
		return ML_OK;
	}
	if (!(a->flags & ML_MOVE_MAY) || !has_hole(m, a->process, a->new_pages))
		return ML_ERR_NO_SPACE;
	if (!life_model_free(m, a->process, *to, a->new_pages))
		return ML_ERR_BUG; /* it went where something is */
	relocate(m, a, *to);
	return ML_OK;
}

/* What comes back is zeroes, or the file; raw frames do not come back. */
static int do_advise(struct life_model *m, const struct life_action *a)
{
	struct life_page *page = pages_of(m, a);
	uint32_t i;

	if (!all_mapped(page, a->pages))
		return ML_ERR_NOT_MAPPED;
	for (i = 0; i < a->pages; i++)
		if (a->advice == ML_ADVISE_DONTNEED && is_raw(&page[i]))
			return ML_ERR_REFUSED;
	for (i = 0; i < a->pages; i++) {
		if (a->advice == ML_ADVISE_DONTNEED)
			forget_bytes(&page[i]);
		if (a->advice == ML_ADVISE_NO_HUGE || a->advice == ML_ADVISE_HUGE)
			page[i].no_huge = a->advice == ML_ADVISE_NO_HUGE;
	}
	for (i = 0; i < a->pages; i++) {
		const uint8_t needs = a->advice == ML_ADVISE_POPULATE         ? ML_RIGHTS
				      : a->advice == ML_ADVISE_POPULATE_WRITE ? ML_WRITE
									      : 0;

		if (needs && !(page[i].rights & needs))
			return ML_ERR_ACCESS;
		if (needs && is_void(m, &page[i]))
			return ML_ERR_FAULT;
		if (a->advice == ML_ADVISE_POPULATE_WRITE && is_private(&page[i]) && !page[i].own) {
			const uint8_t *bytes = life_model_bytes(m, &page[i]);

			page[i].own = calloc(1, LIFE_PAGE_BYTES);
			if (bytes)
				memcpy(page[i].own, bytes, LIFE_PAGE_BYTES);
		}
	}
	return ML_OK;
}

static int check_access(const struct life_model *m, const struct life_page *page, uint8_t right)
{
	if (!page->mapped)
		return ML_FAULT_NO_REGION;
	if (!(page->rights & right))
		return ML_FAULT_ACCESS;
	return is_void(m, page) ? ML_FAULT_BUS : ML_FAULT_DONE;
}

static int do_load(struct life_model *m, const struct life_action *a, uint8_t *byte)
{
	const struct life_page *page = pages_of(m, a);
	const int result = check_access(m, page, ML_RIGHTS);
	const uint8_t *bytes = result == ML_FAULT_DONE ? life_model_bytes(m, page) : NULL;

	*byte = bytes ? bytes[a->skew] : 0;
	return result;
}

static int do_store(struct life_model *m, const struct life_action *a)
{
	struct life_page *page = pages_of(m, a);
	const int result = check_access(m, page, ML_WRITE);
	const uint8_t *bytes;

	if (result != ML_FAULT_DONE)
		return result;
	if (!is_private(page)) {
		shown(m, page)[a->skew] = a->byte;
		return result;
	}
	if (!page->own) {
		bytes = life_model_bytes(m, page);
		page->own = calloc(1, LIFE_PAGE_BYTES);
		if (bytes)
			memcpy(page->own, bytes, LIFE_PAGE_BYTES);
	}
	page->own[a->skew] = a->byte;
	return result;
}

static int do_fork(struct life_model *m, const struct life_action *a, uint32_t *to)
{
	const struct life_process *parent = &m->processes[a->process];
	unsigned child;
	uint32_t i;

	for (child = 0; child < m->most && m->processes[child].alive; child++)
		;
	*to = child;
	if (child == m->most)
		return ML_OK;
	m->processes[child] = *parent;
	for (i = 0; i < m->pages; i++) {
		struct life_page *page = &m->processes[child].pages[i];

		if (!page->own)
			continue;
		page->own = malloc(LIFE_PAGE_BYTES);
		memcpy(page->own, parent->pages[i].own, LIFE_PAGE_BYTES);
	}
	return ML_OK;
}

/* [offset, offset + pages) of the file or the device, wherever it is mapped. */
static int do_revoke(struct life_model *m, const struct life_action *a)
{
	const bool raw = a->source == LIFE_RAW_SHARED || a->source == LIFE_RAW_PRIVATE;
	unsigned process;
	uint32_t i;

	for (process = 0; process < LIFE_PROCESSES; process++)
		for (i = 0; i < m->pages; i++) {
			struct life_page *page = &m->processes[process].pages[i];

			if (!page->mapped || page->source == LIFE_ANONYMOUS ||
			    is_raw(page) != raw || page->offset < a->offset ||
			    page->offset - a->offset >= a->pages)
				continue;
			if (raw && (a->flags & 1 || !page->own))
				page->filled = false;
			if (a->flags & 1)
				forget_bytes(page);
		}
	return ML_OK;
}

/* Frames of the device that were revoked come back, where nothing stands. */
static int do_remap(struct life_model *m, const struct life_action *a)
{
	struct life_page *page = pages_of(m, a);
	struct life_page *all = m->processes[a->process].pages;
	uint32_t i;

	if (!one_region(page, a->pages))
		return ML_ERR_NOT_MAPPED;
	if (!is_raw(page))
		return ML_ERR_ARGUMENT;
	if (page->source == LIFE_RAW_PRIVATE && page->may & ML_WRITE &&
	    ((a->at && life_goes_on(page - 1, page)) ||
	     (a->at + a->pages < m->pages &&
	      life_goes_on(&all[a->at + a->pages - 1], &all[a->at + a->pages]))))
		return ML_ERR_ARGUMENT;
	for (i = 0; i < a->pages; i++)
		if (page[i].filled || page[i].own)
			return ML_ERR_EXISTS;
	for (i = 0; i < a->pages; i++)
		page[i].filled = true;
	return ML_OK;
}

int life_model_do(struct life_model *m, const struct life_action *a, uint32_t *to, uint8_t *byte)
{
	switch (a->kind) {
	case LIFE_MAP:
		return do_map(m, a);
	case LIFE_UNMAP:
		return do_unmap(m, a);
	case LIFE_PROTECT:
		return do_protect(m, a);
	case LIFE_MOVE:
		return do_move(m, a, to);
	case LIFE_ADVISE:
		return do_advise(m, a);
	case LIFE_LOAD:
		return do_load(m, a, byte);
	case LIFE_STORE:
		return do_store(m, a);
	case LIFE_FORK:
		return do_fork(m, a, to);
	case LIFE_EXIT:
		end(m, a->process);
		return ML_OK;
	case LIFE_REVOKE:
		return do_revoke(m, a);
	default:
		return do_remap(m, a);
	}
}
