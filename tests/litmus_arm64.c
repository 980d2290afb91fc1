/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* The adversarial TLB by hand, where arm64 has something that toy has not: nT, AF, nG. */
#include <string.h>

#include <maxleaf/hosted.h>

#include "t.h"

#define TABLE_BYTES 4096u
#define RAM_PA 0x40000000u
#define ROOT (RAM_PA + 8)       /* the entry of 2M..4M */
#define PAGE0 (RAM_PA + 0x1000) /* the first entry of the table of 0..2M */
#define NEW_TABLE (RAM_PA + 0x2000)
#define BLOCK_VA ((ml_va)2 << 20)
#define BLOCK 0x80200000u
#define FRAME 0x80000000u

/* Arm ARM D8.3: valid, AF, inner shareable, nG, UXN, PXN; Normal memory is number 0. */
#define ATTRIBUTES ((uint64_t)0x60000000000f00 | 1)
#define NOT_GLOBAL ((uint64_t)1 << 11)
#define NOT_TRANSLATED ((uint64_t)1 << 16)
#define ACCESS_FLAG ((uint64_t)1 << 10)

/* Another space's, in which nothing is mapped. */
#define OTHER_ROOT (RAM_PA + 0x3000)
#define OTHER_PAGE0 (RAM_PA + 0x4000)

static uint64_t ram[5 * TABLE_BYTES / 8];
static struct ml_oracle *oracle;
static ml_prot global_after; /* the promise of page 0, */
static ml_prot type_after;   /* and of its type */
static bool gone;            /* or that it is none */

static bool read_ram(void *cookie, ml_pa pa, uint64_t *memory)
{
	(void)cookie;
	if (pa - RAM_PA >= sizeof(ram))
		return false;
	*memory = ram[(pa - RAM_PA) / 8];
	return true;
}

static void promise(const void *map, ml_va va, struct ml_oracle_page *page)
{
	const ml_prot prot = ML_RW | ML_WB | ML_PROT_AD;

	(void)map;
	page->mapped = (va < 0x1000 && !gone) || (va >= BLOCK_VA && va < 2 * BLOCK_VA);
	page->pa = va < 0x1000 ? FRAME + va : BLOCK + (va - BLOCK_VA);
	page->prot = va < 0x1000 ? (prot & ~ML_TYPE_MASK) | global_after | type_after : prot;
	page->last = va | 0xfff;
}

static void start(enum ml_oracle_rules rules)
{
	static const enum ml_oracle_agent agents[] = { ML_ORACLE_CPU, ML_ORACLE_CPU,
						       ML_ORACLE_NOBODY };
	struct ml_model model = { .kind = ML_MODEL_ARM64_4K,
				  .levels = 2,
				  .root = RAM_PA,
				  .types = ML_MODEL_MAIR,
				  .read = read_ram };

	memset(ram, 0, sizeof(ram));
	ram[0] = PAGE0 | 3;
	ram[1] = BLOCK | ATTRIBUTES;
	ram[(OTHER_ROOT - RAM_PA) / 8] = OTHER_PAGE0 | 3;
	ram[(PAGE0 - RAM_PA) / 8] = FRAME | ATTRIBUTES | 2;
	for (unsigned i = 0; i < 512; i++)
		ram[(NEW_TABLE - RAM_PA) / 8 + i] = (BLOCK + i * 0x1000) | ATTRIBUTES | 2;
	global_after = 0;
	type_after = ML_WB;
	gone = false;
	oracle = ml_oracle_new(rules, agents);
	ml_oracle_enter(oracle, 0, &model, true);
	model.root = OTHER_ROOT;
	ml_oracle_enter(oracle, 1, &model, true);
	ml_oracle_begin(oracle, 0, 0, 0);
}

static void store(ml_pa entry, uint64_t value)
{
	struct ml_event event = { .kind = ML_EVENT_EXCHANGE, .address = entry, .value = value };

	event.old = ram[(entry - RAM_PA) / 8];
	ram[(entry - RAM_PA) / 8] = value;
	ml_oracle_event(oracle, &event);
	event.kind = ML_EVENT_PUBLISH;
	ml_oracle_event(oracle, &event);
}

static void flush(ml_va va, uint64_t length)
{
	struct ml_event event = {
		.kind = ML_EVENT_INVALIDATE,
		.what = { .va = va, .length = length, .stride_shift = 12, .level = 0xff },
	};

	ml_oracle_event(oracle, &event);
	event.kind = ML_EVENT_COMPLETE;
	ml_oracle_event(oracle, &event);
}

static char verdict(void)
{
	const char *fault;
	char letter;

	ml_oracle_end(oracle, promise, NULL, NULL);
	fault = ml_oracle_fault(oracle);
	letter = fault ? fault[1] : '-';
	ml_oracle_free(oracle);
	return letter;
}

/* Level 1: the block says nT before its size changes, and is invalidated in between. */
static char split_with(enum ml_oracle_rules rules, bool says, bool invalidates)
{
	start(rules);
	if (says)
		store(ROOT, BLOCK | ATTRIBUTES | NOT_TRANSLATED);
	if (invalidates)
		flush(BLOCK_VA, BLOCK_VA);
	store(ROOT, NEW_TABLE | 3);
	flush(BLOCK_VA, BLOCK_VA);
	return verdict();
}

TEST(a_block_says_that_it_is_not_translated)
{
	t_eq(split_with(ML_ORACLE_ARM64_BBM1, true, true), '-');
	t_eq(split_with(ML_ORACLE_ARM64_BBM1, true, false), 'b');
	t_eq(split_with(ML_ORACLE_ARM64_BBM1, false, true), 'b');
	t_eq(split_with(ML_ORACLE_ARM64_BBM0, true, true), 'b');
	t_eq(split_with(ML_ORACLE_ARM64_BBM2, false, false), '-');
}

/* The way back: the block that replaces a table says nT until the table is out of all caches. */
static char fold_with(enum ml_oracle_rules rules, bool says)
{
	start(rules);
	store(ROOT, 0);
	flush(BLOCK_VA, BLOCK_VA);
	store(ROOT, NEW_TABLE | 3);
	flush(BLOCK_VA, BLOCK_VA);
	store(ROOT, BLOCK | ATTRIBUTES | (says ? NOT_TRANSLATED : 0));
	flush(BLOCK_VA, BLOCK_VA);
	store(ROOT, BLOCK | ATTRIBUTES);
	flush(BLOCK_VA, BLOCK_VA);
	return verdict();
}

TEST(a_block_that_replaces_a_table)
{
	t_eq(fold_with(ML_ORACLE_ARM64_BBM1, true), '-');
	t_eq(fold_with(ML_ORACLE_ARM64_BBM1, false), 'b');
	t_eq(fold_with(ML_ORACLE_ARM64_BBM0, true), 'b');
	t_eq(fold_with(ML_ORACLE_ARM64_BBM2, false), '-');
}

/* An entry that says nT at the end is slow for ever, and may fault. */
TEST(not_translated_is_taken_back)
{
	start(ML_ORACLE_ARM64_BBM1);
	store(ROOT, BLOCK | ATTRIBUTES | NOT_TRANSLATED);
	flush(BLOCK_VA, BLOCK_VA);
	t_eq(verdict(), 'g');
}

TEST(what_was_never_accessed_is_not_held)
{
	const uint64_t page = FRAME | ATTRIBUTES | 2;

	start(ML_ORACLE_ARM64_BBM0);
	store(PAGE0, page & ~ACCESS_FLAG);
	flush(0, 0x1000);
	store(PAGE0, (FRAME + 0x1000) | ATTRIBUTES | 2); /* never held: no break is needed */
	store(PAGE0, page & ~ACCESS_FLAG);
	t_eq(verdict(), 'a'); /* but the other frame could be, for a moment */
	start(ML_ORACLE_ARM64_BBM0);
	store(PAGE0, page & ~ACCESS_FLAG);
	flush(0, 0x1000);
	store(PAGE0, page);
	t_eq(verdict(), '-');
}

TEST(global_and_not)
{
	const uint64_t page = FRAME | ATTRIBUTES | 2;

	start(ML_ORACLE_ARM64_BBM0); /* becomes global in place */
	global_after = ML_GLOBAL;
	store(PAGE0, page & ~NOT_GLOBAL);
	flush(0, 0x1000);
	t_eq(verdict(), 'b');
	start(ML_ORACLE_ARM64_BBM0); /* by break before make */
	global_after = ML_GLOBAL;
	store(PAGE0, 0);
	flush(0, 0x1000);
	store(PAGE0, page & ~NOT_GLOBAL);
	t_eq(verdict(), '-');
}

/* In place: no break, but an invalidation. */
TEST(global_no_more)
{
	const uint64_t page = FRAME | ATTRIBUTES | 2;

	for (unsigned flushes = 0; flushes < 2; flushes++) {
		start(ML_ORACLE_ARM64_BBM0);
		store(PAGE0, 0);
		flush(0, 0x1000);
		store(PAGE0, page & ~NOT_GLOBAL);
		global_after = ML_GLOBAL;
		t_ok(ml_oracle_end(oracle, promise, NULL, NULL));
		ml_oracle_begin(oracle, 0, 0, 0);
		store(PAGE0, page);
		global_after = 0;
		if (flushes)
			flush(0, 0x1000);
		t_eq(verdict(), flushes ? '-' : 'a');
	}
}

/* Arm ARM D8.16.1: tagged or not, it is write-back; no break is needed. */
TEST(tagged_memory_is_write_back)
{
	const uint64_t page = FRAME | ATTRIBUTES | 2;

	start(ML_ORACLE_ARM64_BBM0);
	type_after = ML_TAGGED;
	store(PAGE0, page | 1u << 2);
	flush(0, 0x1000);
	t_eq(verdict(), '-');
	start(ML_ORACLE_ARM64_BBM0);
	type_after = ML_NC;
	store(PAGE0, page | 2u << 2);
	flush(0, 0x1000);
	t_eq(verdict(), 'b');
}

static void begin_with_page_0(bool global)
{
	start(ML_ORACLE_ARM64_BBM0);
	store(PAGE0, 0);
	flush(0, 0x1000);
	store(PAGE0, (FRAME | ATTRIBUTES | 2) & ~(global ? NOT_GLOBAL : 0));
	global_after = global ? ML_GLOBAL : 0;
	t_ok(ml_oracle_end(oracle, promise, NULL, NULL));
	ml_oracle_begin(oracle, 0, 0, 0);
	gone = true;
	store(PAGE0, 0);
}

/* What is held for every space meets what another maps there. */
TEST(another_space_meets_what_was_global)
{
	for (unsigned global = 0; global < 2; global++) {
		const char *fault;

		begin_with_page_0(global);
		store(OTHER_PAGE0, (FRAME + 0x5000) | ATTRIBUTES | 2);
		fault = ml_oracle_fault(oracle);
		t_eq(fault ? fault[1] : '-', global ? 'b' : '-');
		ml_oracle_free(oracle);
	}
}

/* An invalidation for another space forgets it, if it was global. */
TEST(another_space_is_invalidated)
{
	const struct ml_oracle_invalidation other = {
		.what = { .length = 0x1000, .stride_shift = 12, .level = 0xff },
		.agents = ML_ORACLE_EVERYWHERE,
		.space = 1,
	};
	const struct ml_event complete = { .kind = ML_EVENT_COMPLETE };

	for (unsigned global = 0; global < 2; global++) {
		begin_with_page_0(global);
		ml_oracle_invalidate(oracle, &other);
		ml_oracle_event(oracle, &complete);
		t_eq(verdict(), global ? '-' : 'a');
	}
}
