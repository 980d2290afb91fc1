/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/*
 * What is installed is installed under the lock (S4.9): entries, deposits, references and counts
 * change while the caller holds it, whom the platform may ask first, and agree whenever it lets go.
 * And who gets the lock later finds what was installed before: in every order in which a fault
 * handler that lets go of it can be passed by others.
 */
#include <string.h>

#include "support/owner.h"
#include "support/raw.h"
#include "support/state.h"
#include "t.h"

/* The one lock of all spaces of a test, and what was done under it. */
static struct {
	bool held, asked;
	unsigned entries, tables, frames;
	const char *what; /* the first thing that was wrong */
} lock;

static void complain(const char *what)
{
	lock.what = lock.what ? lock.what : what;
}

static void take_lock(void)
{
	memset(&lock, 0, sizeof(lock));
	lock.held = true;
}

/* Everything agrees; true if the call changed something, and nothing was wrong. */
static bool release_lock(const struct home *homes, unsigned count)
{
	uint64_t tables = 0;

	lock.held = false;
	for (unsigned i = 0; i < count; i++) {
		const struct ml_table *t = &homes[i].space.table;
		struct ml_space_stats stats;

		t_ok(home_is_sound(&homes[i]));
		ml_space_stats(&homes[i].space, &stats);
		t_eq(stats.deposits, t->spare.count);
		tables += t->stats.tables + t->spare.count;
	}
	t_eq(tables, homes->arena->in_use);
	if (lock.what)
		printf("# %s\n", lock.what);
	return !lock.what && lock.entries && lock.asked;
}

static void assert_locked(void *cookie, struct ml_op *op)
{
	(void)cookie;
	lock.asked = true;
	if (!lock.held)
		complain("nobody holds the lock");
	if (op && op->context != &lock)
		complain("whose call it is nobody can tell");
}

static void hear(void *cookie, const struct ml_event *event)
{
	(void)cookie;
	lock.entries += event->kind <= ML_EVENT_EXCHANGE;
	lock.tables += event->kind == ML_EVENT_ALLOC || event->kind == ML_EVENT_FREE;
	if (!lock.held)
		complain("something changes without the lock");
	if (event->kind <= ML_EVENT_EXCHANGE && !lock.asked)
		complain("an entry changes before anybody was asked for the lock");
}

static void note_frames(void)
{
	lock.frames++;
	if (!lock.held)
		complain("frames change hands without the lock");
}

static bool alloc(void *cookie, uint64_t bytes, bool zero, ml_pa *pa)
{
	note_frames();
	return home_frame_ops.alloc(cookie, bytes, zero, pa);
}

static void get(void *cookie, ml_pa pa, uint64_t length)
{
	note_frames();
	home_frame_ops.get(cookie, pa, length);
}

static void put(void *cookie, ml_pa pa, uint64_t length)
{
	note_frames();
	home_frame_ops.put(cookie, pa, length);
}

static struct ml_frames frames;
static struct ml_trace trace;

static void open_home(struct home *home, enum world world, unsigned kind)
{
	frames = home_frame_ops;
	frames.alloc = alloc;
	frames.get = get;
	frames.put = put;
	rig_arena(world)->platform.assert_locked = assert_locked;
	owner_home(home, world, kind, &frames);
	home->space.context = &lock;
}

static void listen(struct home *home)
{
	trace = (struct ml_trace){ .arena = home->arena, .watch = hear, .forget = true };
	ml_trace_to(&trace);
}

static void close_home(struct home *home, enum world world)
{
	ml_trace_to(NULL);
	lock.held = true;
	t_ok(home_is_sound(home));
	t_ok(home_close(home));
	rig_arena(world)->platform.assert_locked = NULL;
}

/* The call, from taking the lock to letting go of it. */
#define LOCKED(homes, count, call, result)            \
	do {                                          \
		take_lock();                          \
		t_eq(call, result);                   \
		t_ok(release_lock((homes), (count))); \
	} while (0)

TEST(raw_leaves_and_their_deposits_come_and_go_under_the_lock)
{
	EACH_HOME(world, kind)
	{
		struct ml_space *s;
		struct home home;
		uint64_t large, page;
		ml_pa pa;
		ml_va va;

		open_home(&home, world, kind);
		s = &home.space;
		large = home_large(&home);
		page = home_page(&home);
		va = s->first;
		pa = home.raw->first;
		t_eq(raw_map(&home, va, 3 * large, RAW_SHARED, NULL), ML_OK);
		listen(&home);
		LOCKED(&home, 1, ml_remap_pfn_range(s, va, large, pa, ML_NC), ML_OK);
		t_eq(s->table.spare.count > 0, s->table.guaranteed);
		LOCKED(&home, 1,
		       ml_insert_pfn(s, va + large, pa + large, (unsigned)home_large_rung(&home),
				     ML_NC, true),
		       ML_OK);
		LOCKED(&home, 1, ml_insert_pfn(s, va + 2 * large, pa + 2 * large, 0, ML_NC, false),
		       ML_OK);
		LOCKED(&home, 1, ml_space_protect(s, va + page, page, ML_READ), ML_OK);
		t_eq(lock.frames, 0);
		LOCKED(&home, 1, ml_space_unmap(s, va, 2 * large), ML_OK);
		close_home(&home, world);
		t_ok(home_is_empty(world));
	}
}

TEST(memory_comes_and_goes_under_the_lock)
{
	EACH_HOME(world, kind)
	{
		struct home homes[2];
		struct ml_space *s = &homes[0].space;
		uint64_t large, page;
		ml_va va, to;

		open_home(&homes[0], world, kind);
		open_home(&homes[1], world, kind);
		large = home_large(&homes[0]);
		page = home_page(&homes[0]);
		va = s->first;
		to = va + 2 * large;
		home_map(&homes[0], va, 2 * large, &home_memory);
		listen(&homes[0]);
		LOCKED(homes, 2, ml_space_fault(s, va, ML_WRITE), ML_FAULT_DONE);
		t_ok(lock.frames);
		t_eq(s->table.spare.count > 0, s->table.guaranteed);
		LOCKED(homes, 2, ml_space_fork(&homes[1].space, s), ML_OK);
		t_ok(lock.frames);
		t_eq(homes[1].space.table.spare.count, s->table.spare.count);
		LOCKED(homes, 2, ml_space_fault(&homes[1].space, va + page, ML_WRITE),
		       ML_FAULT_DONE);
		LOCKED(homes, 2, ml_space_fault(s, va + page, ML_WRITE), ML_FAULT_DONE);
		LOCKED(homes, 2, ml_space_advise(s, va, large, ML_ADVISE_POPULATE_WRITE), ML_OK);
		LOCKED(homes, 2, ml_space_advise(s, va, large, ML_ADVISE_COLLAPSE), ML_OK);
		LOCKED(homes, 2,
		       ml_space_move(s, va, large, large, ML_MOVE_MAY | ML_MOVE_FIXED, &to), ML_OK);
		LOCKED(homes, 2, ml_space_unmap(s, to, large), ML_OK);
		t_ok(lock.frames);
		take_lock();
		ml_space_fini(&homes[1].space);
		t_ok(!lock.what && lock.asked && lock.tables);
		close_home(&homes[0], world);
		t_ok(home_is_empty(world));
	}
}

TEST(who_forgets_the_lock_is_heard)
{
	struct home home;

	open_home(&home, WORLD_X86_4, 1);
	home_map(&home, home.space.first, home_large(&home), &home_memory);
	listen(&home);
	memset(&lock, 0, sizeof(lock));
	t_eq(ml_space_fault(&home.space, home.space.first, ML_WRITE), ML_FAULT_DONE);
	t_str(lock.what, "frames change hands without the lock");
	memset(&lock, 0, sizeof(lock));
	t_eq(ml_space_protect(&home.space, home.space.first, home_page(&home), ML_READ), ML_OK);
	t_str(lock.what, "nobody holds the lock");
	close_home(&home, WORLD_X86_4);
}

/* ---- others come in between ------------------------------------------------------------- */

enum rival {
	RIVAL_READS,
	RIVAL_WRITES,
	RIVAL_BESIDE,  /* reads the page behind, which is all that it gets */
	RIVAL_INSERTS, /* the device's driver */
	RIVAL_UNMAPS,
	RIVAL_PROTECTS,
	RIVAL_REVOKES,
	RIVALS
};

/* The owner of what is mapped: it lets go of the lock once, and somebody else takes it. */
struct rivalry {
	struct owner owner; /* must be first */
	enum ml_fault_result (*usual)(struct ml_fault_request *request);
	enum rival rival;
	bool lets_go;
	ml_va va; /* the page that is fought for */
};

static void act(struct rivalry *r)
{
	struct ml_space *s = &r->owner.home->space;
	const uint64_t page = home_page(r->owner.home);

	switch (r->rival) {
	case RIVAL_READS:
		t_eq(ml_space_fault(s, r->va, ML_READ), ML_FAULT_DONE);
		break;
	case RIVAL_WRITES:
		t_eq(ml_space_fault(s, r->va, ML_WRITE), ML_FAULT_DONE);
		break;
	case RIVAL_BESIDE:
		r->owner.most = 0;
		t_eq(ml_space_fault(s, r->va + page, ML_READ), ML_FAULT_DONE);
		r->owner.most = ML_RUNG_MAX;
		break;
	case RIVAL_INSERTS:
		t_eq(ml_insert_pfn(s, r->va, r->owner.pa, 0, ML_WB, false), ML_OK);
		break;
	case RIVAL_UNMAPS:
		t_eq(ml_space_unmap(s, r->va, page), ML_OK);
		break;
	case RIVAL_PROTECTS:
		t_eq(ml_space_protect(s, r->va, page, ML_READ), ML_OK);
		break;
	default:
		t_eq(ml_space_fault(s, r->va, ML_READ), ML_FAULT_DONE);
		t_eq(ml_unmap_mapping_range(&r->owner.mapping, 0, 0, true), ML_OK);
	}
}

static enum ml_fault_result answer_late(struct ml_fault_request *request)
{
	struct rivalry *r = request->region->mapping->owner;

	if (!r->lets_go)
		return r->usual(request);
	r->lets_go = false;
	act(r);
	return ML_FAULT_RETRY;
}

static void open_rivalry(struct rivalry *r, struct home *home, bool raw, enum rival rival)
{
	struct ml_region_spec spec;

	owner_open(&r->owner, home, raw);
	spec = owner_region(&r->owner, ML_REGION_SHARED);
	r->usual = r->owner.ops.fault;
	r->owner.ops.fault = answer_late;
	r->rival = rival;
	r->lets_go = true;
	r->va = home->space.first;
	home_map(home, r->va, r->owner.bytes, &spec);
}

/* What a fault that comes again must find. */
static enum ml_fault_result outcome(const struct rivalry *r, ml_prot tried)
{
	switch (r->rival) {
	case RIVAL_READS: /* in a shared region what is read may be written */
		return tried == ML_READ || !r->owner.home->space.table.track_ad ? ML_FAULT_SPURIOUS
										: ML_FAULT_DONE;
	case RIVAL_WRITES:
	case RIVAL_INSERTS:
		return ML_FAULT_SPURIOUS;
	case RIVAL_UNMAPS:
		return ML_FAULT_NO_REGION;
	case RIVAL_PROTECTS:
		return tried == ML_READ ? ML_FAULT_DONE : ML_FAULT_ACCESS;
	default:
		return ML_FAULT_DONE;
	}
}

/* Each page has a reference of its owner's, and one for its only leaf if there is one. */
static bool references_are_exact(const struct rivalry *r)
{
	const struct home *home = r->owner.home;
	uint64_t at;

	for (at = 0; at < r->owner.bytes; at += home_page(home)) {
		struct ml_translation leaf;
		const bool mapped = !ml_translate(&home->space.table, r->va + at, &leaf);

		if (mapped && leaf.pa != r->owner.pa + at)
			return false;
		if (!r->owner.raw &&
		    ml_frame_references(home->pool, r->owner.pa + at) != 1u + mapped)
			return false;
	}
	return true;
}

static void close_rivalry(struct rivalry *r)
{
	t_ok(references_are_exact(r));
	owner_leave(&r->owner);
}

static void race(enum world world, unsigned kind, bool raw, enum rival rival, ml_prot tried)
{
	struct rivalry r;
	struct home home;

	owner_home(&home, world, kind, NULL);
	open_rivalry(&r, &home, raw, rival);
	t_eq(ml_space_fault(&home.space, r.va, tried), ML_FAULT_RETRY);
	t_eq(ml_space_fault(&home.space, r.va, tried), outcome(&r, tried));
	if (rival == RIVAL_BESIDE) /* what was large is not any more */
		t_ok(home_rung(&home, r.va) < home_large_rung(&home));
	close_rivalry(&r);
}

TEST(who_faults_late_finds_what_the_others_left)
{
	EACH_HOME(world, kind)
	{
		for (int rival = 0; rival < RIVALS; rival++) {
			if (rival != RIVAL_INSERTS) {
				race(world, kind, false, (enum rival)rival, ML_READ);
				race(world, kind, false, (enum rival)rival, ML_WRITE);
			}
			race(world, kind, true, (enum rival)rival, ML_READ);
		}
	}
}

/* Pins and POPULATE come again by themselves. */
TEST(who_comes_again_by_itself_finds_it_too)
{
	EACH_HOME(world, kind)
	{
		for (int rival = 0; rival < RIVALS; rival++) {
			const bool gone = rival == RIVAL_UNMAPS;
			struct ml_extent extents[2];
			struct rivalry r;
			struct home home;
			size_t count;

			if (rival == RIVAL_INSERTS)
				continue;
			owner_home(&home, world, kind, NULL);
			open_rivalry(&r, &home, false, (enum rival)rival);
			t_eq(ml_space_advise(&home.space, r.va, r.owner.bytes, ML_ADVISE_POPULATE),
			     gone ? ML_ERR_NOT_MAPPED : ML_OK);
			close_rivalry(&r);
			owner_home(&home, world, kind, NULL);
			open_rivalry(&r, &home, false, (enum rival)rival);
			t_eq(ml_pin_pages(&home.space, r.va, r.owner.bytes, ML_READ, extents, 2,
					  &count),
			     gone ? ML_ERR_NOT_MAPPED : ML_OK);
			t_eq(count, !gone);
			ml_unpin_pages(&home.space, extents, count);
			close_rivalry(&r);
		}
	}
}

/* Two drivers for one slot: the second one sees the first one's leaf, whatever it brings. */
TEST(who_inserts_second_sees_the_first)
{
	EACH_HOME(world, kind)
	{
		struct state state = { 0 };
		struct ml_space *s;
		struct home home;
		unsigned rung;
		uint64_t large;
		ml_pa pa;
		ml_va va;

		owner_home(&home, world, kind, NULL);
		s = &home.space;
		large = home_large(&home);
		rung = (unsigned)home_large_rung(&home);
		va = s->first;
		pa = home.raw->first;
		t_eq(raw_map(&home, va, large, RAW_SHARED, NULL), ML_OK);
		t_eq(ml_insert_pfn(s, va, pa, rung, ML_WB, true), ML_OK);
		state_take(&state, &home);
		t_eq(ml_insert_pfn(s, va, pa, rung, ML_WB, true), ML_OK);
		t_eq(ml_insert_pfn(s, va, pa, 0, ML_WB, true), ML_OK);
		t_eq(ml_insert_pfn(s, va, pa + large, rung, ML_WB, true), ML_ERR_EXISTS);
		t_eq(ml_insert_pfn(s, va, pa + large, 0, ML_WB, true), ML_ERR_EXISTS);
		t_eq(ml_remap_pfn_range(s, va, large, pa, ML_WB), ML_ERR_EXISTS);
		t_ok(state_is_as_before(&state, &home));
		t_eq(ml_space_unmap(s, va, large), ML_OK);
		t_eq(raw_map(&home, va, large, RAW_SHARED, NULL), ML_OK);
		t_eq(ml_insert_pfn(s, va, pa, 0, ML_WB, true), ML_OK);
		state_take(&state, &home);
		t_eq(ml_insert_pfn(s, va, pa, rung, ML_WB, true), ML_ERR_EXISTS);
		t_eq(ml_remap_pfn_range(s, va, large, pa, ML_WB), ML_ERR_EXISTS);
		t_ok(state_is_as_before(&state, &home));
		state_release(&state);
		home_leave(&home);
	}
}
