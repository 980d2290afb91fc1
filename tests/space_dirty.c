/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/*
 * Nothing that was written to is dropped unheard: whichever way a counted page leaves a space, its
 * owner is told that it is dirty, in time and no more than its leaf says.
 */
#include <string.h>

#include "support/owner.h"
#include "support/rig.h"
#include "t.h"

#define PAGES 2048 /* of an owner, at most */

/* What the owner has heard, page by page. */
static struct {
	const struct owner *owner;
	unsigned char times[PAGES];
	uint64_t elsewhere; /* bytes of others */
	bool early, late;   /* before the invalidation was complete; after the reference had gone */
} heard;

static void hear_dirty(void *pool, ml_pa pa, uint64_t length)
{
	const struct owner *owner = heard.owner;
	const uint64_t page = home_page(owner->home);

	heard.early |= owner->home->arena->pending != 0;
	for (uint64_t at = 0; at < length; at += page) {
		const uint64_t number = (pa + at - owner->pa) / page;

		heard.late |= !ml_frame_references(pool, pa + at);
		if (pa + at - owner->pa < owner->bytes)
			heard.times[number]++;
		else
			heard.elsewhere += page;
	}
}

static struct ml_frames frames;

/* A home with a region of a file's pages, whose owner listens. */
static void move_in(struct owner *owner, struct home *home, enum world world, unsigned kind,
		    unsigned flags)
{
	frames = home_frame_ops;
	frames.dirty = hear_dirty;
	owner_move_in(owner, home, world, kind, false, flags, &frames);
	memset(&heard, 0, sizeof(heard));
	heard.owner = owner;
}

static uint64_t pages_of(const struct owner *owner)
{
	return owner->bytes / home_page(owner->home);
}

static ml_va va_of(const struct owner *owner, uint64_t page)
{
	return owner->home->space.first + page * home_page(owner->home);
}

/* Whether the leaf of the page says that it was written to. */
static bool is_dirty(const struct owner *owner, uint64_t page)
{
	struct ml_translation leaf;

	return !ml_translate(&owner->home->space.table, va_of(owner, page), &leaf) &&
	       ml_translation_prot(&owner->home->space.table, &leaf) & ML_DIRTY;
}

/* Every third page is stored to, every third only read. */
static void use(struct owner *owner)
{
	for (uint64_t page = 0; page < pages_of(owner); page++) {
		unsigned char byte;

		if (page % 3 == 0)
			t_ok(home_store(owner->home, va_of(owner, page), 1));
		else if (page % 3 == 1)
			t_ok(home_load(owner->home, va_of(owner, page), &byte));
	}
}

enum way {
	WAY_UNMAP,
	WAY_PIECES,
	WAY_STEPS,
	WAY_REPLACE,
	WAY_MOVE_OVER,
	WAY_MOVE_AWAY, /* half of it goes elsewhere, and out from there */
	WAY_SHRINK,    /* to one page, which is unmapped afterwards */
	WAY_NOT_NEEDED,
	WAY_REVOKE,
	WAY_EXIT,
	WAYS
};

static void unmap_in_steps(struct ml_space *s, ml_va va, uint64_t len)
{
	struct ml_step step = { .va = va, .len = len, .tables = 1 };

	while (step.len)
		T_REQUIRE(t_eq(ml_space_unmap_step(s, &step), ML_OK));
}

static void leave(struct owner *owner, enum way way)
{
	struct home *home = owner->home;
	struct ml_space *s = &home->space;
	const ml_va va = s->first, beside = va + owner->bytes;
	const uint64_t page = home_page(home), half = owner->bytes / 2;
	ml_va to = va;

	switch (way) {
	case WAY_UNMAP:
		t_eq(ml_space_unmap(s, va, owner->bytes), ML_OK);
		break;
	case WAY_PIECES:
		t_eq(ml_space_unmap(s, va, 5 * page), ML_OK);
		t_eq(ml_space_unmap(s, va + half - page, 2 * page), ML_OK);
		t_eq(ml_space_unmap(s, va, owner->bytes), ML_OK);
		break;
	case WAY_STEPS:
		unmap_in_steps(s, va, owner->bytes);
		break;
	case WAY_REPLACE:
		t_eq(ml_space_map(s, va, owner->bytes, &home_memory, ML_MAP_REPLACE, NULL), ML_OK);
		break;
	case WAY_MOVE_OVER:
		home_map(home, beside, owner->bytes, &home_memory);
		home_move(home, beside, owner->bytes, owner->bytes, va);
		break;
	case WAY_MOVE_AWAY:
		home_move(home, va, half, half, beside + page);
		t_eq(ml_space_unmap(s, va, 2 * owner->bytes), ML_OK);
		break;
	case WAY_SHRINK:
		t_eq(ml_space_move(s, va, owner->bytes, page, 0, &to), ML_OK);
		t_eq(ml_space_unmap(s, va, page), ML_OK);
		break;
	case WAY_NOT_NEEDED:
		t_eq(ml_space_advise(s, va, owner->bytes, ML_ADVISE_DONTNEED), ML_OK);
		break;
	case WAY_REVOKE:
		t_eq(ml_unmap_mapping_range(&owner->mapping, 0, 0, false), ML_OK);
		break;
	default:
		t_ok(home_close(home));
	}
}

static void go_out(enum world world, unsigned kind, enum way way, unsigned flags, unsigned most)
{
	static bool dirty[PAGES];
	struct owner owner;
	struct home home;
	uint64_t page;
	bool tracks;

	move_in(&owner, &home, world, kind, ML_REGION_SHARED | flags);
	tracks = home.space.table.track_ad;
	owner.most = most;
	use(&owner);
	for (page = 0; page < pages_of(&owner); page++) {
		dirty[page] = is_dirty(&owner, page);
		t_ok(dirty[page] || page % 3 != 0);
		if (flags & ML_REGION_NO_HUGE) /* a mark, or the right to write, is a page's own */
			t_eq(dirty[page], page % 3 == 0 || (page % 3 == 1 && !tracks));
	}
	leave(&owner, way);
	for (page = 0; page < pages_of(&owner); page++)
		t_eq(heard.times[page], dirty[page]);
	t_ok(!heard.early && !heard.late && !heard.elsewhere);
	if (way != WAY_EXIT)
		t_ok(home_close(&home));
	t_ok(owner_close(&owner));
	t_ok(home_is_empty(world));
}

TEST(every_way_out_tells_what_was_written_to)
{
	EACH_HOME(world, kind)
	{
		for (int way = 0; way < WAYS; way++) {
			go_out(world, kind, (enum way)way, ML_REGION_NO_HUGE, 0);
			go_out(world, kind, (enum way)way, 0, 0); /* groups form */
			go_out(world, kind, (enum way)way, 0, ML_RUNG_MAX);
		}
	}
}

/* A child has written nothing yet; what it writes it tells itself. */
TEST(a_fork_tells_what_it_wrote_itself)
{
	EACH_HOME(world, kind)
	{
		struct home home, child;
		struct owner owner;

		move_in(&owner, &home, world, kind, ML_REGION_SHARED | ML_REGION_NO_HUGE);
		owner_home(&child, world, kind, &frames);
		t_ok(home_store(&home, va_of(&owner, 1), 1));
		t_ok(home_store(&home, va_of(&owner, 2), 1));
		t_eq(ml_space_fork(&child.space, &home.space), ML_OK);
		t_ok(home_store(&child, va_of(&owner, 2), 2));
		t_ok(home_close(&child));
		t_eq(heard.times[1], 0);
		t_eq(heard.times[2], 1);
		memset(heard.times, 0, sizeof(heard.times));
		t_eq(ml_space_unmap(&home.space, home.space.first, owner.bytes), ML_OK);
		t_eq(heard.times[1], 1);
		t_eq(heard.times[2], 1);
		owner_leave(&owner);
	}
}

/* Who writes to a copy has not written to what was copied. */
TEST(a_private_copy_says_nothing_of_the_original)
{
	EACH_HOME(world, kind)
	{
		struct owner owner;
		struct home home;
		unsigned char byte;

		move_in(&owner, &home, world, kind, ML_REGION_NO_HUGE);
		t_ok(home_load(&home, va_of(&owner, 1), &byte));
		t_ok(home_store(&home, va_of(&owner, 1), 1));
		t_ok(home_store(&home, va_of(&owner, 2), 1));
		t_eq(heard.elsewhere, 0);
		t_eq(ml_space_unmap(&home.space, home.space.first, owner.bytes), ML_OK);
		t_eq(heard.elsewhere, 2 * home_page(&home));
		for (uint64_t page = 0; page < pages_of(&owner); page++)
			t_eq(heard.times[page], 0);
		owner_leave(&owner);
	}
}

/* Rights that went and came do not take the mark along. */
TEST(a_mark_outlives_the_right_to_write)
{
	EACH_HOME(world, kind)
	{
		struct owner owner;
		struct home home;

		move_in(&owner, &home, world, kind, ML_REGION_SHARED | ML_REGION_NO_HUGE);
		for (unsigned page = 0; page < 4; page++)
			t_ok(home_store(&home, va_of(&owner, page), 1));
		t_eq(ml_space_protect(&home.space, va_of(&owner, 0), owner.bytes, ML_READ), ML_OK);
		t_eq(ml_space_unmap(&home.space, va_of(&owner, 0), home_page(&home)), ML_OK);
		t_eq(heard.times[0], 1);
		t_eq(ml_space_protect(&home.space, va_of(&owner, 1), home_page(&home), 0), ML_OK);
		t_eq(ml_space_unmap(&home.space, va_of(&owner, 1), home_page(&home)), ML_OK);
		t_eq(heard.times[1], 1);
		t_eq(ml_space_protect(&home.space, va_of(&owner, 2), home_page(&home), ML_RW),
		     ML_OK);
		t_eq(ml_space_unmap(&home.space, va_of(&owner, 2), 2 * home_page(&home)), ML_OK);
		t_eq(heard.times[2], 1);
		t_eq(heard.times[3], 1);
		owner_leave(&owner);
	}
}

/* ---- marks of the last moment ----------------------------------------------------------- */

static struct {
	struct rig rig;
	ml_pte *leaf; /* where hardware may still set a mark; NULL: nowhere */
	ml_pte was;
	bool clean; /* until the table changes */
} last;

/* A store that was under way when the entry was looked at. */
static void mark_late(const void *entry, bool writes)
{
	(void)entry;
	if (writes && last.leaf && *last.leaf == last.was)
		rig_mark(&last.rig, last.leaf, true);
}

static void forget_late(void *cookie, const struct ml_event *event)
{
	(void)cookie;
	if (event->kind == ML_EVENT_COMPLETE || event->kind == ML_EVENT_FREE)
		last.leaf = NULL;
}

static void mark_at_last(struct home *home, struct owner *owner, uint64_t page, uint64_t len)
{
	struct ml_trace trace = { .arena = home->arena, .watch = forget_late, .forget = true };
	struct ml_model_result seen;

	t_eq(ml_model_walk(&home->model, va_of(owner, page), ML_MODEL_READ, true, &seen),
	     ML_MODEL_OK);
	last.rig.model = home->model;
	last.leaf = ml_arena_pointer(home->arena, seen.entry_pa, sizeof(ml_pte));
	last.was = *last.leaf;
	t_ok(!is_dirty(owner, page));
	ml_trace_to(&trace);
	ml_doors.turn = mark_late;
	t_eq(ml_space_unmap(&home->space, va_of(owner, page), len), ML_OK);
	ml_doors.turn = NULL;
	ml_trace_to(NULL);
	t_eq(heard.times[page], 1);
}

TEST(a_mark_that_comes_at_last_is_heard)
{
	FOR_EACH_WORLD(world)
	{
		const unsigned hardware = 3;
		struct owner owner;
		struct home home;
		unsigned char byte;

		move_in(&owner, &home, world, hardware, ML_REGION_SHARED | ML_REGION_NO_HUGE);
		t_ok(home_load(&home, va_of(&owner, 1), &byte));
		t_ok(home_load(&home, va_of(&owner, 2), &byte));
		t_ok(home_load(&home, va_of(&owner, 3), &byte));
		mark_at_last(&home, &owner, 1, home_page(&home));
		mark_at_last(&home, &owner, 2, owner.bytes - 2 * home_page(&home));
		t_eq(heard.times[3], 0);
		owner_leave(&owner);

		move_in(&owner, &home, world, hardware, ML_REGION_SHARED);
		t_ok(home_load(&home, va_of(&owner, 0), &byte));
		t_ok(home_rung(&home, va_of(&owner, 0)) > 0);
		mark_at_last(&home, &owner, 0, owner.bytes);
		owner_leave(&owner);

		/* a whole table goes, and is read when walkers have left it */
		move_in(&owner, &home, world, hardware, ML_REGION_SHARED | ML_REGION_NO_HUGE);
		t_ok(home_load(&home, va_of(&owner, 0), &byte));
		t_ok(home_load(&home, va_of(&owner, 1), &byte));
		mark_at_last(&home, &owner, 0, owner.bytes);
		t_eq(heard.times[1], 0);
		owner_leave(&owner);
	}
}
