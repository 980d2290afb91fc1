/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/*
 * The limit of single entries: what the architecture demands of a live table whose hardware marks
 * entries, and nothing else. Groups are those of arm64, 16 entries of 64K.
 */
#include "bench.h"
#include "entry.h"

#define MEMBERS 16u
#define GROUP ((uint64_t)1 << 52)
#define ACCESSED ((uint64_t)1 << 10)
#define READ_ONLY ((uint64_t)1 << 7)
#define WRITE ((uint64_t)1 << 51) /* DBM: with READ_ONLY clear, written */
#define SAVED_DIRTY ((uint64_t)1 << 55)
#define X86_WRITE ((uint64_t)1 << 1)
#define X86_DIRTY ((uint64_t)1 << 6)
#define MARKS (ACCESSED | READ_ONLY)

INLINE uint64_t exchange(uint64_t *entry, uint64_t value)
{
	return __atomic_exchange_n(entry, value, __ATOMIC_ACQ_REL);
}

void limit_flush(const struct limit_table *t, ml_va va, uint64_t len)
{
	const struct ml_invalidation what = {
		.va = va, .length = len, .stride_shift = 12, .level = 0, .leaves_only = true
	};

	t->platform->invalidate(t->cookie, NULL, &what);
	t->platform->complete(t->cookie, NULL);
}

/*
 * Break all members and forget them; returns the first with the marks of all. Hardware changes no
 * other bits; an empty member has none.
 */
INLINE uint64_t break_group(const struct limit_table *t, uint64_t *group, ml_va va)
{
	uint64_t any = 0, all = ~(uint64_t)0, first = 0;

	for (unsigned i = 0; i < MEMBERS; i++) {
		const uint64_t was = exchange(&group[i], 0);

		if (!(was & VALID))
			continue;
		first = (was & ~MARKS) - i * PAGE;
		any |= was;
		all &= was;
	}
	limit_flush(t, va, MEMBERS * PAGE);
	return first | (any & ACCESSED) | (all & READ_ONLY);
}

INLINE void make_group(uint64_t *group, uint64_t value)
{
	for (unsigned i = 0; i < MEMBERS; i++)
		store(&group[i], value + i * PAGE);
}

/* Set entry to value; the other members of its group are there, in sequence. */
NOINLINE void limit_complete_group(const struct limit_table *t, uint64_t *entry, uint64_t value,
				   ml_va va)
{
	const unsigned at = (unsigned)(va / PAGE) % MEMBERS;
	uint64_t *group = entry - at;
	uint64_t differ = 0;

	store(entry, value);
	for (unsigned i = 0; i < MEMBERS; i++)
		differ |= load(&group[i]) ^ (value - at * PAGE + i * PAGE);
	if (differ & ~MARKS)
		return;
	make_group(group, break_group(t, group, va - at * PAGE) | GROUP);
}

/* Empty entry, a member of a folded group, and set it again. */
NOINLINE void limit_refold_group(const struct limit_table *t, uint64_t *entry, uint64_t value,
				 ml_va va)
{
	const unsigned at = (unsigned)(va / PAGE) % MEMBERS;
	uint64_t *group = entry - at;
	const uint64_t first = break_group(t, group, va - at * PAGE) & ~GROUP;

	for (unsigned i = 0; i < MEMBERS; i++) {
		if (i != at)
			store(&group[i], first + i * PAGE);
	}
	limit_complete_group(t, entry, value, va);
}

/* Take writing away and keep the dirty mark, beside hardware that may set it. */
NOINLINE void limit_write_protect(uint64_t *entries, unsigned count)
{
	for (unsigned i = 0; i < count; i++) {
		uint64_t was = load(&entries[i]), to;

		do {
			to = (was & ~WRITE) | READ_ONLY | (was & READ_ONLY ? 0 : SAVED_DIRTY);
		} while (!__atomic_compare_exchange_n(&entries[i], &was, to, false,
						      __ATOMIC_ACQ_REL, __ATOMIC_RELAXED));
	}
}

/*
 * Copy a table of leaves to one that must be empty, and take writing from both. All are marked, so
 * hardware has nothing to add.
 */
NOINLINE bool limit_copy(uint64_t *to, uint64_t *from, bool arm64)
{
	uint64_t any = 0;

	for (unsigned i = 0; i < ENTRIES; i++)
		any |= load(&to[i]);
	for (unsigned i = 0; any == 0 && i < ENTRIES; i++) {
		const uint64_t was = load(&from[i]);
		uint64_t now;

		if (arm64)
			now = (was & ~WRITE) | READ_ONLY | (was & READ_ONLY ? 0 : SAVED_DIRTY);
		else
			now = (was & ~(X86_WRITE | X86_DIRTY)) | (was & X86_DIRTY) << 52;
		store(&from[i], now);
		store(&to[i], now);
	}
	return any == 0;
}

/* Move a table of leaves, or of links, which hardware does not mark, to one that must be empty. */
NOINLINE bool limit_move(uint64_t *to, uint64_t *from, bool links)
{
	uint64_t any = 0;

	for (unsigned i = 0; i < ENTRIES; i++)
		any |= load(&to[i]);
	for (unsigned i = 0; any == 0 && i < ENTRIES; i++) {
		uint64_t was = load(&from[i]);

		if (links)
			store(&from[i], 0);
		else
			was = exchange(&from[i], 0);
		store(&to[i], was);
	}
	return any == 0;
}

NOINLINE uint64_t limit_take_out(uint64_t *entries, unsigned count)
{
	uint64_t all = 0;

	for (unsigned i = 0; i < count; i++)
		all |= exchange(&entries[i], 0);
	return all;
}

NOINLINE bool limit_group_young(uint64_t *group)
{
	uint64_t any = 0;

	for (unsigned i = 0; i < MEMBERS; i++) {
		const uint64_t entry = load(&group[i]);

		any |= entry;
		if (entry & ACCESSED)
			(void)__atomic_fetch_and(&group[i], ~ACCESSED, __ATOMIC_ACQ_REL);
	}
	return (any & ACCESSED) != 0;
}

/* Dirty marks of 64 pages go into one word of the bitmap, and are gone from the entries. */
INLINE unsigned harvest_word(uint64_t *entries, uint64_t *bits, bool arm64)
{
	uint64_t word = 0;
	unsigned pages = 0;

	for (unsigned i = 0; i < 64; i++) {
		const uint64_t entry = load(&entries[i]);

		if (arm64 ? entry & READ_ONLY : !(entry & X86_DIRTY))
			continue;
		if (arm64)
			(void)__atomic_fetch_or(&entries[i], READ_ONLY, __ATOMIC_ACQ_REL);
		else
			(void)__atomic_fetch_and(&entries[i], ~X86_DIRTY, __ATOMIC_ACQ_REL);
		word |= (uint64_t)1 << i;
		pages++;
	}
	*bits |= word;
	return pages;
}

INLINE uint64_t harvest_table(uint64_t *entries, uint64_t *bits, bool arm64)
{
	uint64_t pages = 0;

	for (unsigned i = 0; i < ENTRIES; i += 64)
		pages += harvest_word(entries + i, bits + i / 64, arm64);
	return pages;
}

/* All of a table of 4K pages; returns how many were dirty. */
NOINLINE uint64_t limit_harvest_dirty(uint64_t *entries, uint64_t *bits, bool arm64)
{
	return arm64 ? harvest_table(entries, bits, true) : harvest_table(entries, bits, false);
}

void limit_mark_accessed(uint64_t *entry)
{
	store(entry, load(entry) | ACCESSED);
}

void limit_mark_dirty(uint64_t *entry, bool arm64)
{
	store(entry, arm64 ? load(entry) & ~READ_ONLY : load(entry) | X86_DIRTY);
}
