/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/*
 * Programs for address spaces, as data: what several processes do with their memory. Addresses are
 * pages of a window, so that one program runs on a space, on the flat picture of it in
 * life_model.h, and on anything else that knows these calls.
 */
#ifndef TESTS_LIFE_H
#define TESTS_LIFE_H

#include <maxleaf/space.h>

#include "source.h"

#define LIFE_PROCESSES 6
#define LIFE_PAGES_MOST 2048

/* What a region shows. */
enum life_source {
	LIFE_ANONYMOUS,    /* zeroes of its own */
	LIFE_FILE_SHARED,  /* counted pages of one file, */
	LIFE_FILE_PRIVATE, /* and copies of them */
	LIFE_RAW_SHARED,   /* raw frames of one device, mapped at once, */
	LIFE_RAW_PRIVATE,  /* and copies of them */
	LIFE_SOURCES
};

enum life_kind {
	LIFE_MAP,
	LIFE_UNMAP,
	LIFE_PROTECT,
	LIFE_MOVE,
	LIFE_ADVISE,
	LIFE_LOAD,
	LIFE_STORE,
	LIFE_FORK, /* into a free process, if there is one */
	LIFE_EXIT,
	LIFE_REVOKE, /* the file, or the device, is taken out of every process */
	LIFE_REMAP,  /* frames of the device go back where they were revoked */
	LIFE_KINDS
};

struct life_action {
	uint8_t kind;
	uint8_t process; /* who */
	uint8_t source;  /* enum life_source */
	uint8_t advice;  /* enum ml_advice */
	uint8_t rights;  /* ML_RIGHTS */
	uint8_t may;
	uint8_t byte;   /* what is stored */
	uint8_t flags;  /* ML_MAP_REPLACE, ML_MOVE_*, or whether copies go too */
	uint32_t at;    /* the first page; load, store: and */
	uint32_t skew;  /* the byte in it */
	uint32_t pages; /* how many; move: of the old place */
	uint32_t new_pages;
	uint32_t to;      /* move: the new place */
	uint32_t offset;  /* pages of the file, or of the device */
	uint8_t fails;    /* this allocation fails, of frames and objects, */
	bool fails_table; /* or of tables; 0: none */
	uint32_t serial;  /* of the action: private raw regions never merge with others */
};

#define LIFE_ALL ((1u << LIFE_SOURCES) - 1)

/* What a program may do. */
struct life_rules {
	uint32_t pages;     /* of the window */
	unsigned processes; /* at most */
	unsigned sources;   /* bit n: enum life_source n */
	unsigned without;   /* bit n: no enum life_kind n */
};

struct life_action life_draw(struct source *s, const struct life_rules *rules);

void life_print(const struct life_action *a);

#endif
