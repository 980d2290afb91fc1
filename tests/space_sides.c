/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/*
 * Counted memory and raw frames side by side in one table, each in large leaves: what is done to
 * one kind never shows in the references, the deposits and the bytes of the other.
 */
#include "support/home.h"
#include "t.h"

/* Two leaves of each kind, next to each other: counted, raw, counted, raw. */
struct sides {
	struct home home;
	uint64_t large;
	int rung;
	ml_va start;
};

static const struct ml_space_config wish = {
	.table = { .guaranteed = true, .live = true },
	.fault_rungs = ~0u,
};

static ml_va side(const struct sides *s, unsigned number)
{
	return s->start + number * s->large;
}

static void open_sides(struct sides *s, enum world world)
{
	t_eq(home_open(&s->home, world, &wish), ML_OK);
	s->large = home_large(&s->home);
	s->rung = home_large_rung(&s->home);
	s->start = (s->home.space.first + s->large - 1) & ~(s->large - 1);
	for (unsigned i = 0; i < 4; i++) {
		if (i % 2)
			home_map_raw(&s->home, side(s, i), s->large,
				     s->home.raw->first + i * s->large);
		else
			home_map(&s->home, side(s, i), s->large, &home_memory);
		t_ok(home_store(&s->home, side(s, i), (unsigned char)(10 + i)));
		t_eq(home_rung(&s->home, side(s, i)), s->rung);
	}
}

/* Large leaves of both kinds, the pages of split ones, and tables that they own. */
static void check_counts(const struct sides *s, struct home *home, uint64_t counted, uint64_t raw)
{
	struct ml_space_stats stats;

	ml_space_stats(&home->space, &stats);
	t_eq(stats.leaves[s->rung] - stats.raw_leaves[s->rung], counted);
	t_eq(stats.raw_leaves[s->rung], raw);
	t_eq(stats.deposits, counted + raw);
	t_ok(home_is_sound(home));
}

/* References on the pages of a counted side. */
static void check_references(struct sides *s, ml_va va, uint32_t references)
{
	t_eq(ml_frame_references(s->home.pool, home_leaf(&s->home, va).pa), references);
}

static void check_bytes(struct home *home, const struct sides *s)
{
	for (unsigned i = 0; i < 4; i++)
		t_eq(home_read(home, side(s, i)), 10 + i);
}

TEST(one_of_each_kind_is_split_and_the_others_stay_whole)
{
	FOR_EACH_WORLD(world)
	{
		struct sides s;

		open_sides(&s, world);
		check_counts(&s, &s.home, 2, 2);
		for (unsigned i = 0; i < 2; i++) /* the first page of the first of each */
			t_eq(ml_space_protect(&s.home.space, side(&s, i), home_page(&s.home),
					      ML_READ),
			     ML_OK);
		check_counts(&s, &s.home, 1, 1);
		check_references(&s, side(&s, 0), 1);
		check_references(&s, side(&s, 1) - home_page(&s.home), 1);
		check_bytes(&s.home, &s);
		home_leave(&s.home);
	}
}

TEST(a_fork_shares_one_kind_and_counts_it_and_shares_the_other_and_does_not)
{
	FOR_EACH_WORLD(world)
	{
		struct sides s;
		struct home child;

		open_sides(&s, world);
		t_eq(home_open(&child, world, &wish), ML_OK);
		t_eq(ml_space_fork(&child.space, &s.home.space), ML_OK);
		check_counts(&s, &child, 2, 2);
		check_references(&s, side(&s, 2), 2);
		check_bytes(&child, &s);
		t_ok(home_store(&s.home, side(&s, 2), 99)); /* a copy of one page */
		check_counts(&s, &s.home, 1, 2);
		check_references(&s, side(&s, 2), 1);
		check_references(&s, side(&s, 2) + home_page(&s.home), 2);
		t_ok(home_store(&s.home, side(&s, 3), 77)); /* the device is one */
		t_eq(home_read(&child, side(&s, 3)), 77);
		t_eq(home_read(&child, side(&s, 2)), 12);
		check_counts(&s, &child, 2, 2);
		t_ok(home_close(&child));
		check_references(&s, side(&s, 2) + home_page(&s.home), 1);
		home_leave(&s.home);
	}
}

TEST(a_range_over_both_kinds_goes_and_only_one_is_put)
{
	FOR_EACH_WORLD(world)
	{
		struct sides s;
		struct ml_space_stats stats;
		uint64_t free_pages, half;

		open_sides(&s, world);
		half = s.large / 2;
		free_pages = s.home.pool->free_pages;
		/* from the middle of the first to the middle of the last */
		t_eq(ml_space_unmap(&s.home.space, side(&s, 0) + half, 3 * s.large), ML_OK);
		ml_space_stats(&s.home.space, &stats);
		t_eq(stats.counted_bytes, half);
		t_eq(stats.raw_bytes, half);
		t_eq(stats.deposits, 0);
		t_eq(s.home.pool->free_pages - free_pages, (half + s.large) / home_page(&s.home));
		home_leave(&s.home);
	}
}

/* ---- what release callbacks see ---------------------------------------------------------- */

/* The space whose frames are put, what it counted before, and what it has put since. */
static struct {
	const struct home *home; /* NULL: nobody looks */
	struct ml_space_stats before;
	uint64_t put, calls;
} looked;

static void look_and_put(void *cookie, ml_pa pa, uint64_t length)
{
	struct ml_space_stats stats;
	uint64_t bytes = 0;

	home_frame_ops.put(cookie, pa, length);
	if (!looked.home)
		return;
	looked.put += length;
	looked.calls++;
	ml_space_stats(&looked.home->space, &stats);
	for (unsigned rung = 0; rung < looked.home->facts->format->rung_count; rung++)
		bytes += stats.leaves[rung] << looked.home->facts->format->rungs[rung].shift;
	t_eq(bytes, stats.counted_bytes + stats.raw_bytes);
	t_ok(stats.counted_bytes + looked.put <= looked.before.counted_bytes);
	t_eq(stats.raw_bytes, looked.before.raw_bytes);
	t_ok(stats.deposits <= looked.before.deposits);
}

static void unmap_looked_at(struct home *home, ml_va va, uint64_t len)
{
	struct ml_space_stats after;

	ml_space_stats(&home->space, &looked.before);
	looked.put = looked.calls = 0;
	looked.home = home;
	t_eq(ml_space_unmap(&home->space, va, len), ML_OK);
	looked.home = NULL;
	ml_space_stats(&home->space, &after);
	t_ok(looked.calls > 0);
	t_eq(looked.put, looked.before.counted_bytes - after.counted_bytes);
}

/* S4.32: what a callback is told has gone is no longer counted, whatever goes after it. */
TEST(counts_are_right_when_references_are_dropped)
{
	FOR_EACH_WORLD(world)
	{
		struct ml_frames frames = home_frame_ops;
		struct ml_space_config looking = wish;
		struct ml_region_spec small = home_memory;
		struct home home;
		uint64_t large, page, at;
		ml_va va;

		frames.put = look_and_put;
		looking.frames = &frames;
		small.flags = ML_REGION_NO_HUGE;
		t_eq(home_open(&home, world, &looking), ML_OK);
		large = home_large(&home);
		page = home_page(&home);
		va = home.space.first;
		home_map_raw(&home, va + 3 * large, large, home.raw->first);
		home_map(&home, va, large, &small);
		home_map(&home, va + large, 2 * large, &home_memory);
		for (at = large; at; at -= page) /* each a run of its own */
			t_ok(home_store(&home, va + at - page, 1));
		t_ok(home_store(&home, va + large, 1));
		t_ok(home_store(&home, va + 2 * large, 1));
		unmap_looked_at(&home, va + page, large / 2);
		unmap_looked_at(&home, va + 2 * large - 2 * page, page); /* a part of a leaf */
		unmap_looked_at(&home, va, 3 * large);
		home_leave(&home);
	}
}
