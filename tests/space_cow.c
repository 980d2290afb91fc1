/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* Copy on write: only what is written to, only where somebody else has it, too. */
#include "support/owner.h"
#include "t.h"

static void close_private(struct owner *owner)
{
	t_ok(owner_is_untouched(owner));
	owner_leave(owner);
}

TEST(one_page_is_copied_and_the_rest_of_the_leaf_stays)
{
	EACH_HOME(world, kind)
	{
		for (unsigned raw = 0; raw < 2; raw++) {
			ml_prot original, copy;
			struct owner owner;
			struct home home;
			uint64_t page, free_pages;
			ml_va va;

			owner_move_in(&owner, &home, world, kind, raw, 0, NULL);
			page = home_page(&home);
			va = home.space.first + page;
			t_ok(owner_page_holds(&home, va, 2));
			t_ok(!ml_space_find(&home.space, va)->copied);
			original = home_prot(&home, va);
			t_ok(!(original & ML_WRITE) && !(original & ML_SPECIAL) == !raw);
			free_pages = home.pool->free_pages;
			t_ok(home_store(&home, va + 9, 99));
			t_eq(home.pool->free_pages, free_pages - 1);
			t_ok(ml_space_find(&home.space, va)->copied);
			copy = home_prot(&home, va);
			t_eq(home_rung(&home, va), 0);
			t_ok(copy & ML_WRITE && !(copy & (ML_SPECIAL | ML_SOFT(0))));
			t_eq(home_prot(&home, va + page) & ~ML_PROT_AD, original & ~ML_PROT_AD);
			t_eq(home_leaf(&home, va + page).pa, owner.pa + 2 * page);
			t_eq(home_leaf(&home, va - page).pa, owner.pa);
			t_eq(*home_byte(&home, home_leaf(&home, va).pa + 9), 99);
			t_eq(*home_byte(&home, home_leaf(&home, va).pa + page - 1), 2);
			t_ok(owner_page_holds(&home, va - page, 1));
			t_ok(owner_page_holds(&home, va + page, 3));
			if (!raw)
				t_eq(ml_frame_references(home.pool, owner.pa + page), 1);
			close_private(&owner);
		}
	}
}

TEST(a_first_access_that_writes_copies_at_once)
{
	EACH_HOME(world, kind)
	{
		for (unsigned raw = 0; raw < 2; raw++) {
			struct owner owner;
			struct home home;
			ml_va va;

			owner_move_in(&owner, &home, world, kind, raw, 0, NULL);
			va = home.space.first + 2 * home_page(&home);
			t_ok(home_store(&home, va, 44));
			t_eq(home.faults, 1);
			t_eq(owner.asked, 1);
			t_eq(owner.first.rung, 0);
			t_eq(owner.first.access, ML_WRITE);
			t_eq(*home_byte(&home, home_leaf(&home, va).pa + 1), 3);
			t_eq(home_rung(&home, va + home_page(&home)), -1);
			if (!raw)
				t_eq(ml_frame_references(home.pool,
							 owner.pa + 2 * home_page(&home)),
				     1);
			t_ok(ml_space_find(&home.space, va)->copied);
			close_private(&owner);
		}
	}
}

/* A window of the world that a leaf of 1G fits in, or NULL. */
static const struct window *wide_window(enum world world)
{
	const struct window *window = worlds[world].windows;
	unsigned i;

	for (i = 0; i < WORLD_WINDOWS; i++)
		if (window[i].bytes >= (uint64_t)4 << 30)
			return &window[i];
	return NULL;
}

/* Down to that page alone: the rest stays as large as can be (S4.16). */
TEST(one_page_of_a_gigabyte)
{
	EACH_HOME(world, kind)
	{
		const struct window *window = wide_window(world);
		struct ml_space_config config = owner_kind(kind);
		const uint64_t giga = (uint64_t)1 << 30;
		struct ml_region_spec spec;
		struct owner owner;
		struct home home;
		uint64_t page, in_use;
		ml_va va;
		int rung;

		if (!window)
			continue;
		config.first = window->first;
		config.last = window->first + (window->bytes - 1);
		t_eq(home_open(&home, world, &config), ML_OK);
		owner_open(&owner, &home, true);
		owner.bytes = giga;
		spec = owner_region(&owner, 0);
		page = home_page(&home);
		va = home.space.first + giga;
		home_map(&home, va, giga, &spec);
		t_eq(ml_space_fault(&home.space, va, ML_READ), ML_FAULT_DONE);
		rung = home_rung(&home, va);
		t_eq(home.facts->format->rungs[rung].shift, 30);
		in_use = home.arena->in_use;
		t_ok(home_store(&home, va + 5 * page, 77));
		t_eq(home.arena->in_use - in_use,
		     home.space.table.guaranteed && !home.space.table.refaultable ? 0 : 2);
		t_eq(home_rung(&home, va + 5 * page), 0);
		t_eq(home_rung(&home, va + 6 * page), 0);
		t_eq(home.facts->format->rungs[home_rung(&home, va + (2u << 20))].level, 1);
		t_eq(home_rung(&home, va + giga / 2), rung - 1);
		t_eq(home_leaf(&home, va + giga / 2 + 5).pa, owner.pa + giga / 2 + 5);
		t_eq(home_leaf(&home, va + 4 * page).pa, owner.pa + 4 * page);
		t_eq(*home_byte(&home, home_leaf(&home, va + 5 * page).pa + 1), 6);
		t_eq(*home_byte(&home, owner.pa + 5 * page), 6);
		home_leave(&home);
	}
}

/*
 * The owner has let go of it: where nothing marks its leaves, they are the region's from then on.
 */
TEST(an_owner_that_lets_go_leaves_it_to_the_region)
{
	EACH_HOME(world, kind)
	{
		struct owner owner;
		struct home home;
		ml_va va;
		ml_pa pa;

		owner_move_in(&owner, &home, world, kind, false, 0, NULL);
		va = home.space.first;
		t_ok(owner_page_holds(&home, va, 1));
		t_ok(owner_page_holds(&home, va + owner.bytes - home_page(&home),
				      (unsigned char)(owner.bytes / home_page(&home))));
		ml_frame_pool_frames.put(home.pool, owner.pa, owner.bytes);
		pa = home_leaf(&home, va).pa;
		t_ok(home_store(&home, va, 5));
		t_eq(home_leaf(&home, va).pa == pa, !home.space.table.refaultable);
		t_ok(ml_space_find(&home.space, va)->copied);
		t_ok(home_is_sound(&home));
		t_ok(home_close(&home));
		t_ok(!owner.mapping.regions);
		t_ok(home_is_empty(world));
	}
}

TEST(what_is_ours_alone_stays_in_one_piece)
{
	EACH_HOME(world, kind)
	{
		struct ml_table *t;
		struct home home;
		uint64_t large, free_pages, in_use, invalidations, splits;
		ml_va va;
		int rung;
		ml_pa pa;

		owner_home(&home, world, kind, NULL);
		t = &home.space.table;
		large = home_large(&home);
		va = home.space.first;
		home_map(&home, va, large, &home_memory);
		t_eq(ml_space_fault(&home.space, va, ML_READ), ML_FAULT_DONE);
		rung = home_rung(&home, va);
		pa = home_leaf(&home, va).pa;
		free_pages = home.pool->free_pages;
		in_use = home.arena->in_use;
		invalidations = t->stats.invalidations;
		splits = t->stats.splits;
		t_ok(home_store(&home, va + large - 1, 3));
		t_eq(home_rung(&home, va), rung);
		t_eq(home_leaf(&home, va).pa, pa);
		t_eq(home.pool->free_pages, free_pages);
		t_eq(home.arena->in_use, in_use);
		t_eq(t->stats.splits, splits);
		t_ok(t->stats.invalidations <= invalidations + 1);
		t_ok(home_store(&home, va, 3));
		t_eq(home.faults, 1); /* the whole leaf is writable */
		t_ok(!ml_space_find(&home.space, va)->copied);
		home_leave(&home);
	}
}

TEST(a_page_of_a_leaf_that_others_hold_is_copied_and_no_other)
{
	EACH_HOME(world, kind)
	{
		struct home home;
		uint64_t page, free_pages;
		ml_va va;
		ml_pa pa;

		owner_home(&home, world, kind, NULL);
		page = home_page(&home);
		va = home.space.first;
		home_map(&home, va, home_large(&home), &home_memory);
		t_eq(ml_space_fault(&home.space, va, ML_READ), ML_FAULT_DONE);
		pa = home_leaf(&home, va).pa;
		*home_byte(&home, pa + 2 * page + 1) = 21;
		ml_frame_pool_frames.get(home.pool, pa + 2 * page, page);
		free_pages = home.pool->free_pages;
		t_ok(home_store(&home, va + page, 10)); /* it is ours alone: no copy */
		t_eq(home_rung(&home, va + page), 0);
		t_eq(home_leaf(&home, va + page).pa, pa + page);
		t_eq(home.pool->free_pages, free_pages);
		t_ok(!(home_prot(&home, va + 2 * page) & ML_WRITE));
		t_ok(home_store(&home, va + 2 * page, 20));
		t_ok(home_leaf(&home, va + 2 * page).pa != pa + 2 * page);
		t_eq(home.pool->free_pages, free_pages - 1);
		t_eq(*home_byte(&home, pa + 2 * page), 0);
		t_eq(*home_byte(&home, home_leaf(&home, va + 2 * page).pa + 1), 21);
		t_eq(ml_frame_references(home.pool, pa + 2 * page), 1);
		t_ok(owner_page_holds(&home, va + 3 * page, 0));
		t_ok(home_is_sound(&home));
		ml_frame_pool_frames.put(home.pool, pa + 2 * page, page);
		t_ok(home_close(&home));
		t_ok(home_is_empty(world));
	}
}

/* A leaf that reaches over the border of two regions (S1.6): the other one gets no right. */
TEST(a_write_does_not_reach_into_the_next_region)
{
	EACH_HOME(world, kind)
	{
		struct home home;
		uint64_t page, large;
		ml_va va;
		int rung;
		ml_pa pa;

		owner_home(&home, world, kind, NULL);
		page = home_page(&home);
		large = home_large(&home);
		va = home.space.first;
		home_map(&home, va, large, &home_memory);
		t_eq(ml_space_fault(&home.space, va, ML_READ), ML_FAULT_DONE);
		rung = home_rung(&home, va);
		t_eq(ml_space_protect(&home.space, va + page, large - page, ML_READ), ML_OK);
		t_eq(home_rung(&home, va), rung); /* no entry changed */
		pa = home_leaf(&home, va).pa;
		t_ok(home_store(&home, va, 1));
		t_eq(home_leaf(&home, va).pa, pa);
		t_ok(!home_store(&home, va + page, 2));
		t_eq(home.fault, ML_FAULT_ACCESS);
		home_leave(&home);
	}
}

/* ---- order ----------------------------------------------------------------------- */

static struct home *watched;
static ml_va watched_va;
static unsigned put_calls, begun, ended, puts_out_of_order;

/* What loses a reference is invalidated by then, complete, and nobody's notifier uses it. */
static void put_in_order(void *cookie, ml_pa pa, uint64_t length)
{
	struct ml_translation leaf;

	put_calls++;
	if (watched) {
		const bool there = !ml_translate(&watched->space.table, watched_va, &leaf);

		if (watched->arena->pending || (there && leaf.pa - pa < length))
			puts_out_of_order++;
	}
	ml_frame_pool_frames.put(cookie, pa, length);
}

static void note_begin(struct ml_notifier *notifier, ml_va va, uint64_t len)
{
	(void)notifier;
	t_ok(va <= watched_va && watched_va - va < len);
	t_eq(put_calls, 0);
	t_ok(!(home_prot(watched, watched_va) & ML_WRITE));
	begun++;
}

static void note_end(struct ml_notifier *notifier, ml_va va, uint64_t len)
{
	(void)notifier, (void)va, (void)len;
	t_ok(home_prot(watched, watched_va) & ML_WRITE);
	ended++;
}

TEST(a_reference_goes_after_the_invalidation)
{
	EACH_HOME(world, kind)
	{
		struct ml_notifier notifier = { note_begin, note_end, NULL };
		struct ml_frames frames = home_frame_ops;
		struct owner owner;
		struct home home;
		uint64_t completions;

		frames.put = put_in_order;
		owner_move_in(&owner, &home, world, kind, false, 0, &frames);
		watched_va = home.space.first + home_page(&home);
		t_eq(ml_space_fault(&home.space, watched_va, ML_READ), ML_FAULT_DONE);
		put_calls = begun = ended = puts_out_of_order = 0;
		watched = &home;
		completions = home.arena->completions;
		ml_space_notify(&home.space, &notifier);
		t_eq(ml_space_fault(&home.space, watched_va, ML_WRITE), ML_FAULT_DONE);
		ml_space_unnotify(&home.space, &notifier);
		watched = NULL;
		t_eq(put_calls, 1);
		t_eq(puts_out_of_order, 0);
		t_eq(begun, 1);
		t_eq(ended, 1);
		t_eq(home.arena->completions > completions, home.space.table.live);
		close_private(&owner);
	}
}

TEST(without_frames_nothing_is_copied)
{
	EACH_HOME(world, kind)
	{
		struct ml_frames frames = home_frame_ops;
		struct owner owner;
		struct home home;
		ml_va va;

		frames.alloc = NULL;
		frames.exclusive = NULL;
		frames.copy = NULL;
		owner_move_in(&owner, &home, world, kind, false, 0, &frames);
		va = home.space.first;
		t_eq(ml_space_fault(&home.space, va, ML_READ), ML_FAULT_DONE);
		t_eq(ml_space_fault(&home.space, va, ML_WRITE), ML_FAULT_NO_MEMORY);
		t_eq(ml_space_fault(&home.space, va + owner.bytes / 2, ML_WRITE),
		     ML_FAULT_NO_MEMORY);
		home_map(&home, va + owner.bytes, home_page(&home), &home_memory);
		t_eq(ml_space_fault(&home.space, va + owner.bytes, ML_READ), ML_FAULT_NO_MEMORY);
		t_ok(!ml_space_find(&home.space, va)->copied);
		close_private(&owner);
	}
}
