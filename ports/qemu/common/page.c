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

static uint64_t taken; /* pages that were handed out at least once; the others are still mapped */
static ml_pa freed[PAGES];
static uint64_t freed_count;

static void map_again(ml_pa pa, uint64_t bytes)
{
	board_kernel_map(ISA_DIRECT + pa, bytes, pa, ML_RW);
}

static void *page_alloc(void *cookie, struct ml_op *op, size_t bytes, ml_pa *pa)
{
	(void)cookie;
	(void)op;
	if (bytes != PAGE || (board_fail_nth && !--board_fail_nth))
		return NULL;
	if (freed_count) {
		*pa = freed[--freed_count];
		map_again(*pa, PAGE);
	} else {
		*pa = FIRST_PAGE + taken * PAGE;
		if (*pa == BOARD_MEMORY_PA)
			return NULL;
		taken++;
	}
	board_pages_used++;
	return board_pointer(*pa);
}

static void page_free(void *cookie, struct ml_op *op, void *table, ml_pa pa, size_t bytes)
{
	(void)cookie;
	(void)op;
	if (bytes != PAGE || ml_unmap(&board_kernel, (uintptr_t)table, PAGE, NULL))
		board_die("page %lx, %lu bytes, cannot be unmapped", pa, (unsigned long)bytes);
	freed[freed_count++] = pa;
	if (!--board_pages_used) { /* all are back: large leaves once more */
		map_again(FIRST_PAGE, taken * PAGE);
		freed_count = taken = 0;
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
