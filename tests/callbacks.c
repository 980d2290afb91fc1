/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/*
 * What the embedder's callbacks may rely on: the cookie, the operation, the lock, memory
 * written back for walkers that are not coherent, and the way down as ml_walk shows it.
 */
#include <string.h>

#include <maxleaf/table.h>

#include "support/rig.h"
#include "support/source.h"
#include "t.h"

#define K ((uint64_t)1 << 10)
#define M ((uint64_t)1 << 20)
#define G ((uint64_t)1 << 30)
#define AT (4 * G)

#define DIRTY_MOST 65536

/* A platform around the arena's, whose walkers read what was written back alone. */
static struct {
	struct ml_arena *arena;
	struct ml_op *op; /* every callback must hear of this one */
	unsigned strange; /* callbacks that did not */
	unsigned locked;  /* calls of assert_locked */
	unsigned early;   /* tables linked, or operations ended, before they were written back */
	size_t dirty_count;
	struct dirty { /* an entry stored and not yet written back */
		const char *entry;
		bool reachable;
	} dirty[DIRTY_MOST];
} seen;

static void *cookie_of_test = &seen;

static void check_call(const void *cookie, const struct ml_op *op)
{
	seen.strange += cookie != cookie_of_test || op != seen.op;
}

static void *alloc(void *cookie, struct ml_op *op, size_t bytes, ml_pa *pa)
{
	check_call(cookie, op);
	return seen.arena->platform.table_alloc(seen.arena, op, bytes, pa);
}

static void forget_dirty(const char *from, size_t bytes)
{
	size_t kept = 0;

	for (size_t i = 0; i < seen.dirty_count; i++)
		if (seen.dirty[i].entry < from || seen.dirty[i].entry >= from + bytes)
			seen.dirty[kept++] = seen.dirty[i];
	seen.dirty_count = kept;
}

static void give_back(void *cookie, struct ml_op *op, void *table, ml_pa pa, size_t bytes)
{
	check_call(cookie, op);
	forget_dirty(table, bytes); /* nobody walks it any more */
	seen.arena->platform.table_free(seen.arena, op, table, pa, bytes);
}

static void *pointer(void *cookie, ml_pa pa, size_t bytes)
{
	seen.strange += cookie != cookie_of_test;
	return seen.arena->platform.table_pointer(seen.arena, pa, bytes);
}

static void write_back(void *cookie, struct ml_op *op, const void *memory, size_t bytes)
{
	check_call(cookie, op);
	forget_dirty(memory, bytes);
}

static void invalidate(void *cookie, struct ml_op *op, const struct ml_invalidation *what)
{
	check_call(cookie, op);
	for (size_t i = 0; i < seen.dirty_count; i++) /* walkers would read the old ones again */
		seen.early += seen.dirty[i].reachable;
	seen.arena->platform.invalidate(seen.arena, op, what);
}

static void complete(void *cookie, struct ml_op *op)
{
	check_call(cookie, op);
	seen.arena->platform.complete(seen.arena, op);
}

static void assert_locked(void *cookie, struct ml_op *op)
{
	check_call(cookie, op);
	seen.locked++;
}

static const struct ml_platform platform = { alloc,      give_back, pointer,      write_back,
					     invalidate, complete,  assert_locked };

/* Every store makes an entry dirty; a link asks for all before it to be clean. */
static void watch(void *cookie, const struct ml_event *event)
{
	(void)cookie;
	switch (event->kind) {
	case ML_EVENT_LINK:
		seen.early += seen.dirty_count != 0;
		break;
	case ML_EVENT_STORE:
	case ML_EVENT_EXCHANGE:
	case ML_EVENT_FILL:
		break;
	default:
		return;
	}
	if (seen.dirty_count < DIRTY_MOST)
		seen.dirty[seen.dirty_count++] =
			(struct dirty){ event->pointer, event->kind != ML_EVENT_FILL };
}

/* Around the world's arena, with its base unless every table is to be reached by the hook. */
static void put_up(struct ml_table *table, enum world world, bool hooked,
		   const struct ml_table_config *wish)
{
	struct ml_table_config config = *wish;

	config.platform = &platform;
	config.cookie = cookie_of_test;
	config.base = hooked ? NULL : ml_arena_base(rig_arena(world));
	config.levels = worlds[world].levels;
	config.high = worlds[world].high;
	memset(&seen, 0, sizeof(seen));
	seen.arena = rig_arena(world);
	t_eq(ml_table_init(table, worlds[world].format, &config), ML_OK);
}

static void put_up_plain(struct ml_table *table, enum world world, uint8_t fold, bool live)
{
	put_up(table, world, false, &(struct ml_table_config){ .fold = fold, .live = live });
}

static void take_down(struct ml_table *table)
{
	seen.op = NULL;
	ml_table_fini(table, NULL);
	t_eq(seen.arena->in_use, 0);
	t_eq(seen.strange, 0);
}

TEST(callbacks_hear_of_the_cookie_and_the_operation)
{
	for (unsigned live = 0; live < 2; live++) {
		struct ml_reserve reserve = { 0 };
		struct ml_op op = { .context = &seen };
		struct ml_table table;

		put_up_plain(&table, WORLD_ARM_LOW, ML_FOLD_BLOCK, live);
		seen.op = &op;
		t_eq(ml_map(&table, AT, 64 * M, AT, ML_RW, &op), ML_OK);
		t_eq(ml_unmap(&table, AT + 4 * K, 4 * K, &op), ML_OK);
		t_eq(ml_map(&table, AT + 4 * K, 4 * K, AT + 4 * K, ML_RW, &op), ML_OK);
		t_eq(ml_protect(&table, AT, 32 * M, ML_WRITE, 0, &op), ML_OK);
		t_eq(ml_split(&table, AT, 2 * M, 0, &op), ML_OK);
		t_eq(ml_fold(&table, AT, 64 * M, 4, &op), ML_OK);
		t_eq(ml_reserve_fill(&table, &reserve, 3, &op), ML_OK);
		ml_reserve_empty(&table, &reserve, &op);
		t_eq(ml_unmap(&table, AT, 64 * M, &op), ML_OK);
		take_down(&table);
	}
}

TEST(every_changing_call_asserts_the_lock_once)
{
	struct ml_step map = { AT + G, 2 * M, 0, ML_RW, 1 }, unmap = map;
	const struct ml_extent extents[2] = { { 0, 2 * M }, { 8 * M, 2 * M } };
	struct ml_translation found;
	struct ml_table table;

	put_up_plain(&table, WORLD_X86_4, ML_FOLD_MAP, true);
	t_eq(ml_map(&table, AT, 4 * M, AT, ML_RW, NULL), ML_OK);
	t_eq(seen.locked, 1);
	t_eq(ml_map_extents(&table, AT + 8 * M, extents, 2, ML_RW, NULL), ML_OK);
	t_eq(seen.locked, 2);
	t_eq(ml_protect(&table, AT, 4 * K, ML_WRITE, 0, NULL), ML_OK);
	t_eq(seen.locked, 3);
	t_eq(ml_split(&table, AT, 4 * M, 0, NULL), ML_OK);
	t_eq(seen.locked, 4);
	t_eq(ml_fold(&table, AT, 4 * M, 1, NULL), ML_OK);
	t_eq(seen.locked, 5);
	t_eq(ml_unmap(&table, AT, 4 * M, NULL), ML_OK);
	t_eq(seen.locked, 6);
	t_eq(ml_map_step(&table, &map, NULL), ML_OK);
	t_eq(seen.locked, 7);
	t_eq(ml_unmap_step(&table, &unmap, NULL), ML_OK);
	t_eq(seen.locked, 8);
	t_eq(ml_translate(&table, AT, &found), ML_ERR_NOT_MAPPED);
	t_eq(ml_table_check(&table, NULL), ML_OK);
	t_eq(seen.locked, 8); /* reading takes no lock */
	take_down(&table);
}

static void do_action(struct ml_table *table, const struct action *a, struct ml_op *op)
{
	struct rig rig = { .table = *table };
	int error = ML_OK;

	if (a->kind <= ACTION_MOVE)
		error = rig_call(&rig, a, op);
	*table = rig.table;
	t_ok(error != ML_ERR_BUG);
}

/* Random sequences: what a walker may read has been written back, at every link, before every
 * invalidation, and at the end of every call. */
TEST(walkers_that_are_not_coherent_see_everything)
{
	struct source s = source_seeded(t_seed(20251204));
	struct ml_trace trace = { .watch = watch, .forget = true };
	uint64_t cases = source_amount(1000000) / 2000 + 1;

	for (uint64_t number = 0; number < cases && !t_state.complaints; number++) {
		struct setting setting = sequence_setting(&s);
		struct ml_table_config wish = setting_config(&setting);
		struct ml_table table;

		wish.lock_unit = 0; /* table_sync is for one writer */
		T_CONTEXT(worlds[setting.world].name, number);
		put_up(&table, setting.world, setting.hooked, &wish);
		if (setting.never.len)
			t_eq(ml_never_fault(&table, &setting.never), ML_OK);
		trace.arena = seen.arena;
		ml_trace_to(&trace);
		for (unsigned i = 0; i < 100; i++) {
			const struct action a = sequence_action(&s, &setting);
			struct ml_op op = { .flags = a.replace ? ML_OP_REPLACE : 0 };

			seen.op = a.bare ? NULL : &op;
			do_action(&table, &a, seen.op);
			if (!t_eq(seen.dirty_count, 0) || !t_eq(seen.early, 0)) {
				sequence_print_setting(&setting);
				sequence_print_action(i, &a);
				break;
			}
		}
		ml_trace_to(NULL);
		take_down(&table);
	}
}

/* A group of blocks comes apart at both ends: into two tables, and blocks beside them. */
TEST(no_link_comes_before_what_is_beside_it_was_written_back)
{
	struct ml_trace trace = { .watch = watch, .forget = true };
	struct ml_table table;

	put_up_plain(&table, WORLD_ARM_LOW, ML_FOLD_MAP, true);
	t_eq(ml_map(&table, AT, 32 * M, AT, ML_RW, NULL), ML_OK);
	trace.arena = seen.arena;
	ml_trace_to(&trace);
	t_eq(ml_unmap(&table, AT + 4 * M + 4 * K, 16 * M, NULL), ML_OK);
	ml_trace_to(NULL);
	t_eq(table.stats.tables, 5); /* the group was there, and two of its blocks were cut */
	t_eq(seen.dirty_count, 0);
	t_eq(seen.early, 0);
	take_down(&table);
}

/* What is stored in new roots, in both roots of sharing, and in the tables it makes. */
TEST(roots_are_written_back)
{
	struct ml_trace trace = { .watch = watch, .forget = true };
	struct ml_table user, kernel;

	trace.arena = rig_arena(WORLD_X86_4);
	ml_trace_to(&trace);
	put_up_plain(&user, WORLD_X86_4, ML_FOLD_MAP, true);
	t_eq(seen.dirty_count, 0);
	put_up_plain(&kernel, WORLD_X86_4, ML_FOLD_MAP, true);
	t_eq(ml_table_share(&user, &kernel, 0 - 1024 * G, 1024 * G, NULL), ML_OK);
	ml_trace_to(NULL);
	t_eq(seen.dirty_count, 0);
	t_eq(seen.locked, 2);
	ml_table_fini(&user, NULL);
	take_down(&kernel);
}

/* The way down: each table is the one the entry above links, to the very leaf. */
static void check_walk(const struct rig *rig, ml_va va, enum ml_kind end)
{
	const struct ml_format *f = rig->facts->format;
	struct ml_entry entry = { .pa = ml_table_root(&rig->table) };
	struct ml_walk walk;

	T_REQUIRE(t_eq(ml_walk(&rig->table, va, &walk), ML_OK));
	for (unsigned i = 0; i < walk.count; i++) {
		const struct ml_walk_entry *at = &walk.entries[i];
		uint64_t memory = 0;

		t_eq(at->level, rig->table.levels - 1u - i);
		t_eq(at->table, entry.pa);
		t_eq(at->index,
		     va >> f->level_shift[at->level] & ((1u << f->index_bits[at->level]) - 1));
		t_ok(ml_arena_read(rig->arena, at->table + 8 * at->index, &memory));
		t_eq(at->pte, memory);
		t_eq(ml_format_decode(f, &rig->table.types, at->pte, at->level, &entry), ML_OK);
		t_eq(at->kind, entry.kind);
		t_eq(at->kind, i + 1u < walk.count ? ML_KIND_TABLE : end);
	}
}

TEST(the_walk_shows_every_level)
{
	for (unsigned world = 0; world < WORLDS; world++) {
		const ml_va at = worlds[world].low_last ? 0 : worlds[world].high_first;
		const bool toy = world == WORLD_TOY;
		struct rig rig;

		T_CONTEXT(worlds[world].name, world);
		t_eq(rig_open(&rig, (enum world)world, NULL), ML_OK);
		t_eq(ml_map(&rig.table, at, 4 * K, 0, ML_RW, NULL), ML_OK);
		t_eq(ml_map(&rig.table, at + (toy ? 16 * K : G), toy ? 16 * K : G, 0, ML_RW, NULL),
		     ML_OK);
		check_walk(&rig, at, ML_KIND_LEAF);
		check_walk(&rig, at + 4 * K, ML_KIND_EMPTY);
		check_walk(&rig, at + (toy ? 20 * K : G + 5 * M), ML_KIND_LEAF);
		check_walk(&rig, at + (toy ? 48 * K : 5 * G), ML_KIND_EMPTY);
		t_ok(rig_close(&rig));
	}
}
