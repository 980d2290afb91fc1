/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/*
 * What the processes of a life.h program must see: a flat list of pages for each, with attributes
 * and bytes, and the bytes of the file and the device. It knows no regions: those are the longest
 * runs of pages that go on.
 */
#ifndef TESTS_LIFE_MODEL_H
#define TESTS_LIFE_MODEL_H

#include "life.h"

#define LIFE_PAGE_BYTES 4096

struct life_page {
	bool mapped;
	uint8_t source, rights, may;
	bool no_huge;
	bool filled;     /* raw: the frame is mapped there */
	uint32_t serial; /* raw and private: of the call that mapped it */
	uint32_t offset; /* in the file or the device */
	uint8_t *own;    /* private bytes; NULL: none yet */
};

struct life_process {
	bool alive;
	struct life_page pages[LIFE_PAGES_MOST];
};

struct life_model {
	uint32_t pages; /* of the window */
	unsigned most;  /* processes */
	struct life_process processes[LIFE_PROCESSES];
	uint8_t *file, *device; /* pages * LIFE_PAGE_BYTES each; borrowed */
};

/* One process is alive. */
void life_model_open(struct life_model *m, const struct life_rules *rules, uint8_t *file,
		     uint8_t *device);
void life_model_close(struct life_model *m);

/*
 * What the call must return, an error of maxleaf; and do it. A load or a store must give one of
 * enum ml_fault_result; *byte is what is loaded. *to: where a move went that was free to choose; a
 * fork's new process.
 */
int life_model_do(struct life_model *m, const struct life_action *a, uint32_t *to, uint8_t *byte);

/* Whether all of [at, at + pages) is free in that process. */
bool life_model_free(const struct life_model *m, unsigned process, uint32_t at, uint32_t pages);

/* Whether `next`, the page behind, belongs to the region of `page`. */
bool life_goes_on(const struct life_page *page, const struct life_page *next);

/* The bytes that a page shows, or NULL: an access gets no further, or zeroes are shown. */
const uint8_t *life_model_bytes(const struct life_model *m, const struct life_page *page);

#endif
