/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* Pins hold counted memory, and raw frames not at all (S4.22, S4.23); looks at raw frames. */
#include "support/owner.h"
#include "t.h"

#define EXTENTS 64

static struct ml_extent extents[EXTENTS];
static size_t count;

static const struct ml_region_spec mixed = { .prot = ML_RW | ML_WB,
					     .may = ML_RW,
					     .flags = ML_REGION_SHARED | ML_REGION_MIXED };

static uint64_t total(void)
{
	uint64_t bytes = 0;
	size_t i;

	for (i = 0; i < count; i++)
		bytes += extents[i].length;
	return bytes;
}

/*
 * Whether the extents are, page by page, what the range is mapped to, each page with `references`.
 */
static bool extents_are(const struct home *home, ml_va va, uint32_t references)
{
	size_t i;

	for (i = 0; i < count; i++) {
		uint64_t at;

		for (at = 0; at < extents[i].length; at += home_page(home), va += home_page(home))
			if (home_leaf(home, va).pa != extents[i].pa + at ||
			    ml_frame_references(home->pool, extents[i].pa + at) != references)
				return false;
		if (i && extents[i - 1].pa + extents[i - 1].length == extents[i].pa)
			return false; /* it should have been one */
	}
	return true;
}

TEST(pages_are_brought_in_and_held)
{
	EACH_HOME(world, kind)
	{
		struct home home;
		uint64_t page, len;
		ml_va va;

		owner_home(&home, world, kind, NULL);
		page = home_page(&home);
		len = home_large(&home) + 2 * page;
		va = home.space.first + page;
		home_map(&home, va, len, &home_memory);
		t_eq(ml_pin_pages(&home.space, va, len, ML_WRITE, extents, EXTENTS, &count), ML_OK);
		t_eq(total(), len);
		t_ok(extents_are(&home, va, 2));
		home.faults = 0;
		t_ok(home_store(&home, va + len - 1, 5)); /* the device reads what is written */
		t_eq(home.faults, 0);
		t_eq(*home_byte(&home, extents[count - 1].pa + extents[count - 1].length - 1), 5);
		t_eq(ml_space_unmap(&home.space, va, len), ML_OK);
		t_eq(*home_byte(&home, extents[count - 1].pa + extents[count - 1].length - 1), 5);
		ml_unpin_pages(&home.space, extents, count);
		home_leave(&home);
	}
}

TEST(a_pin_for_writing_holds_the_copy)
{
	EACH_HOME(world, kind)
	{
		struct owner owner;
		struct home home;
		ml_va va;

		owner_move_in(&owner, &home, world, kind, false, 0, NULL);
		va = home.space.first;
		t_eq(ml_pin_pages(&home.space, va, owner.bytes, ML_READ, extents, EXTENTS, &count),
		     ML_OK);
		t_eq(count, 1); /* leaves of one file after another */
		t_eq(extents[0].pa, owner.pa);
		t_eq(extents[0].length, owner.bytes);
		t_ok(extents_are(&home, va, 3));
		ml_unpin_pages(&home.space, extents, count);
		t_eq(ml_pin_pages(&home.space, va, home_page(&home), ML_WRITE, extents, EXTENTS,
				  &count),
		     ML_OK);
		t_ok(extents[0].pa != owner.pa);
		t_ok(extents_are(&home, va, 2));
		*home_byte(&home, extents[0].pa) = 9; /* a device writes */
		t_ok(owner_is_untouched(&owner));
		t_ok(owner_page_holds(&home, va + home_page(&home), 2));
		ml_unpin_pages(&home.space, extents, count);
		owner_leave(&owner);
	}
}

static unsigned gets;

static bool count_pins(void *cookie, ml_pa pa, uint64_t length)
{
	gets++;
	return ml_frame_pool_frames.pin(cookie, pa, length);
}

static void count_gets(void *cookie, ml_pa pa, uint64_t length)
{
	gets++;
	ml_frame_pool_frames.get(cookie, pa, length);
}

TEST(raw_frames_are_refused_at_every_level_unseen)
{
	EACH_HOME(world, kind)
	{
		const struct ml_region_spec *specs[] = { &home_device, &mixed };
		struct ml_frames frames = home_frame_ops;
		struct ml_space *s;
		struct home home;
		uint64_t large, page;
		unsigned i;
		ml_va va;

		frames.get = count_gets;
		frames.pin = count_pins;
		owner_home(&home, world, kind, &frames);
		s = &home.space;
		va = s->first;
		large = home_large(&home);
		page = home_page(&home);
		for (i = 0; i < 2; i++) {
			home_map(&home, va, 2 * large, specs[i]);
			t_eq(ml_pin_pages(s, va, page, ML_READ, extents, EXTENTS, &count),
			     ML_ERR_FAULT);
			t_eq(ml_remap_pfn_range(s, va, large, home.raw->first, ML_NC), ML_OK);
			t_eq(ml_remap_pfn_range(s, va + large, page, home.raw->first, ML_NC),
			     ML_OK);
			t_ok(home_rung(&home, va) > 0);
			gets = 0;
			t_eq(ml_pin_pages(s, va, page, ML_READ, extents, EXTENTS, &count),
			     ML_ERR_FAULT);
			t_eq(ml_pin_pages(s, va + large, page, ML_WRITE, extents, EXTENTS, &count),
			     ML_ERR_FAULT);
			t_eq(ml_space_protect(s, va + page, page, ML_READ), ML_OK); /* split */
			t_eq(ml_pin_pages(s, va + page, page, ML_READ, extents, EXTENTS, &count),
			     ML_ERR_FAULT);
			t_eq(ml_pin_pages(s, va, large, ML_READ, extents, EXTENTS, &count),
			     ML_ERR_FAULT);
			t_eq(count, 0);
			t_eq(gets, 0);
			t_eq(ml_space_unmap(s, va, 2 * large), ML_OK);
		}
		home_leave(&home);
	}
}

/* Raw, though somebody counts references to these very frames: nobody else may. */
static ml_pa counted_pa;
static uint64_t counted_bytes, meddled;

static void note_meddling(ml_pa pa)
{
	meddled += pa - counted_pa < counted_bytes;
}

static void get_elsewhere(void *cookie, ml_pa pa, uint64_t length)
{
	note_meddling(pa);
	home_frame_ops.get(cookie, pa, length);
}

static void put_elsewhere(void *cookie, ml_pa pa, uint64_t length)
{
	note_meddling(pa);
	home_frame_ops.put(cookie, pa, length);
}

static bool exclusive_elsewhere(void *cookie, ml_pa pa, uint64_t length)
{
	note_meddling(pa);
	return home_frame_ops.exclusive(cookie, pa, length);
}

static bool pin_elsewhere(void *cookie, ml_pa pa, uint64_t length)
{
	note_meddling(pa);
	return home_frame_ops.pin(cookie, pa, length);
}

static bool pinned_elsewhere(void *cookie, ml_pa pa, uint64_t length)
{
	note_meddling(pa);
	return home_frame_ops.pinned(cookie, pa, length);
}

static void dirty_elsewhere(void *cookie, ml_pa pa, uint64_t length)
{
	(void)cookie, (void)length;
	note_meddling(pa);
}

static void refuse_pins(struct home *home, ml_va va, uint64_t len)
{
	t_eq(ml_pin_pages(&home->space, va, len, ML_READ, extents, EXTENTS, &count), ML_ERR_FAULT);
	t_eq(ml_pin_pages(&home->space, va + len - home_page(home), home_page(home), ML_READ,
			  extents, EXTENTS, &count),
	     ML_ERR_FAULT);
}

TEST(frames_that_are_counted_elsewhere_are_raw_all_the_same)
{
	struct ml_frames frames = home_frame_ops;

	frames.get = get_elsewhere;
	frames.put = put_elsewhere;
	frames.exclusive = exclusive_elsewhere;
	frames.pin = pin_elsewhere;
	frames.pinned = pinned_elsewhere;
	frames.dirty = dirty_elsewhere;
	EACH_HOME(world, kind)
	{
		for (unsigned flags = 0; flags < 2; flags++) { /* private and shared */
			struct ml_region_spec spec = home_device;
			struct home home, child;
			uint64_t large, page;
			ml_va va, to;

			owner_home(&home, world, kind, &frames);
			owner_home(&child, world, kind, &frames);
			va = home.space.first;
			large = home_large(&home);
			page = home_page(&home);
			t_ok(home_frame_ops.alloc(home.pool, large, true, &counted_pa));
			counted_bytes = large;
			meddled = 0;
			spec.flags = ML_REGION_RAW | (flags ? ML_REGION_SHARED : 0);
			home_map(&home, va, large, &spec);
			t_eq(ml_remap_pfn_range(&home.space, va, large, counted_pa, ML_WB), ML_OK);
			t_ok(home_rung(&home, va) > 0);
			refuse_pins(&home, va, large);
			t_eq(ml_space_protect(&home.space, va + page, page, ML_READ), ML_OK);
			refuse_pins(&home, va, large);
			t_eq(ml_space_protect(&home.space, va, large, ML_RW), ML_OK);
			refuse_pins(&home, va, large);
			t_eq(ml_space_fork(&child.space, &home.space), ML_OK);
			refuse_pins(&child, va, large);
			t_ok(home_store(&home, va + 2 * page, 1)); /* in a copy, if private */
			t_eq(*home_byte(&home, counted_pa + 2 * page), flags);
			t_eq(ml_space_advise(&home.space, va, large, ML_ADVISE_COLLAPSE), ML_OK);
			to = va + 2 * large;
			home_move(&home, va, large, large, to);
			t_eq(ml_space_unmap(&home.space, to + page, 2 * page), ML_OK);
			t_ok(home_close(&child));
			t_ok(home_is_sound(&home));
			t_ok(home_close(&home));
			t_eq(meddled, 0);
			for (uint64_t at = 0; at < large; at += page)
				t_eq(ml_frame_references(home.pool, counted_pa + at), 1);
			home_frame_ops.put(home.pool, counted_pa, large);
			t_ok(home_is_empty(world));
		}
	}
}

TEST(a_pin_that_fails_holds_nothing)
{
	EACH_HOME(world, kind)
	{
		struct ml_region_spec read_only = home_memory;
		struct ml_space *s;
		struct home home;
		uint64_t page;
		unsigned i;
		ml_va va;

		read_only.prot = ML_READ | ML_WB;
		owner_home(&home, world, kind, NULL);
		s = &home.space;
		va = s->first;
		page = home_page(&home);
		home_map(&home, va, 2 * page, &home_memory);
		home_map(&home, va + 2 * page, page, &read_only);
		home_map(&home, va + 4 * page, page, &home_device);
		t_eq(ml_pin_pages(s, va, 2 * page, ML_WRITE, extents, EXTENTS, &count), ML_OK);
		ml_unpin_pages(s, extents, count);
		t_eq(ml_pin_pages(s, va, 3 * page, ML_WRITE, extents, EXTENTS, &count),
		     ML_ERR_ACCESS);
		t_eq(count, 0);
		t_eq(ml_pin_pages(s, va, 4 * page, ML_READ, extents, EXTENTS, &count),
		     ML_ERR_NOT_MAPPED);
		t_eq(ml_pin_pages(s, va + 4 * page, page, ML_READ, extents, EXTENTS, &count),
		     ML_ERR_FAULT);
		t_eq(ml_pin_pages(s, va, 0, ML_READ, extents, EXTENTS, &count), ML_ERR_EMPTY);
		t_eq(ml_pin_pages(s, va, page, ML_READ, extents, 0, &count), ML_ERR_ARGUMENT);
		for (i = 0; i < 2; i++)
			t_eq(ml_frame_references(home.pool, home_leaf(&home, va + i * page).pa), 1);
		t_eq(ml_space_advise(s, va + page, page, ML_ADVISE_DONTNEED), ML_OK);
		home_fail_nth = 1;
		t_eq(ml_pin_pages(s, va, 2 * page, ML_WRITE, extents, EXTENTS, &count),
		     ML_ERR_NO_MEMORY);
		home_fail_nth = 0;
		t_eq(count, 0);
		t_eq(ml_frame_references(home.pool, home_leaf(&home, va).pa), 1);
		home_leave(&home);
	}
}

/* Scattered pages: as many extents as there is room for. */
TEST(extents_as_many_as_there_is_room_for)
{
	EACH_HOME(world, kind)
	{
		struct ml_region_spec small = home_memory;
		struct home home;
		uint64_t page;
		unsigned i;
		ml_va va;

		small.flags = ML_REGION_NO_HUGE;
		owner_home(&home, world, kind, NULL);
		page = home_page(&home);
		va = home.space.first;
		home_map(&home, va, 3 * page, &small);
		for (i = 3; i-- > 0;) /* frames come in the other order */
			t_ok(home_store(&home, va + i * page, 1));
		t_eq(ml_pin_pages(&home.space, va, 3 * page, ML_READ, extents, EXTENTS, &count),
		     ML_OK);
		t_ok(count > 1);
		t_ok(extents_are(&home, va, 2));
		ml_unpin_pages(&home.space, extents, count);
		t_eq(ml_pin_pages(&home.space, va, 3 * page, ML_READ, extents, count - 1, &count),
		     ML_ERR_ARGUMENT);
		t_eq(count, 0);
		for (i = 0; i < 3; i++)
			t_eq(ml_frame_references(home.pool, home_leaf(&home, va + i * page).pa), 1);
		home_leave(&home);
	}
}

TEST(a_look_at_raw_frames)
{
	EACH_HOME(world, kind)
	{
		struct ml_follow follow;
		struct ml_space *s;
		struct home home;
		uint64_t large, page;
		ml_va va;

		owner_home(&home, world, kind, NULL);
		s = &home.space;
		va = s->first;
		large = home_large(&home);
		page = home_page(&home);
		home_map(&home, va, 2 * large, &home_device);
		home_map(&home, va + 2 * large, page, &home_memory);
		t_eq(ml_follow_pfn(s, va + 5, &follow), ML_ERR_NOT_MAPPED);
		t_eq(ml_remap_pfn_range(s, va, large, home.raw->first, ML_NC), ML_OK);
		t_eq(ml_follow_pfn(s, va + page + 5, &follow), ML_OK);
		t_eq(follow.pa, home.raw->first + page + 5);
		t_eq(follow.rung, home_rung(&home, va));
		t_eq(follow.left,
		     ((uint64_t)1 << home.facts->format->rungs[follow.rung].shift) - page - 5);
		t_eq(follow.prot & (ML_SPECIAL | ML_RW | ML_TYPE_MASK), ML_SPECIAL | ML_RW | ML_NC);
		t_eq(ml_space_unmap(s, va, page), ML_OK);
		t_eq(ml_follow_pfn(s, va, &follow), ML_ERR_NOT_MAPPED);
		t_eq(ml_space_protect(s, va + page, page, ML_READ), ML_OK);
		t_eq(ml_follow_pfn(s, va + 2 * page - 1, &follow), ML_OK);
		t_eq(follow.left, 1);
		t_eq(follow.pa, home.raw->first + 2 * page - 1);
		t_ok(!(follow.prot & ML_WRITE));
		t_ok(home_store(&home, va + 2 * large, 1));
		t_eq(ml_follow_pfn(s, va + 2 * large, &follow), ML_ERR_ARGUMENT);
		t_eq(ml_follow_pfn(s, va + 3 * large, &follow), ML_ERR_NOT_MAPPED);
		home_leave(&home);
	}
}
