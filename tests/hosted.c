/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* The hosted port itself, and the harness: what judges others must be seen to judge. */
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <maxleaf/hosted.h>
#include <maxleaf/port.h>

#include "t.h"

#define ARENA_BYTES 0x40000u

static struct ml_arena arena_of(void)
{
	struct ml_arena arena;

	t_eq(ml_arena_init(&arena, ML_ARENA_PA, ARENA_BYTES), ML_OK);
	return arena;
}

static void *take(struct ml_arena *arena, size_t bytes, ml_pa *pa)
{
	return arena->platform.table_alloc(arena, NULL, bytes, pa);
}

static void give(struct ml_arena *arena, void *table, ml_pa pa, size_t bytes)
{
	arena->platform.table_free(arena, NULL, table, pa, bytes);
}

/* ---- the harness ----------------------------------------------------------------- */

/* Run checks that fail, where there is no room to print that, and take their complaints back. */
TEST(checks_can_fail)
{
	uint64_t complaints;

	t_state.complaints = T_COMPLAINTS_MOST;
	t_ok(false);
	t_eq(1, 2);
	t_str("a", "b");
	t_str("a", NULL);
	t_str("a", "ab");
	complaints = t_state.complaints;
	t_state.complaints = 0;
	t_eq(complaints, T_COMPLAINTS_MOST + 5);
	t_ok(t_ok(true) && t_eq(2, 2) && t_str("ab", "ab"));
}

TEST(random_numbers_repeat)
{
	uint64_t one = 1, same = 1, other = 2;

	for (unsigned i = 0; i < 100; i++) {
		uint64_t number = t_random(&one);

		t_eq(number, t_random(&same));
		t_ok(number != t_random(&other));
	}
}

/* ---- the arena ------------------------------------------------------------------- */

TEST(arena_places_are_checked)
{
	struct ml_arena arena;

	t_eq(ml_arena_init(&arena, ML_ARENA_PA, 0), ML_ERR_EMPTY);
	t_eq(ml_arena_init(&arena, ML_ARENA_PA, 0x8000), ML_ERR_ALIGN);
	t_eq(ml_arena_init(&arena, ML_ARENA_PA + 0x8000, 0x10000), ML_ERR_ALIGN);
}

TEST(arena_hands_out_every_size)
{
	for (size_t bytes = 32; bytes <= 0x10000; bytes *= 2) {
		struct ml_arena arena = arena_of();
		uint64_t count = 0;
		char *table;
		ml_pa pa;

		T_CONTEXT("bytes", bytes);
		while ((table = take(&arena, bytes, &pa)) != NULL) {
			t_eq(pa % bytes, 0);
			t_eq((uintptr_t)table % bytes, 0);
			t_ok(pa >= ML_ARENA_PA && pa + bytes <= ML_ARENA_PA + ARENA_BYTES);
			t_ok(ml_arena_base(&arena) + pa == table);
			t_eq(ml_arena_address(&arena, table + 8), pa + 8);
			t_ok(arena.platform.table_pointer(&arena, pa, bytes) == table);
			memset(table, 0, bytes);
			count++;
		}
		t_eq(count, ARENA_BYTES / bytes);
		t_eq(arena.in_use, count);
		t_eq(arena.allocs, count);
		t_eq(arena.refusals, 1);
		ml_arena_fini(&arena);
	}
}

/* Sizes mixed, in random order: no two tables overlap, and each is found by its address. */
TEST(arena_keeps_tables_apart)
{
	struct ml_arena arena = arena_of();
	struct {
		unsigned char *table;
		ml_pa pa;
		size_t bytes;
	} slots[64] = { { 0 } };
	uint64_t seed = t_seed(40);

	for (unsigned i = 0; i < 20000; i++) {
		unsigned number = (unsigned)(t_random(&seed) % 64);

		if (!slots[number].table) {
			slots[number].bytes = (size_t)32 << t_random(&seed) % 8;
			slots[number].table = take(&arena, slots[number].bytes, &slots[number].pa);
			if (slots[number].table)
				memset(slots[number].table, (int)number, slots[number].bytes);
			continue;
		}
		for (size_t byte = 0; byte < slots[number].bytes; byte++)
			T_REQUIRE(t_eq(slots[number].table[byte], number));
		t_ok(ml_arena_pointer(&arena, slots[number].pa + 8, 8) == slots[number].table + 8);
		give(&arena, slots[number].table, slots[number].pa, slots[number].bytes);
		t_ok(!ml_arena_pointer(&arena, slots[number].pa, 8));
		slots[number].table = NULL;
	}
	t_eq(arena.in_use, arena.allocs - arena.frees);
	ml_arena_fini(&arena);
}

TEST(arena_poisons_what_it_hands_out)
{
	struct ml_arena arena = arena_of();
	ml_pa pa;
	ml_pte *table;

	for (unsigned round = 0; round < 2; round++) {
		table = take(&arena, 0x1000, &pa);
		for (unsigned i = 0; i < 512; i++) {
			T_REQUIRE(t_eq(table[i], arena.poison[i & 1]));
			t_ok(table[i] & 1);
		}
		memset(table, 0, 0x1000);
		give(&arena, table, pa, 0x1000);
	}
	ml_arena_fini(&arena);
}

/* Garbage that looks like nothing would go unnoticed: it must be leaves to the hardware. */
TEST(arena_poison_decodes_as_leaves)
{
	struct ml_arena arena = arena_of();
	struct ml_types types;
	struct ml_entry entry;

	for (unsigned i = 0; i < 2; i++)
		for (unsigned level = 0; level < 3; level++) {
			ml_types_init(&types, &ml_format_x86_64, 0);
			t_eq(ml_format_decode(&ml_format_x86_64, &types, arena.poison[i], level,
					      &entry),
			     ML_OK);
			t_eq(entry.kind, ML_KIND_LEAF);
		}
	ml_types_init(&types, &ml_format_arm64_4k, 0);
	t_eq(ml_format_decode(&ml_format_arm64_4k, &types, arena.poison[0], 0, &entry), ML_OK);
	t_eq(entry.kind, ML_KIND_LEAF);
	t_eq(ml_format_decode(&ml_format_arm64_4k, &types, arena.poison[1], 1, &entry), ML_OK);
	t_eq(entry.kind, ML_KIND_LEAF);
	ml_arena_fini(&arena);
}

TEST(arena_fails_the_nth_allocation)
{
	struct ml_arena arena = arena_of();
	ml_pa pa;

	arena.fail_nth = 3;
	t_ok(take(&arena, 0x1000, &pa) != NULL);
	t_ok(take(&arena, 0x1000, &pa) != NULL);
	t_ok(take(&arena, 0x1000, &pa) == NULL);
	t_ok(take(&arena, 0x1000, &pa) != NULL);
	t_eq(arena.refusals, 1);
	t_eq(arena.in_use, 3);
	arena.in_use_limit = 4;
	t_ok(take(&arena, 0x1000, &pa) != NULL);
	t_ok(take(&arena, 0x1000, &pa) == NULL);
	t_eq(arena.in_use_most, 4);
	ml_arena_fini(&arena);
}

TEST(arena_reads_inside_tables_only)
{
	struct ml_arena arena = arena_of();
	uint64_t word = 0;
	ml_pa pa;
	ml_pte *table = take(&arena, 0x1000, &pa);

	table[511] = 0x1234;
	t_ok(ml_arena_read(&arena, pa + 0xff8, &word));
	t_eq(word, 0x1234);
	t_ok(!ml_arena_read(&arena, pa + 0x1000, &word));
	t_ok(!ml_arena_read(&arena, pa - 8, &word));
	t_ok(!ml_arena_read(&arena, 0, &word));
	t_ok(!arena.platform.table_pointer(&arena, pa + 0x800, 0x1000));
	t_ok(!arena.platform.table_pointer(&arena, pa, 0x2000));
	t_eq(ml_arena_address(&arena, &word), 0);
	give(&arena, table, pa, 0x1000);
	t_ok(!ml_arena_read(&arena, pa, &word));
	ml_arena_fini(&arena);
}

/* ---- misuse ends the program ------------------------------------------------------ */

static void free_twice(struct ml_arena *arena, void *table, ml_pa pa)
{
	give(arena, table, pa, 0x1000);
	give(arena, table, pa, 0x1000);
}

static void free_foreign(struct ml_arena *arena, void *table, ml_pa pa)
{
	(void)table;
	give(arena, arena, pa, 0x1000);
}

static void free_beyond(struct ml_arena *arena, void *table, ml_pa pa)
{
	give(arena, table, pa + ARENA_BYTES, 0x1000);
}

static void free_other_size(struct ml_arena *arena, void *table, ml_pa pa)
{
	give(arena, table, pa, 0x800);
}

static void free_inside(struct ml_arena *arena, void *table, ml_pa pa)
{
	give(arena, (char *)table + 0x800, pa + 0x800, 0x800);
}

static void free_before_completion(struct ml_arena *arena, void *table, ml_pa pa)
{
	const struct ml_invalidation all = { 0 };

	arena->platform.invalidate(arena, NULL, &all);
	give(arena, table, pa, 0x1000);
}

static void touch_guard_above(struct ml_arena *arena, void *table, ml_pa pa)
{
	(void)table;
	(void)pa;
	*(volatile char *)(ml_arena_base(arena) + ML_ARENA_PA + ARENA_BYTES) = 1;
}

static void touch_guard_below(struct ml_arena *arena, void *table, ml_pa pa)
{
	(void)table;
	(void)pa;
	*(volatile char *)(ml_arena_base(arena) + ML_ARENA_PA - 1) = 1;
}

static void break_assertion(struct ml_arena *arena, void *table, ml_pa pa)
{
	(void)table;
	ML_ASSERT(pa == (ml_pa)(uintptr_t)arena);
}

typedef void misuse(struct ml_arena *arena, void *table, ml_pa pa);

/* Whether a child that does it dies of it. */
static bool is_deadly(misuse *what)
{
	int status = 0;
	pid_t child;

	fflush(NULL);
	child = fork();
	if (child == 0) {
		struct ml_arena arena = arena_of();
		ml_pa pa;
		void *table = take(&arena, 0x1000, &pa);

		if (!freopen("/dev/null", "w", stderr))
			_exit(0);
		what(&arena, table, pa);
		_exit(0);
	}
	t_ok(child > 0 && waitpid(child, &status, 0) == child);
	return WIFSIGNALED(status) || WEXITSTATUS(status) != 0;
}

static void misuse_nothing(struct ml_arena *arena, void *table, ml_pa pa)
{
	arena->platform.complete(arena, NULL);
	give(arena, table, pa, 0x1000);
}

TEST(misuse_is_deadly)
{
	static misuse *const all[] = { free_twice,        free_foreign,      free_beyond,
				       free_other_size,   free_inside,       free_before_completion,
				       touch_guard_above, touch_guard_below, break_assertion };

	t_ok(!is_deadly(misuse_nothing));
	for (unsigned i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		T_CONTEXT("misuse", i);
		t_ok(is_deadly(all[i]));
	}
}

/* ---- doors and trace -------------------------------------------------------------- */

/* One access through each door. */
static void use_doors(ml_pte *entry)
{
	ml_pte old = 4;

	ML_PORT_FILL(entry, 1);
	ML_PORT_LINK(entry, 2);
	ML_PORT_STORE(entry, 3);
	t_eq(ML_PORT_EXCHANGE(entry, 4), 3);
	t_ok(ML_PORT_COMPARE_EXCHANGE(entry, &old, 5));
	t_ok(!ML_PORT_COMPARE_EXCHANGE(entry, &old, 6));
	t_eq(old, 5);
	ML_PORT_PUBLISH();
	t_eq(ML_PORT_LOAD(entry), 5);
}

TEST(doors_count_and_do)
{
	ml_pte entry = 0;

	ml_doors = (struct ml_doors){ 0 };
	use_doors(&entry);
	t_eq(entry, 5);
	t_eq(ml_doors.loads, 1);
	t_eq(ml_doors.stores, 1);
	t_eq(ml_doors.fills, 1);
	t_eq(ml_doors.links, 1);
	t_eq(ml_doors.exchanges, 3);
	t_eq(ml_doors.publishes, 1);
}

TEST(trace_records_what_the_doors_do)
{
	static const struct {
		enum ml_event_kind kind;
		uint64_t old, value;
	} want[] = {
		{ ML_EVENT_FILL, 7, 1 },     { ML_EVENT_LINK, 1, 2 },
		{ ML_EVENT_STORE, 2, 3 },    { ML_EVENT_EXCHANGE, 3, 4 },
		{ ML_EVENT_EXCHANGE, 4, 5 }, { ML_EVENT_PUBLISH, 0, 0 },
	};
	struct ml_trace trace = { 0 };
	ml_pte entry = 7;

	ml_trace_to(&trace);
	use_doors(&entry);
	ml_trace_to(NULL);
	use_doors(&entry);
	T_REQUIRE(t_eq(trace.count, 6));
	for (unsigned i = 0; i < 6; i++) {
		T_CONTEXT("event", i);
		t_eq(trace.events[i].kind, want[i].kind);
		t_eq(trace.events[i].old, want[i].old);
		t_eq(trace.events[i].value, want[i].value);
		t_eq(trace.events[i].address, 0);
		t_ok(trace.events[i].pointer == (i < 5 ? &entry : NULL));
	}
	t_eq(trace.kinds[ML_EVENT_EXCHANGE], 2);
	ml_trace_clear(&trace);
	t_eq(trace.count, 0);
	t_eq(trace.kinds[ML_EVENT_EXCHANGE], 0);
}

static void remember(void *cookie, const struct ml_event *event)
{
	*(struct ml_event *)cookie = *event;
}

TEST(trace_records_the_arena)
{
	const struct ml_invalidation what = { .va = 0x1000, .length = 0x2000, .level = 1 };
	struct ml_arena arena = arena_of();
	struct ml_event last = { 0 };
	struct ml_trace trace = {
		.arena = &arena, .watch = remember, .cookie = &last, .forget = true
	};
	ml_pte *table;
	ml_pa pa;

	ml_trace_to(&trace);
	table = take(&arena, 0x1000, &pa);
	t_eq(last.kind, ML_EVENT_ALLOC);
	t_eq(last.address, pa);
	t_eq(last.value, 0x1000);
	ML_PORT_STORE(&table[3], 0x77);
	t_eq(last.kind, ML_EVENT_STORE);
	t_eq(last.address, pa + 24);
	t_eq(table[3], 0x77);
	arena.platform.invalidate(&arena, NULL, &what);
	t_eq(last.kind, ML_EVENT_INVALIDATE);
	t_eq(last.address, 0x1000);
	t_eq(last.what.length, 0x2000);
	t_eq(last.what.level, 1);
	t_eq(arena.pending, 1);
	arena.platform.complete(&arena, NULL);
	t_eq(last.kind, ML_EVENT_COMPLETE);
	t_eq(arena.pending, 0);
	give(&arena, table, pa, 0x1000);
	t_eq(last.kind, ML_EVENT_FREE);
	ml_trace_to(NULL);
	t_eq(trace.count, 0);
	for (unsigned kind = 0; kind < ML_EVENT_KINDS; kind++)
		t_ok(ml_event_name((enum ml_event_kind)kind)[0] != '?');
	ml_arena_fini(&arena);
}

/* ---- table memory from the heap ---------------------------------------------------- */

TEST(heap_tables)
{
	struct ml_malloc counts = { 0 };
	const struct ml_invalidation all = { 0 };
	ml_pa pa[2];

	for (size_t bytes = 32; bytes <= 0x10000; bytes *= 2) {
		void *first = ml_malloc_platform.table_alloc(&counts, NULL, bytes, &pa[0]);
		void *second = ml_malloc_platform.table_alloc(&counts, NULL, bytes, &pa[1]);

		T_CONTEXT("bytes", bytes);
		T_REQUIRE(t_ok(first && second));
		memset(first, 1, bytes);
		memset(second, 2, bytes);
		t_eq(*(unsigned char *)first, 1);
		t_eq(pa[0] % bytes, 0);
		t_ok(ml_malloc_platform.table_pointer(&counts, pa[0], bytes) == first);
		t_ok(!ml_malloc_platform.table_pointer(&counts, pa[0] + 8, bytes));
		ml_malloc_platform.table_free(&counts, NULL, first, pa[0], bytes);
		ml_malloc_platform.table_free(&counts, NULL, second, pa[1], bytes);
	}
	ml_malloc_platform.invalidate(&counts, NULL, &all);
	ml_malloc_platform.complete(&counts, NULL);
	t_eq(counts.allocs, 24);
	t_eq(counts.frees, 24);
	t_eq(counts.in_use, 0);
	t_eq(counts.in_use_most, 2);
	t_eq(counts.invalidations, 1);
	t_eq(counts.completions, 1);
}
