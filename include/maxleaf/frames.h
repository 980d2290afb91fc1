/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/*
 * A ready-made struct ml_frames: one block of physical memory, handed out in powers of two of the
 * base page, with a count of references for each page, fewer than 1 << 20, and one of pins, fewer
 * than 1 << 11. Freestanding. No lock: it belongs under that of the spaces it serves, or behind
 * callbacks of the embedder's that take one.
 */
#ifndef MAXLEAF_FRAMES_H
#define MAXLEAF_FRAMES_H

#include <maxleaf/space.h>

#ifdef __cplusplus
extern "C" {
#endif

#define ML_FRAME_ORDERS 20 /* blocks of up to 1 << 19 base pages */

/* A free block, in its own first bytes. */
struct ml_free_frames {
	struct ml_free_frames *next, **link;
};

/* The fields are the library's; the numbers of pages and objects may be read. */
struct ml_frame_pool {
	char *memory;
	ml_pa pa;
	uint64_t pages;
	uint64_t free_pages;
	uint64_t pins; /* of all pages */
	uint32_t *counts;
	unsigned page_shift;
	struct ml_free_frames *free[ML_FRAME_ORDERS];
	void *objects;         /* free region objects, */
	uint64_t object_pages; /* and pages that they were cut from, which stay */
	uint64_t objects_used;
};

/* All callbacks; the frames_cookie of the space is the struct ml_frame_pool. */
extern ML_API const struct ml_frames ml_frame_pool_frames;

/*
 * Borrow [memory, memory + bytes), which is physical memory from pa on, in pages of 1 <<
 * page_shift, and counts, an array of a uint32_t for each page. All of it is free then. Blocks are
 * aligned by their physical address. Errors: ML_ERR_ALIGN (memory to 16, pa or bytes to a page),
 * ML_ERR_EMPTY, ML_ERR_WRAP.
 */
ML_API ML_MUST_CHECK int ml_frame_pool_init(struct ml_frame_pool *pool, void *memory, ml_pa pa,
					    uint64_t bytes, unsigned page_shift, uint32_t *counts);

/* How many references, pins among them, the page at pa (any byte) has; 0: it is free. */
ML_API uint32_t ml_frame_references(const struct ml_frame_pool *pool, ml_pa pa);

/* How many of them are pins. */
ML_API uint32_t ml_frame_pins(const struct ml_frame_pool *pool, ml_pa pa);

/* Where the byte at pa is, for whoever runs beside the pool's memory; NULL: not of the pool. */
ML_API void *ml_frame_pointer(const struct ml_frame_pool *pool, ml_pa pa);

#ifdef __cplusplus
}
#endif
#endif
