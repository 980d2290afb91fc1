/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/*
 * Pages for tables. A page that is free is not in the direct map: whoever still uses it faults at
 * once. So the direct map's large leaves are split when a page of them is given back, and fold
 * when the last of their pages is taken again.
 */
#include "board.h"

#define PAGE ((uint64_t)4096)
#define PAGES (ISA_RAM_BYTES / 2 / PAGE)

extern char image_start[], image_end[];
#define FIRST_PAGE ((uintptr_t)image_end - ISA_IMAGE)

uint64_t board_pages_used;
uint64_t board_fail_nth;

static ml_pa fresh; /* pages from here on were not handed out, and are still mapped; 0: all */
static uint32_t freed[PAGES];
static uint32_t freed_count;

static void check(int error, const char *what, ml_pa pa)
{
	if (error)
		board_die("page %lx: %s: %s", pa, what, ml_error_name(error));
}

static void map_again(ml_pa pa, uint64_t bytes)
{
	check(ml_map(&board_kernel, ISA_DIRECT + pa, bytes, pa, ML_RW | ML_GLOBAL, NULL), "map",
	      pa);
}

static ml_pa take_page(void)
{
	ml_pa pa;

	if (freed_count) {
		pa = ISA_RAM_PA + freed[--freed_count] * PAGE;
		map_again(pa, PAGE);
		return pa;
	}
	if (!fresh)
		fresh = FIRST_PAGE;
	pa = fresh;
	if (pa == BOARD_MEMORY_PA)
		return 0;
	fresh += PAGE;
	return pa;
}

static void *page_alloc(void *cookie, struct ml_op *op, size_t bytes, ml_pa *pa)
{
	(void)cookie;
	(void)op;
	if (bytes != PAGE || (board_fail_nth && !--board_fail_nth))
		return NULL;
	*pa = take_page();
	if (!*pa)
		return NULL;
	board_pages_used++;
	return board_pointer(*pa);
}

static void page_free(void *cookie, struct ml_op *op, void *table, ml_pa pa, size_t bytes)
{
	(void)cookie;
	(void)op;
	(void)table;
	if (bytes != PAGE)
		board_die("page %lx: %lu bytes are given back", pa, (unsigned long)bytes);
	check(ml_unmap(&board_kernel, ISA_DIRECT + pa, PAGE, NULL), "unmap", pa);
	freed[freed_count++] = (uint32_t)((pa - ISA_RAM_PA) / PAGE);
	if (!--board_pages_used) { /* all are back: large leaves once more */
		map_again(FIRST_PAGE, fresh - FIRST_PAGE);
		freed_count = 0;
		fresh = 0;
	}
}

/* The image counts: a walk of what a table borrowed goes through the kernel's, in its pool. */
static void *page_pointer(void *cookie, ml_pa pa, size_t bytes)
{
	(void)cookie;
	if (pa & (bytes - 1) || pa < (uintptr_t)image_start - ISA_IMAGE || pa >= BOARD_MEMORY_PA)
		return NULL;
	return board_pointer(pa);
}

const struct ml_platform board_platform = {
	.table_alloc = page_alloc,
	.table_free = page_free,
	.table_pointer = page_pointer,
	.invalidate = isa_invalidate,
	.complete = isa_complete,
};
