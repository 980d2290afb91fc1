/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* Faults: what is brought in, in which sizes, by whom, and what is said where nothing is. */
#include <maxleaf/pte.h>

#include "support/owner.h"
#include "support/state.h"
#include "t.h"

TEST(zeroes_appear_in_the_largest_leaf_that_fits)
{
	EACH_HOME(world, kind)
	{
		struct home home;
		uint64_t page, len;
		ml_va first, va;

		owner_home(&home, world, kind, NULL);
		page = home_page(&home);
		len = 2 * home_large(&home) - 3 * page;
		first = home.space.first + 2 * page;
		home_map(&home, first, len, &home_memory);
		for (va = first; va < first + len; va += page) {
			const bool fresh = home_rung(&home, va) < 0;
			unsigned char byte = 1;

			t_ok(home_load(&home, va + 5, &byte));
			t_eq(byte, 0);
			t_ok(!fresh || !(home_prot(&home, va) & ML_WRITE));
			if (fresh && home.space.table.fold == ML_FOLD_MAP)
				t_eq(home_rung(&home, va),
				     home_best_rung(&home, va, first, len, home.space.table.rungs));
			t_ok(home_store(&home, va + 5, (unsigned char)(va / page)));
		}
		t_ok(home_is_sound(&home));
		for (va = first; va < first + len; va += page) {
			unsigned char byte = 0;

			t_ok(home_load(&home, va + 5, &byte));
			t_eq(byte, (unsigned char)(va / page));
			t_ok(home_load(&home, va + 6, &byte));
			t_eq(byte, 0);
		}
		home_leave(&home);
	}
}

TEST(a_write_brings_in_what_is_writable_at_once)
{
	EACH_HOME(world, kind)
	{
		struct home home;

		owner_home(&home, world, kind, NULL);
		home_map(&home, home.space.first, home_large(&home), &home_memory);
		t_eq(ml_space_fault(&home.space, home.space.first + 1, ML_WRITE), ML_FAULT_DONE);
		t_eq(home_prot(&home, home.space.first) & (ML_WRITE | ML_PROT_AD | ML_SPECIAL),
		     ML_WRITE | ML_PROT_AD);
		t_eq(ml_space_fault(&home.space, home.space.first, ML_WRITE), ML_FAULT_SPURIOUS);
		t_eq(ml_space_fault(&home.space, home.space.first, ML_READ), ML_FAULT_SPURIOUS);
		t_eq(home_rung(&home, home.space.first),
		     home_best_rung(&home, home.space.first, home.space.first, home_large(&home),
				    ~0u));
		home_leave(&home);
	}
}

TEST(what_stands_there_makes_it_smaller)
{
	EACH_HOME(world, kind)
	{
		struct ml_region_spec small = home_memory;
		struct home home;
		uint64_t page, large;
		ml_va first;

		small.flags = ML_REGION_NO_HUGE;
		owner_home(&home, world, kind, NULL);
		page = home_page(&home);
		large = home_large(&home);
		first = home.space.first;
		home_map(&home, first, 2 * large, &small);
		t_ok(home_store(&home, first, 1));
		t_eq(home_rung(&home, first), 0);
		t_eq(ml_space_advise(&home.space, first, 2 * large, ML_ADVISE_HUGE), ML_OK);
		t_ok(home_store(&home, first + page, 2));
		t_eq(home_rung(&home, first + page), 0);
		t_ok(home_store(&home, first + large - page, 3));
		t_ok(home_rung(&home, first + large - page) <
		     home_best_rung(&home, first, first, large, ~0u));
		t_ok(home_store(&home, first + large, 4));
		t_eq(home_rung(&home, first + large),
		     home_best_rung(&home, first + large, first + large, large, ~0u));
		t_ok(home_is_sound(&home));
		t_ok(owner_page_holds(&home, first + 2 * page, 0));
		home_leave(&home);
	}
}

static uint64_t begun, ended;

static void count_begin(struct ml_notifier *notifier, ml_va va, uint64_t len)
{
	(void)notifier, (void)va, (void)len;
	begun++;
}

static void count_end(struct ml_notifier *notifier, ml_va va, uint64_t len)
{
	(void)notifier, (void)va, (void)len;
	ended++;
}

TEST(what_nobody_may_do_and_where_nothing_is)
{
	EACH_HOME(world, kind)
	{
		struct ml_notifier notifier = { count_begin, count_end, NULL };
		struct ml_region_spec spec = home_memory;
		struct ml_space *s;
		struct home home;
		uint64_t page;
		ml_va va;

		begun = ended = 0;
		owner_home(&home, world, kind, NULL);
		s = &home.space;
		ml_space_notify(s, &notifier);
		page = home_page(&home);
		va = s->first;
		spec.prot = ML_READ | ML_WB;
		home_map(&home, va, page, &spec);
		spec.prot = ML_WB;
		home_map(&home, va + page, page, &spec);
		spec.prot = ML_EXEC | ML_WB;
		home_map(&home, va + 2 * page, page, &spec);
		home_map(&home, va + 3 * page, page, &home_device);
		t_eq(ml_space_fault(s, va, ML_WRITE), ML_FAULT_ACCESS);
		t_eq(ml_space_fault(s, va, ML_EXEC), ML_FAULT_ACCESS);
		t_eq(ml_space_fault(s, va + page, ML_READ), ML_FAULT_ACCESS);
		t_eq(ml_space_fault(s, va + 2 * page, ML_WRITE), ML_FAULT_ACCESS);
		t_eq(ml_space_fault(s, va + 3 * page, ML_READ), ML_FAULT_BUS);
		t_eq(ml_space_fault(s, va + 3 * page, ML_WRITE), ML_FAULT_BUS);
		t_eq(ml_space_fault(s, va + 4 * page, ML_READ), ML_FAULT_NO_REGION);
		t_eq(s->table.stats.tables, 1);
		t_eq(ml_space_fault(s, va + 2 * page, ML_READ), ML_FAULT_DONE);
		t_eq(ml_space_fault(s, va + 2 * page, ML_EXEC), ML_FAULT_SPURIOUS);
		t_eq(begun, 0); /* nothing was taken away */
		t_ok(home_is_sound(&home));
		ml_space_unnotify(s, &notifier);
		home_leave(&home);
	}
}

/* ---- marks ----------------------------------------------------------------------- */

TEST(marks_come_to_the_whole_leaf_without_a_split)
{
	EACH_HOME(world, kind)
	{
		struct ml_table *t;
		struct home home;
		uint64_t large, splits, invalidations;
		ml_va va;
		int rung;

		owner_home(&home, world, kind, NULL);
		t = &home.space.table;
		large = home_large(&home);
		va = home.space.first;
		home_map(&home, va, large, &home_memory);
		t_eq(ml_space_fault(&home.space, va, ML_WRITE), ML_FAULT_DONE);
		rung = home_rung(&home, va);
		t_eq(ml_protect(t, va, large, ML_PROT_AD, 0, NULL), ML_OK);
		splits = t->stats.splits;
		invalidations = t->stats.invalidations;
		t_eq(ml_space_fault(&home.space, va + large - 1, ML_READ), ML_FAULT_DONE);
		t_eq(home_prot(&home, va) & ML_PROT_AD, ML_ACCESSED | (t->track_ad ? 0 : ML_DIRTY));
		t_eq(ml_space_fault(&home.space, va, ML_READ), ML_FAULT_SPURIOUS);
		t_eq(t->stats.invalidations, invalidations); /* no TLB holds what is not accessed */
		t_eq(ml_space_fault(&home.space, va, ML_WRITE),
		     t->track_ad ? ML_FAULT_DONE : ML_FAULT_SPURIOUS);
		t_eq(home_prot(&home, va + large - 1) & ML_PROT_AD, ML_PROT_AD);
		t_eq(t->stats.invalidations, invalidations + (t->live ? 1 : 0));
		t_eq(t->stats.splits, splits);
		t_eq(home_rung(&home, va), rung);
		home_leave(&home);
	}
}

/* A walker that judges each member by itself faults on the one that lacks the mark (4.7). */
TEST(one_member_of_a_group_lacks_its_mark)
{
	struct ml_space_config config = { .table = { .live = true, .track_ad = true },
					  .fault_rungs = ~0u };

	FOR_EACH_WORLD(world)
	{
		struct ml_translation leaf;
		struct home home;
		uint64_t page;
		ml_va va;

		t_eq(home_open(&home, world, &config), ML_OK);
		page = home_page(&home);
		va = home.space.first + home_large(&home); /* a group, no larger leaf */
		home_map(&home, va, home_large(&home) - page, &home_memory);
		t_eq(ml_space_fault(&home.space, va, ML_READ), ML_FAULT_DONE);
		if (home_rung(&home, va) > 0 && !ml_translate(&home.space.table, va, &leaf)) {
			const ml_prot bare = ml_translation_prot(&home.space.table, &leaf);
			const struct ml_format *f = home.facts->format;
			ml_pte *entry = ml_pte_pointer(&home.space.table, va, leaf.level);
			ml_pte pte;

			t_eq(ml_format_encode(f, &home.space.table.types, leaf.pa,
					      bare & ~ML_ACCESSED, leaf.level, true, &pte),
			     ML_OK);
			*entry = pte;
			t_ok(home_prot(&home, va) & ML_ACCESSED);
			t_eq(ml_space_fault(&home.space, va, ML_READ), ML_FAULT_DONE);
			t_ok(*entry != pte);
			t_eq(ml_space_fault(&home.space, va, ML_READ), ML_FAULT_SPURIOUS);
		}
		home_leave(&home);
	}
}

/* ---- owners ---------------------------------------------------------------------- */

TEST(the_owner_is_asked_for_the_largest_first)
{
	EACH_HOME(world, kind)
	{
		for (unsigned raw = 0; raw < 2; raw++) {
			const struct ml_format *f = worlds[world].format;
			struct ml_fault_request *r;
			struct owner owner;
			struct home home;
			uint64_t large;
			int best;

			owner_move_in(&owner, &home, world, kind, raw, ML_REGION_SHARED, NULL);
			large = home_large(&home);
			best = home_best_rung(&home, home.space.first, home.space.first,
					      owner.bytes, home.space.table.rungs);
			t_eq(ml_space_fault(&home.space, home.space.first + large + 4097, ML_READ),
			     ML_FAULT_DONE);
			r = &owner.first;
			t_eq(owner.asked, 1);
			t_eq(r->rung, best);
			t_eq(r->length, (uint64_t)1 << f->rungs[best].shift);
			t_eq(r->va & (r->length - 1), 0);
			t_eq(r->offset, r->va - home.space.first);
			t_eq(r->access, ML_READ);
			t_ok(r->space == &home.space &&
			     r->region == ml_space_find(&home.space, r->va));
			t_eq(home_rung(&home, home.space.first + large), best);
			t_ok(home_prot(&home, r->va) & ML_WRITE); /* shared */
			t_eq(!(home_prot(&home, r->va) & ML_SPECIAL), !raw);
			t_eq(home_prot(&home, r->va) & ML_SOFT(0), home.space.table.refaultable);
			t_ok(owner_page_holds(&home, r->va, (unsigned char)(r->offset / 4096 + 1)));
			owner_leave(&owner);
		}
	}
}

TEST(the_ladder_goes_down_to_the_base_page)
{
	EACH_HOME(world, kind)
	{
		for (unsigned raw = 0; raw < 2; raw++) {
			struct owner owner;
			struct home home;
			unsigned rungs = 0;

			owner_move_in(&owner, &home, world, kind, raw, ML_REGION_SHARED, NULL);
			owner.most = 0;
			t_ok(home_store(&home, home.space.first + home_page(&home), 77));
			while (home.space.table.rungs >> rungs > 1 &&
			       (uint64_t)1 << home.facts->format->rungs[rungs + 1].shift <=
				       owner.bytes)
				rungs++;
			t_eq(owner.asked, rungs + 1);
			t_eq(owner.last.rung, 0);
			t_eq(owner.last.length, home_page(&home));
			t_eq(owner.last.access, ML_WRITE);
			t_eq(*home_byte(&home, owner.pa + home_page(&home)), 77);
			t_eq(home_rung(&home, home.space.first + home_page(&home)), 0);
			owner_leave(&owner);
		}
	}
}

/* The mapping's own alignment counts, too. */
TEST(an_offset_out_of_step_keeps_leaves_small)
{
	EACH_HOME(world, kind)
	{
		struct ml_region_spec spec;
		struct owner owner;
		struct home home;

		owner_home(&home, world, kind, NULL);
		owner_open(&owner, &home, false);
		spec = owner_region(&owner, ML_REGION_SHARED);
		spec.offset = home_page(&home);
		home_map(&home, home.space.first, home_large(&home), &spec);
		t_ok(owner_page_holds(&home, home.space.first, 2));
		t_eq(owner.first.rung, 0);
		t_eq(owner.first.offset, home_page(&home));
		owner_leave(&owner);
	}
}

TEST(what_the_owner_says_is_passed_on)
{
	EACH_HOME(world, kind)
	{
		static const enum ml_fault_result says[] = { ML_FAULT_RETRY, ML_FAULT_BUS,
							     ML_FAULT_NO_MEMORY, ML_FAULT_SPURIOUS,
							     ML_FAULT_FALLBACK };
		struct owner owner;
		struct home home;
		unsigned i;

		owner_move_in(&owner, &home, world, kind, false, 0, NULL);
		for (i = 0; i < sizeof(says) / sizeof(*says); i++) {
			owner.answer = says[i];
			t_eq(ml_space_fault(&home.space, home.space.first, ML_READ),
			     says[i] == ML_FAULT_FALLBACK ? ML_FAULT_BUS : says[i]);
			t_eq(ml_space_fault(&home.space, home.space.first, ML_WRITE),
			     says[i] == ML_FAULT_FALLBACK ? ML_FAULT_BUS : says[i]);
		}
		owner.answer = ML_FAULT_DONE;
		owner.inserts = true; /* it says so, and it is not true */
		t_eq(ml_space_fault(&home.space, home.space.first, ML_READ), ML_FAULT_BUS);
		t_eq(home.space.table.stats.tables, 1);
		owner_leave(&owner);
	}
}

static bool nothing_is_allowed(void *cookie, ml_pa pa, uint64_t length, ml_prot prot)
{
	(void)cookie, (void)pa, (void)length, (void)prot;
	return false;
}

TEST(wrong_answers_are_not_mapped)
{
	EACH_HOME(world, kind)
	{
		for (unsigned raw = 0; raw < 2; raw++) {
			struct ml_frames frames = home_frame_ops;
			struct ml_region *region;
			struct ml_space *s;
			struct owner owner;
			struct home home;

			owner_move_in(&owner, &home, world, kind, raw, ML_REGION_SHARED, NULL);
			s = &home.space;
			owner.skew = home_page(&home);
			owner.most = (unsigned)home_large_rung(&home);
			t_eq(ml_space_fault(s, s->first, ML_READ), ML_FAULT_BUS);
			t_eq(ml_space_fault(s, s->first, ML_WRITE), ML_FAULT_BUS);
			owner.skew = 0;
			region = ml_space_find(s, s->first);
			region->flags ^= ML_REGION_RAW; /* the other class */
			t_eq(ml_space_fault(s, s->first, ML_READ), ML_FAULT_BUS);
			region->flags ^= ML_REGION_RAW;
			frames.allowed = nothing_is_allowed;
			s->frames = &frames;
			t_eq(ml_space_fault(s, s->first, ML_READ),
			     raw ? ML_FAULT_BUS : ML_FAULT_DONE);
			s->frames = &home_frame_ops;
			t_eq(home_rung(&home, s->first) < 0, raw);
			owner_leave(&owner);
		}
	}
}

/* Maps what is asked for itself, raw. */
static enum ml_fault_result insert(struct ml_fault_request *request)
{
	struct owner *owner = request->region->mapping->owner;
	const bool write = request->access & ML_WRITE;

	owner->asked++;
	t_eq(ml_insert_pfn(request->space, request->va, owner->pa + request->offset, request->rung,
			   ML_WB, write),
	     ML_OK);
	request->inserted = true;
	return ML_FAULT_DONE;
}

TEST(the_owner_may_map_it_itself)
{
	EACH_HOME(world, kind)
	{
		for (unsigned shared = 0; shared < 2; shared++) {
			struct ml_region_spec spec;
			struct owner owner;
			struct home home;
			uint64_t page;
			ml_va va;

			owner_home(&home, world, kind, NULL);
			owner_open(&owner, &home, true);
			owner.ops.fault = insert;
			spec = owner_region(&owner, shared ? ML_REGION_SHARED : 0);
			spec.flags ^= ML_REGION_RAW | ML_REGION_MIXED;
			va = home.space.first;
			page = home_page(&home);
			home_map(&home, va, owner.bytes, &spec);
			t_ok(owner_page_holds(&home, va, 1));
			t_ok(home_rung(&home, va) > 0);
			t_eq(home.faults, 1);
			t_ok(home_store(&home, va + page, 9));
			t_eq(*home_byte(&home, owner.pa + page), shared ? 9 : 2);
			t_eq(owner.asked, 1);
			t_ok(home_store(&home, va + owner.bytes - 1, 9));
			t_eq(*home_byte(&home, owner.pa + owner.bytes - 1) == 9, shared);
			t_eq(ml_protect(&home.space.table, va, owner.bytes, ML_WRITE, 0, NULL),
			     ML_OK);
			t_ok(home_store(&home, va, 8)); /* asked again */
			t_eq(*home_byte(&home, owner.pa), shared ? 8 : 1);
			owner_leave(&owner);
		}
	}
}

/* A leaf that lost the right to write - its owner wants to hear of writes - gets it by asking. */
TEST(a_shared_leaf_is_upgraded_by_its_owner)
{
	EACH_HOME(world, kind)
	{
		for (unsigned raw = 0; raw < 2; raw++) {
			struct owner owner;
			struct home home;
			ml_va va;
			int rung;

			owner_move_in(&owner, &home, world, kind, raw, ML_REGION_SHARED, NULL);
			va = home.space.first;
			t_eq(ml_space_fault(&home.space, va, ML_READ), ML_FAULT_DONE);
			rung = home_rung(&home, va);
			t_eq(ml_protect(&home.space.table, va, owner.bytes, ML_WRITE, 0, NULL),
			     ML_OK);
			owner.asked = 0;
			owner.answer = ML_FAULT_RETRY;
			t_eq(ml_space_fault(&home.space, va, ML_WRITE), ML_FAULT_RETRY);
			t_ok(!(home_prot(&home, va) & ML_WRITE));
			owner.answer = ML_FAULT_DONE;
			t_eq(ml_space_fault(&home.space, va, ML_WRITE), ML_FAULT_DONE);
			t_eq(owner.asked, 2);
			t_eq(owner.last.access, ML_WRITE);
			t_ok(home_prot(&home, va) & ML_WRITE);
			t_eq(home_rung(&home, va), rung);
			t_ok(home_store(&home, va, 9));
			t_eq(*home_byte(&home, owner.pa), 9);
			owner_leave(&owner);
		}
	}
}

/* ---- running out ----------------------------------------------------------------- */

/* Fail the n-th request for tables, or frames, until the fault gets through; how many failed. */
static unsigned fail_each(struct home *home, bool frames, ml_va va, ml_prot tried)
{
	uint64_t *nth = frames ? &home_fail_nth : &home->arena->fail_nth;
	struct state state = { 0 };
	unsigned failures = 0;

	for (;; failures++) {
		enum ml_fault_result result;

		state_take(&state, home);
		*nth = failures + 1;
		result = ml_space_fault(&home->space, va, tried);
		*nth = 0;
		if (result == ML_FAULT_DONE)
			break;
		t_eq(result, ML_FAULT_NO_MEMORY);
		t_ok(state_is_as_before(&state, home));
	}
	state_release(&state);
	return failures;
}

TEST(faults_that_fail_have_changed_nothing)
{
	EACH_HOME(world, kind)
	{
		for (unsigned form = 0; form < 16; form++) {
			const bool raw = form & 1, shared = form & 2, frames = form & 8;
			const ml_prot tried = form & 4 ? ML_WRITE : ML_READ;
			struct owner owner;
			struct home home;
			unsigned failures;
			ml_va va;

			owner_move_in(&owner, &home, world, kind, raw,
				      shared ? ML_REGION_SHARED : 0, NULL);
			va = home.space.first + home_page(&home);
			owner.most = 0;
			failures = fail_each(&home, frames, va, tried);
			if (frames)
				t_eq(failures, tried == ML_WRITE && !shared ? 1 : 0);
			else
				t_eq(failures, home.space.table.stats.tables - 1);
			t_eq(ml_space_fault(&home.space, va, tried), ML_FAULT_SPURIOUS);
			owner_leave(&owner);
		}
	}
}

/* A page of a large leaf that is the owner's: its copy needs a frame, and the split tables. */
TEST(copies_that_fail_have_changed_nothing)
{
	EACH_HOME(world, kind)
	{
		for (unsigned form = 0; form < 4; form++) {
			const bool raw = form & 1, frames = form & 2;
			unsigned failures, before;
			struct owner owner;
			struct home home;
			ml_va va;

			owner_move_in(&owner, &home, world, kind, raw, 0, NULL);
			va = home.space.first + home_page(&home);
			t_eq(ml_space_fault(&home.space, va, ML_READ), ML_FAULT_DONE);
			t_ok(home_rung(&home, va) > 0);
			before = (unsigned)home.arena->in_use;
			failures = fail_each(&home, frames, va, ML_WRITE);
			t_eq(failures, frames ? 1 : home.arena->in_use - before);
			t_ok(owner_page_holds(&home, va, 2));
			t_ok(owner_page_holds(&home, va + home_page(&home), 3));
			t_ok(owner_is_untouched(&owner));
			owner_leave(&owner);
		}
	}
}

TEST(zeroes_of_a_smaller_size_where_there_are_none_of_the_larger)
{
	EACH_HOME(world, kind)
	{
		struct home home;
		int best;

		owner_home(&home, world, kind, NULL);
		home_map(&home, home.space.first, 2 * home_large(&home), &home_memory);
		best = home_best_rung(&home, home.space.first, home.space.first,
				      2 * home_large(&home), home.space.table.rungs);
		home_fail_nth = 1;
		t_eq(ml_space_fault(&home.space, home.space.first, ML_READ), ML_FAULT_DONE);
		home_fail_nth = 0;
		t_ok(home_rung(&home, home.space.first) < best);
		t_ok(home_rung(&home, home.space.first) >= 0);
		home_leave(&home);
	}
}
