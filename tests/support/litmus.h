/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/*
 * A machine by hand for the adversarial TLB: two address spaces of toy's tables, of 4 entries each,
 * with pages of 4K, blocks of 16K and groups of two. Sequences of events run on it under the rules
 * of every architecture, each with the letter of what must be found ('-': nothing). Column by
 * column: arm64 BBM 0, 1, 2, x86-64 strict, as the library takes it, lenient, RISC-V, Power.
 *
 * Page 0 is writable, 1 is not, 2 and 3 are a group; 4 to 7 a block; 8 to 11 pages of one table; 12
 * is clean, 13 dirty, and 14 and 15 are nothing.
 */
#ifndef TESTS_LITMUS_H
#define TESTS_LITMUS_H

#include <stddef.h>

#include <maxleaf/hosted.h>

/* A line of a sequence names what it needs. */
#pragma GCC diagnostic ignored "-Wmissing-field-initializers"

#define PAGE 0x1000u
#define PAGES 16
#define RAM_PA 0x10000u
#define TABLE_BYTES 32

/* Tables; B is new, and garbage. */
#define ROOT(i) (RAM_PA + 8 * (i))
#define A(i) (RAM_PA + 0x20 + 8 * (i))
#define B(i) (RAM_PA + 0x40 + 8 * (i))
#define C(i) (RAM_PA + 0x60 + 8 * (i))
#define E(i) (RAM_PA + 0x80 + 8 * (i))
#define OTHER_ROOT(i) (RAM_PA + 0xa0 + 8 * (i))
#define OTHER(i) (RAM_PA + 0xc0 + 8 * (i))

/* Entries: see ports/hosted/model_toy.c. */
#define TABLE(entry) ((entry) | 1)
#define RW(pa) ((pa) | 0x6b)
#define RO(pa) ((pa) | 0x63)
#define CLEAN(pa) ((pa) | 0x2b)
#define UNUSED(pa) ((pa) | 0x4b)
#define NC(pa) ((pa) | 0x16b)
#define GROUP 4
#define USERS 0x10

enum deed {
	END,
	STORE,
	FILL,
	LINK,
	SWAP, /* an exchange */
	PUBLISH,
	FLUSH,     /* first page, pages: all levels, every agent that hears broadcasts */
	LAST,      /* the same, last level only */
	HINT,      /* page, level */
	STRIDE,    /* page, lg2 bytes */
	LOCAL,     /* page: this CPU alone */
	SOME,      /* page, agents */
	FOREIGN,   /* page: the other space's */
	EVERYONES, /* page: all spaces' */
	RAW,       /* page, lg2 bytes: one instruction by address */
	RAW_ALL,   /* an instruction for all of the space */
	COMPLETE,
	CPU,
	FREE,
	TOLD, /* page, frame */
	MARK, /* hardware writes by the entry stored last, before the next event */
	WANT, /* page, entry: the map says so afterwards */
	NEVER /* page: never faults */
};

struct line {
	enum deed deed;
	uint64_t a, b;
};

struct litmus {
	const char *name;
	const char *verdicts;
	struct line lines[24];
};

/* Four pages from this one on are mapped no more. */
#define NOTHING(page)                                                        \
	{ WANT, page, 0 }, { WANT, (page) + 1, 0 }, { WANT, (page) + 2, 0 }, \
	{                                                                    \
		WANT, (page) + 3, 0                                          \
	}

/* What was stored is seen, pages from this one on are invalidated, and everybody has done it. */
#define FLUSHED(page, pages)                 \
	{ PUBLISH }, { FLUSH, page, pages }, \
	{                                    \
		COMPLETE                     \
	}

/* The letter of the first thing found; marks: hardware sets accessed and dirty. */
char litmus_verdict(const struct litmus *litmus, enum ml_oracle_rules rules,
		    const enum ml_oracle_agent *agents, bool marks);

/* Each sequence under all rules. */
void litmus_judge(const struct litmus *list, size_t count, const enum ml_oracle_agent *agents,
		  bool marks);

#define COUNT(list) (sizeof(list) / sizeof((list)[0]))

/* Two CPUs and a lazy one. */
extern const enum ml_oracle_agent litmus_usual[];

#endif
