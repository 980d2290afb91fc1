/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* Advice: taking out, bringing in beforehand, leaf sizes. */
#include <string.h>

#include "support/owner.h"
#include "support/state.h"
#include "t.h"

static const struct ml_region_spec small = { .prot = ML_RW | ML_WB,
					     .may = ML_RIGHTS,
					     .flags = ML_REGION_NO_HUGE };

static void advise(struct home *home, ml_va va, uint64_t len, enum ml_advice advice)
{
	t_eq(ml_space_advise(&home->space, va, len, advice), ML_OK);
	t_ok(home_is_sound(home));
}

/* A number for every page. */
static unsigned char mark_of(const struct home *home, ml_va va)
{
	return (unsigned char)((va - home->space.first) / home_page(home) % 250 + 1);
}

/* Write to each page of the range, from the last one down, so that their frames are scattered. */
static void write_backwards(struct home *home, ml_va va, uint64_t len)
{
	const uint64_t page = home_page(home);
	ml_va at;

	for (at = va + len - page; at >= va && at < va + len; at -= page)
		t_ok(home_store(home, at + page / 2, mark_of(home, at)));
}

/* The pages are as write_backwards() left them. */
static void compare_marks(struct home *home, ml_va va, uint64_t len)
{
	const uint64_t page = home_page(home);
	ml_va at;

	for (at = va; at < va + len; at += page) {
		unsigned char byte = 0;

		t_ok(home_load(home, at + page / 2, &byte));
		t_eq(byte, mark_of(home, at));
		t_ok(home_load(home, at + page / 2 + 1, &byte));
		t_eq(byte, 0);
	}
}

TEST(what_is_not_needed_comes_back_as_zeroes)
{
	EACH_HOME(world, kind)
	{
		struct home home;
		uint64_t page, large;
		ml_va va;

		owner_home(&home, world, kind, NULL);
		page = home_page(&home);
		large = home_large(&home);
		va = home.space.first;
		home_map(&home, va, 2 * large, &home_memory);
		write_backwards(&home, va, 2 * large);
		advise(&home, va + page, large, ML_ADVISE_DONTNEED);
		compare_marks(&home, va, page);
		compare_marks(&home, va + large + page, large - page);
		t_eq(home_rung(&home, va + page), -1);
		t_ok(owner_page_holds(&home, va + page, 0));
		t_ok(owner_page_holds(&home, va + large, 0));
		t_eq(home.space.regions, 1);
		home_leave(&home);
	}
}

TEST(what_is_not_needed_comes_back_from_its_owner)
{
	EACH_HOME(world, kind)
	{
		for (unsigned raw = 0; raw < 2; raw++) {
			struct owner owner;
			struct home home;
			uint64_t page;
			ml_va va;

			owner_move_in(&owner, &home, world, kind, raw, 0, NULL);
			va = home.space.first;
			page = home_page(&home);
			t_ok(home_store(&home, va, 200));
			t_ok(home_store(&home, va + page, 201));
			advise(&home, va + page, page, ML_ADVISE_DONTNEED);
			t_ok(ml_space_find(&home.space, va)->copied);
			t_ok(owner_page_holds(&home, va + page, 2));
			advise(&home, va, owner.bytes, ML_ADVISE_DONTNEED);
			t_ok(!ml_space_find(&home.space, va)->copied);
			t_ok(owner_page_holds(&home, va, 1));
			t_ok(owner_is_untouched(&owner));
			owner_leave(&owner);
		}
	}
}

TEST(what_would_not_come_back_is_not_taken_out)
{
	EACH_HOME(world, kind)
	{
		struct state state = { 0 };
		struct ml_space *s;
		struct home home;
		uint64_t page;
		ml_va va;

		owner_home(&home, world, kind, NULL);
		s = &home.space;
		va = s->first;
		page = home_page(&home);
		home_map(&home, va, page, &home_memory);
		home_map(&home, va + page, page, &home_device);
		t_ok(home_store(&home, va, 1));
		state_take(&state, &home);
		t_eq(ml_space_advise(s, va, 2 * page, ML_ADVISE_DONTNEED), ML_ERR_REFUSED);
		t_eq(ml_space_advise(s, va, 3 * page, ML_ADVISE_DONTNEED), ML_ERR_NOT_MAPPED);
		t_eq(ml_space_advise(s, va, 0, ML_ADVISE_DONTNEED), ML_ERR_EMPTY);
		t_eq(ml_space_advise(s, va + 1, page, ML_ADVISE_DONTNEED), ML_ERR_ALIGN);
		t_eq(ml_space_advise(s, va, page, (enum ml_advice)99), ML_ERR_ARGUMENT);
		t_ok(state_is_as_before(&state, &home));
		state_release(&state);
		home_leave(&home);
	}
}

/* ---- populating ------------------------------------------------------------------ */

TEST(what_is_populated_does_not_fault)
{
	EACH_HOME(world, kind)
	{
		for (unsigned write = 0; write < 2; write++) {
			struct home home;
			uint64_t page, len;
			ml_va va, at;

			owner_home(&home, world, kind, NULL);
			page = home_page(&home);
			len = 2 * home_large(&home) - page;
			va = home.space.first + page;
			home_map(&home, va, len, &home_memory);
			if (write)
				t_ok(!home_store(&home, va - page, 1));
			home.faults = 0;
			advise(&home, va, len,
			       write ? ML_ADVISE_POPULATE_WRITE : ML_ADVISE_POPULATE);
			for (at = va; at < va + len; at += page) {
				unsigned char byte = 1;

				t_ok(write ? home_store(&home, at, 1)
					   : home_load(&home, at, &byte));
			}
			t_eq(home.faults, 0);
			t_eq(home_rung(&home, va), 0);
			t_ok(home_rung(&home, va + home_large(&home)) > 0);
			advise(&home, va, len, ML_ADVISE_POPULATE);
			home_leave(&home);
		}
	}
}

TEST(the_owner_is_asked_once_for_each_leaf)
{
	EACH_HOME(world, kind)
	{
		for (unsigned raw = 0; raw < 2; raw++) {
			struct owner owner;
			struct home home;
			unsigned leaves;

			owner_move_in(&owner, &home, world, kind, raw, ML_REGION_SHARED, NULL);
			advise(&home, home.space.first, owner.bytes, ML_ADVISE_POPULATE);
			leaves = (unsigned)(owner.bytes >>
					    home.facts->format->rungs[owner.first.rung].shift);
			t_eq(owner.asked, leaves);
			advise(&home, home.space.first, owner.bytes, ML_ADVISE_POPULATE_WRITE);
			t_eq(owner.asked, leaves);
			owner_leave(&owner);
		}
	}
}

TEST(populating_private_memory_for_writes_copies_it)
{
	EACH_HOME(world, kind)
	{
		for (unsigned raw = 0; raw < 2; raw++) {
			struct owner owner;
			struct home home;
			uint64_t page;

			owner_move_in(&owner, &home, world, kind, raw, 0, NULL);
			page = home_page(&home);
			advise(&home, home.space.first, 3 * page, ML_ADVISE_POPULATE);
			advise(&home, home.space.first, 3 * page, ML_ADVISE_POPULATE_WRITE);
			home.faults = 0;
			t_ok(home_store(&home, home.space.first + 2 * page + 1, 7));
			t_eq(home.faults, 0);
			t_ok(owner_is_untouched(&owner));
			owner_leave(&owner);
		}
	}
}

static unsigned retries;

/* Lets go of the lock a few times. */
static enum ml_fault_result reluctant(struct ml_fault_request *request)
{
	if (retries) {
		retries--;
		return ML_FAULT_RETRY;
	}
	request->raw = true;
	request->pa = ((struct owner *)request->region->mapping->owner)->pa + request->offset;
	return ML_FAULT_DONE;
}

TEST(populating_stops_where_it_must)
{
	EACH_HOME(world, kind)
	{
		struct owner owner;
		struct ml_space *s;
		struct home home;
		uint64_t page;
		ml_va va;

		owner_move_in(&owner, &home, world, kind, true, ML_REGION_SHARED, NULL);
		s = &home.space;
		va = s->first;
		page = home_page(&home);
		owner.ops.fault = reluctant;
		retries = 3;
		t_eq(ml_space_advise(s, va, page, ML_ADVISE_POPULATE), ML_OK);
		t_eq(retries, 0);
		t_eq(ml_space_unmap(s, va, page), ML_OK);
		retries = 1000;
		t_eq(ml_space_advise(s, va + owner.bytes / 2, page, ML_ADVISE_POPULATE),
		     home_rung(&home, va + owner.bytes / 2) < 0 ? ML_ERR_CONTENDED : ML_OK);
		t_ok(retries > 900);
		retries = 0;
		owner.ops.fault = NULL;
		home_map(&home, va, page, &home_memory);
		t_eq(ml_space_protect(s, va + page, page, ML_READ), ML_OK);
		t_eq(ml_space_advise(s, va, 2 * page, ML_ADVISE_POPULATE_WRITE), ML_ERR_ACCESS);
		t_eq(home_rung(&home, va), 0); /* what was done stays */
		t_eq(ml_space_unmap(s, va + page, owner.bytes - page), ML_OK);
		home_map(&home, va + page, page, &home_device);
		t_eq(ml_space_advise(s, va + page, page, ML_ADVISE_POPULATE), ML_ERR_FAULT);
		owner_leave(&owner);
	}
}

/* ---- sizes ----------------------------------------------------------------------- */

static bool never(const struct ml_region *region, ml_va va)
{
	(void)region, (void)va;
	return false;
}

TEST(sizes_are_a_matter_of_regions)
{
	EACH_HOME(world, kind)
	{
		struct state state = { 0 };
		struct owner owner;
		struct ml_space *s;
		struct home home;
		uint64_t page, large;
		unsigned n;
		ml_va va;

		owner_move_in(&owner, &home, world, kind, false, 0, NULL);
		s = &home.space;
		va = s->first;
		page = home_page(&home);
		large = home_large(&home);
		t_eq(ml_space_fault(s, va, ML_READ), ML_FAULT_DONE);
		state_take(&state, &home);
		owner.ops.may_split = never;
		t_eq(ml_space_advise(s, va + page, page, ML_ADVISE_NO_HUGE), ML_ERR_REFUSED);
		t_eq(ml_space_advise(s, va + page, page, ML_ADVISE_HUGE), ML_OK);
		owner.ops.may_split = NULL;
		for (n = 1; n <= 2; n++) {
			home_fail_nth = n;
			t_eq(ml_space_advise(s, va + page, page, ML_ADVISE_NO_HUGE),
			     ML_ERR_NO_MEMORY);
			home_fail_nth = 0;
			t_ok(state_is_as_before(&state, &home));
		}
		advise(&home, va + page, page, ML_ADVISE_NO_HUGE);
		t_eq(s->regions, 3);
		t_eq(ml_space_find(s, va + page)->flags, ML_REGION_NO_HUGE);
		t_eq(ml_space_find(s, va)->flags | ml_space_find(s, va + 2 * page)->flags, 0);
		t_ok(home_rung(&home, va + page) > 0); /* what stands stays */
		advise(&home, va, owner.bytes, ML_ADVISE_NO_HUGE);
		t_eq(s->regions, 1);
		t_eq(ml_space_unmap(s, va, large), ML_OK);
		t_eq(ml_space_fault(s, va + large, ML_READ),
		     home_rung(&home, va + large) < 0 ? ML_FAULT_DONE : ML_FAULT_SPURIOUS);
		t_ok(owner.last.rung == 0 || owner.asked == 1);
		advise(&home, va + large, large, ML_ADVISE_HUGE);
		t_eq(ml_space_find(s, va + large)->flags, 0);
		state_release(&state);
		owner_leave(&owner);
	}
}

/* S1.6: a border across a leaf changes no entry; it comes apart when one side changes. */
TEST(a_border_inside_a_leaf_is_none_of_its_business)
{
	EACH_HOME(world, kind)
	{
		struct home home;
		uint64_t large, page, at;
		ml_prot prot;
		ml_va va;
		ml_pa pa;
		int rung;

		owner_home(&home, world, kind, NULL);
		va = home.space.first;
		large = home_large(&home);
		page = home_page(&home);
		home_map(&home, va, large, &home_memory);
		t_ok(home_store(&home, va, 1));
		rung = home_rung(&home, va);
		prot = home_prot(&home, va);
		pa = home_leaf(&home, va).pa;
		ml_doors = (struct ml_doors){ 0 };
		advise(&home, va + large / 2, large / 2, ML_ADVISE_NO_HUGE);
		t_eq(home.space.regions, 2);
		t_eq(ml_doors.stores + ml_doors.fills + ml_doors.links + ml_doors.exchanges, 0);
		t_eq(home_rung(&home, va + large / 2 - page), rung);
		t_eq(home_rung(&home, va + large / 2), rung);
		t_ok(home_is_sound(&home));
		t_eq(ml_space_protect(&home.space, va + large / 2, large / 2, ML_READ), ML_OK);
		for (at = 0; at < large; at += page) {
			t_eq(home_leaf(&home, va + at).pa, pa + at);
			t_eq(home_prot(&home, va + at), at < large / 2 ? prot : prot & ~ML_WRITE);
			t_ok(home_rung(&home, va + at) < rung);
		}
		home_leave(&home);
	}
}

/* ---- collapsing ------------------------------------------------------------------ */

/* Small private pages at the first large place, scattered, all written but `holes` at its end. */
static ml_va open_scattered(struct home *home, enum world world, unsigned kind, unsigned holes,
			    const struct ml_frames *frames)
{
	const struct ml_frames *usual = frames ? frames : &home_frame_ops;
	ml_va va;

	owner_home(home, world, kind, usual);
	va = home->space.first;
	home_map(home, va, home_large(home), &small);
	write_backwards(home, va, home_large(home) - holes * home_page(home));
	t_eq(home_rung(home, va), 0);
	advise(home, va, home_large(home), ML_ADVISE_HUGE);
	return va;
}

/* What nobody asked to be zero is not. */
static bool alloc_used(void *cookie, uint64_t bytes, bool zero, ml_pa *pa)
{
	const bool got = home_frame_ops.alloc(cookie, bytes, zero, pa);

	if (got && !zero)
		memset(ml_frame_pointer(cookie, *pa), 0xcc, bytes);
	return got;
}

TEST(scattered_pages_become_one_leaf)
{
	EACH_HOME(world, kind)
	{
		for (unsigned holes = 0; holes < 2; holes++) {
			struct ml_frames frames = home_frame_ops;
			struct home home;
			uint64_t large, free_pages;
			ml_va va;

			frames.alloc = alloc_used;
			va = open_scattered(&home, world, kind, holes, &frames);
			large = home_large(&home);
			free_pages = home.pool->free_pages;
			advise(&home, va, large, ML_ADVISE_COLLAPSE);
			t_eq(home_rung(&home, va), home_large_rung(&home));
			t_eq(home.pool->free_pages, free_pages - holes);
			home.faults = 0;
			compare_marks(&home, va, large - holes * home_page(&home));
			if (holes)
				t_ok(owner_page_holds(&home, va + large - home_page(&home), 0));
			t_ok(home_store(&home, va, 1));
			t_eq(home.faults, 0);
			advise(&home, va, large, ML_ADVISE_COLLAPSE); /* nothing to do */
			t_eq(home.pool->free_pages, free_pages - holes);
			home_leave(&home);
		}
	}
}

static struct home *watched;
static unsigned put_calls, put_too_early, begun;

static void put_in_order(void *cookie, ml_pa pa, uint64_t length)
{
	put_calls++;
	put_too_early += watched && watched->arena->pending;
	ml_frame_pool_frames.put(cookie, pa, length);
}

/* What is copied cannot be written to any more: not by who holds an old translation, either. */
static void copy_of_what_is_still(void *cookie, ml_pa to, ml_pa from, uint64_t length)
{
	struct ml_cursor all = { 0, ~(ml_va)0, false };
	struct ml_run run;

	t_ok(!watched->arena->pending);
	while (ml_run_next(&watched->space.table, &all, &run))
		t_ok(!(run.prot & ML_WRITE) || from - run.pa >= run.length);
	home_frame_ops.copy(cookie, to, from, length);
}

static void note_begin(struct ml_notifier *notifier, ml_va va, uint64_t len)
{
	(void)notifier, (void)va, (void)len;
	t_eq(put_calls, 0);
	begun++;
}

TEST(collapsing_keeps_the_order)
{
	EACH_HOME(world, kind)
	{
		struct ml_notifier notifier = { note_begin, NULL, NULL };
		struct ml_frames frames = home_frame_ops;
		struct home home;
		ml_va va;

		frames.put = put_in_order;
		frames.copy = copy_of_what_is_still;
		va = open_scattered(&home, world, kind, 0, &frames);
		ml_space_notify(&home.space, &notifier);
		put_calls = put_too_early = begun = 0;
		watched = &home;
		advise(&home, va, home_large(&home), ML_ADVISE_COLLAPSE);
		watched = NULL;
		ml_space_unnotify(&home.space, &notifier);
		t_ok(put_calls > 0);
		t_eq(put_too_early, 0);
		t_eq(begun, 1);
		home_leave(&home);
	}
}

/* One step of failure after the other: no frames of that size, no table for the deposit. */
TEST(collapsing_that_fails_has_changed_nothing)
{
	EACH_HOME(world, kind)
	{
		struct state state = { 0 };
		struct home home;
		uint64_t large;
		ml_va va;
		int error;

		va = open_scattered(&home, world, kind, 1, NULL);
		large = home_large(&home);
		state_take(&state, &home);
		home.arena->fail_nth = 1;
		error = ml_space_advise(&home.space, va, large, ML_ADVISE_COLLAPSE);
		if (home.arena->fail_nth) { /* no table was asked for */
			t_eq(error, ML_OK);
		} else if (error) {
			t_eq(error, ML_ERR_NO_MEMORY);
			t_ok(state_is_as_before(&state, &home));
		}
		home.arena->fail_nth = 0;
		advise(&home, va, large, ML_ADVISE_COLLAPSE);
		compare_marks(&home, va, large - home_page(&home));
		state_release(&state);
		home_leave(&home);
	}
}

static bool no_large_frames(void *cookie, uint64_t bytes, bool zero, ml_pa *pa)
{
	return bytes <= 4096 && home_frame_ops.alloc(cookie, bytes, zero, pa);
}

TEST(where_there_are_no_large_frames_it_says_so)
{
	EACH_HOME(world, kind)
	{
		struct ml_frames frames = home_frame_ops;
		struct state state = { 0 };
		struct home home;
		ml_va va;

		frames.alloc = no_large_frames;
		va = open_scattered(&home, world, kind, 0, &frames);
		state_take(&state, &home);
		t_eq(ml_space_advise(&home.space, va, home_large(&home), ML_ADVISE_COLLAPSE),
		     ML_ERR_NO_MEMORY);
		t_ok(state_is_as_before(&state, &home));
		state_release(&state);
		home_leave(&home);
	}
}

/* In sequence already: no copy. */
TEST(frames_in_sequence_are_folded)
{
	EACH_HOME(world, kind)
	{
		for (unsigned raw = 0; raw < 2; raw++) {
			struct owner owner;
			struct home home;
			uint64_t free_pages;
			ml_va va;

			owner_move_in(&owner, &home, world, kind, raw, ML_REGION_SHARED, NULL);
			va = home.space.first;
			owner.most = 0;
			advise(&home, va, owner.bytes, ML_ADVISE_POPULATE);
			free_pages = home.pool->free_pages;
			advise(&home, va, owner.bytes, ML_ADVISE_COLLAPSE);
			t_ok(home_rung(&home, va) >= home_large_rung(&home));
			t_eq(home.pool->free_pages, free_pages);
			owner_leave(&owner);
		}
	}
}

TEST(what_may_not_be_moved_stays_where_it_is)
{
	EACH_HOME(world, kind)
	{
		struct ml_translation leaf = { 0 };
		struct state state = { 0 };
		struct home home;
		uint64_t large, page;
		ml_va va;

		va = open_scattered(&home, world, kind, 0, NULL);
		large = home_large(&home);
		page = home_page(&home);
		t_eq(ml_translate(&home.space.table, va + large - page, &leaf), ML_OK);
		ml_frame_pool_frames.get(home.pool, leaf.pa, page);
		advise(&home, va, large, ML_ADVISE_COLLAPSE);
		t_eq(ml_translate(&home.space.table, va + large - page, &leaf), ML_OK);
		t_ok(home_rung(&home, va + large - page) < home_large_rung(&home));
		t_eq(ml_frame_references(home.pool, leaf.pa), 2);
		ml_frame_pool_frames.put(home.pool, leaf.pa, page);
		advise(&home, va, large, ML_ADVISE_NO_HUGE);
		state_take(&state, &home);
		advise(&home, va, large, ML_ADVISE_COLLAPSE);
		t_ok(state_is_as_before(&state, &home));
		t_eq(ml_space_unmap(&home.space, va, large), ML_OK);
		home_map(&home, va, large, &home_memory);
		advise(&home, va, large, ML_ADVISE_COLLAPSE); /* empty */
		t_eq(home_rung(&home, va), -1);
		state_release(&state);
		home_leave(&home);
	}
}

TEST(what_may_only_be_read_stays_so)
{
	EACH_HOME(world, kind)
	{
		struct home home;
		uint64_t large;
		ml_va va;

		va = open_scattered(&home, world, kind, 1, NULL);
		large = home_large(&home);
		t_eq(ml_space_protect(&home.space, va, large, ML_READ), ML_OK);
		advise(&home, va, large, ML_ADVISE_COLLAPSE);
		t_eq(home_rung(&home, va), home_large_rung(&home));
		t_ok(!home_store(&home, va, 1));
		compare_marks(&home, va, large - home_page(&home));
		t_eq(ml_space_protect(&home.space, va, large, 0), ML_OK);
		t_eq(home_rung(&home, va), home_large_rung(&home));
		home_leave(&home);
	}
}
