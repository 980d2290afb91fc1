/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/*
 * A private page that is pinned stays where it is: through rights that go and come, collapses and
 * forks, a device and the process see the same bytes, and a child sees none of what comes later.
 */
#include <string.h>

#include "support/owner.h"
#include "support/source.h"
#include "support/state.h"
#include "t.h"

#define EXTENTS 64

static struct ml_extent extents[EXTENTS];
static size_t count;

static void pin(struct home *home, ml_va va, uint64_t len)
{
	t_eq(ml_pin_pages(&home->space, va, len, ML_WRITE, extents, EXTENTS, &count), ML_OK);
}

static void protect(struct home *home, ml_va va, uint64_t len, ml_prot rights)
{
	t_eq(ml_space_protect(&home->space, va, len, rights), ML_OK);
}

TEST(rights_that_go_and_come_leave_it_in_place)
{
	EACH_HOME(world, kind)
	{
		static const ml_prot less[] = { ML_READ, 0 };

		for (unsigned i = 0; i < 4; i++) {
			struct home home;
			uint64_t large, len;
			ml_va va;

			owner_home(&home, world, kind, NULL);
			large = home_large(&home);
			len = i & 1 ? large : home_page(&home); /* all of a leaf, or a page */
			va = home.space.first + (i & 1 ? 0 : 3 * len);
			home_map(&home, home.space.first, large, &home_memory);
			t_ok(home_store(&home, va, 1));
			pin(&home, va, len);
			protect(&home, va, len, less[i / 2]);
			protect(&home, va, len, ML_RW);
			t_ok(home_store(&home, va, 2));
			t_ok(home_store(&home, va + len - 1, 3));
			t_eq(home_leaf(&home, va).pa, extents[0].pa);
			t_eq(*home_byte(&home, extents[0].pa), 2); /* the device sees it */
			*home_byte(&home, extents[0].pa) = 4;      /* and is seen */
			t_eq(home_read(&home, va), 4);
			t_eq(home_read(&home, va + len - 1), 3);
			t_eq(ml_frame_pins(home.pool, extents[0].pa), 1);
			t_eq(ml_frame_references(home.pool, extents[0].pa), 2);
			ml_unpin_pages(&home.space, extents, count);
			home_leave(&home);
		}
	}
}

/* Without callbacks for pins one looks like any other owner: who writes gets a copy. */
TEST(who_cannot_tell_a_pin_copies)
{
	EACH_HOME(world, kind)
	{
		struct ml_frames frames = home_frame_ops;
		struct home home;
		ml_va va;

		frames.pin = NULL;
		frames.unpin = NULL;
		frames.pinned = NULL;
		owner_home(&home, world, kind, &frames);
		va = home.space.first;
		home_map(&home, va, home_page(&home), &home_memory);
		t_ok(home_store(&home, va, 1));
		pin(&home, va, home_page(&home));
		t_eq(ml_frame_pins(home.pool, extents[0].pa), 0);
		protect(&home, va, home_page(&home), ML_READ);
		protect(&home, va, home_page(&home), ML_RW);
		t_ok(home_store(&home, va, 2));
		t_ok(home_leaf(&home, va).pa != extents[0].pa);
		t_eq(*home_byte(&home, extents[0].pa), 1);
		ml_unpin_pages(&home.space, extents, count);
		home_leave(&home);
	}
}

TEST(a_fork_leaves_it_to_the_parent)
{
	EACH_HOME(world, kind)
	{
		struct home home, child;
		uint64_t large, page;
		ml_va va, at;

		owner_home(&home, world, kind, NULL);
		owner_home(&child, world, kind, NULL);
		large = home_large(&home);
		page = home_page(&home);
		va = home.space.first;
		at = va + large / 2;
		home_map(&home, va, 2 * large, &home_memory);
		t_ok(home_store(&home, va, 1));
		t_ok(home_store(&home, at, 2));
		t_ok(home_store(&home, va + large, 3));
		pin(&home, at, page);
		t_eq(ml_space_fork(&child.space, &home.space), ML_OK);
		t_eq(ml_frame_references(home.pool, extents[0].pa),
		     2); /* the parent's, and a pin */
		t_eq(home_rung(&child, va + large), home_rung(&home, va + large));
		home.faults = 0;
		t_ok(home_store(&home, at, 4));
		t_eq(home.faults, 0); /* it never lost the right */
		t_eq(*home_byte(&home, extents[0].pa), 4);
		*home_byte(&home, extents[0].pa + 1) = 5;
		t_eq(home_read(&home, at + 1), 5);
		t_eq(home_read(&child, va), 1);
		t_eq(home_read(&child, at), 2);
		t_eq(home_read(&child, at + 1), 0);
		t_eq(home_read(&child, va + large), 3);
		t_ok(home_store(&child, at, 6));
		t_eq(home_read(&home, at), 4);
		ml_unpin_pages(&home.space, extents, count);
		t_ok(home_is_sound(&child));
		t_ok(home_close(&child));
		home_leave(&home);
	}
}

/* One that others hold, too, is nobody's own: the pin keeps what was. */
TEST(a_second_owner_still_means_a_copy)
{
	EACH_HOME(world, kind)
	{
		struct home home, child;
		ml_va va;

		owner_home(&home, world, kind, NULL);
		owner_home(&child, world, kind, NULL);
		va = home.space.first;
		home_map(&home, va, home_page(&home), &home_memory);
		t_ok(home_store(&home, va, 1));
		t_eq(ml_space_fork(&child.space, &home.space), ML_OK);
		t_eq(ml_pin_pages(&home.space, va, home_page(&home), ML_READ, extents, EXTENTS,
				  &count),
		     ML_OK);
		t_ok(home_store(&home, va, 2));
		t_ok(home_leaf(&home, va).pa != extents[0].pa);
		t_eq(*home_byte(&home, extents[0].pa), 1);
		t_eq(home_read(&child, va), 1);
		ml_unpin_pages(&home.space, extents, count);
		t_ok(home_close(&child));
		home_leave(&home);
	}
}

TEST(a_fork_that_fails_has_copied_nothing)
{
	FOR_EACH_WORLD(world)
	{
		static struct state before;
		struct home home, child;
		unsigned n, failures = 0;
		ml_va va;

		owner_home(&home, world, 1, NULL);
		va = home.space.first;
		home_map(&home, va, home_large(&home), &home_memory);
		t_ok(home_store(&home, va, 1));
		pin(&home, va + home_page(&home), home_large(&home) / 2);
		for (n = 1; n < 40; n++) {
			int error;

			owner_home(&child, world, 1, NULL);
			state_take(&before, &home);
			home_fail(&home, n);
			error = ml_space_fork(&child.space, &home.space);
			home_fail(&home, 0);
			if (error) {
				t_eq(error, ML_ERR_NO_MEMORY);
				t_ok(state_is_as_before(&before, &home));
				t_eq(child.space.regions, 0);
				failures++;
			}
			t_ok(home_is_sound(&child));
			t_ok(home_close(&child));
		}
		t_ok(failures >= 4);
		ml_unpin_pages(&home.space, extents, count);
		state_release(&before);
		home_leave(&home);
	}
}

TEST(a_collapse_passes_it_by)
{
	EACH_HOME(world, kind)
	{
		struct ml_region_spec small = home_memory;
		struct home home;
		uint64_t large, page, at;
		ml_va va;

		small.flags = ML_REGION_NO_HUGE;
		owner_home(&home, world, kind, NULL);
		large = home_large(&home);
		page = home_page(&home);
		va = home.space.first;
		home_map(&home, va, 2 * large, &small);
		for (at = 2 * large; at; at -= page) /* frames come in the other order */
			t_ok(home_store(&home, va + at - page, 1));
		t_eq(ml_space_advise(&home.space, va, 2 * large, ML_ADVISE_HUGE), ML_OK);
		pin(&home, va + 2 * page, page);
		t_eq(ml_space_advise(&home.space, va, 2 * large, ML_ADVISE_COLLAPSE), ML_OK);
		t_eq(home_leaf(&home, va + 2 * page).pa, extents[0].pa);
		t_ok(home_rung(&home, va + 2 * page) < home_large_rung(&home));
		t_eq(home_rung(&home, va + large), home_large_rung(&home));
		ml_unpin_pages(&home.space, extents, count);
		home_leave(&home);
	}
}

/* There are only so many: the next one is refused, and nothing of its range is held. */
TEST(pins_that_are_too_many)
{
	struct home home;
	uint64_t page;
	unsigned pins = 0;
	ml_va va;

	owner_home(&home, WORLD_X86_4, 0, NULL);
	page = home_page(&home);
	va = home.space.first;
	home_map(&home, va, 2 * page, &home_memory);
	pin(&home, va, page);
	while (pins < 5000 && ml_frame_pool_frames.pin(home.pool, extents[0].pa, page))
		pins++;
	t_eq(pins + 1, (1 << 11) - 1);
	t_eq(ml_pin_pages(&home.space, va, 2 * page, ML_WRITE, extents + 1, EXTENTS - 1, &count),
	     ML_ERR_NO_MEMORY);
	t_eq(count, 0);
	t_eq(ml_frame_pins(home.pool, extents[0].pa), pins + 1);
	t_ok(home_store(&home, va, 7));
	t_eq(*home_byte(&home, extents[0].pa), 7);
	for (; pins; pins--)
		ml_frame_pool_frames.unpin(home.pool, extents[0].pa, page);
	ml_unpin_pages(&home.space, extents, 1);
	home_leave(&home);
}

/* ---- random programs -------------------------------------------------------------------- */

#define PINS 8
#define PAGES 1024
#define STEPS 150

static struct {
	struct home parent, child;
	bool forked;
	uint64_t pages, page;
	ml_va va;
	ml_prot rights[PAGES];
	unsigned char bytes[2][PAGES]; /* the first of each page, of both */
	struct {
		uint64_t page;
		struct ml_extent extent; /* length 0: none */
	} pins[PINS];
} now;

static void store(struct source *s, bool by_child)
{
	const uint64_t page = source_below(s, now.pages);
	const unsigned char byte = (unsigned char)source_next(s);

	if (!(now.rights[page] & ML_WRITE) || (by_child && !now.forked))
		return;
	t_ok(home_store(by_child ? &now.child : &now.parent, now.va + page * now.page, byte));
	now.bytes[by_child][page] = byte;
}

static void pin_one(struct source *s)
{
	const uint64_t page = source_below(s, now.pages), i = source_below(s, PINS);
	size_t pieces;

	if (now.pins[i].extent.length) {
		ml_unpin_pages(&now.parent.space, &now.pins[i].extent, 1);
		now.pins[i].extent.length = 0;
	} else if (now.rights[page] & ML_WRITE) {
		t_eq(ml_pin_pages(&now.parent.space, now.va + page * now.page, now.page, ML_WRITE,
				  &now.pins[i].extent, 1, &pieces),
		     ML_OK);
		now.pins[i].page = page;
	}
}

static void device_writes(struct source *s)
{
	const uint64_t i = source_below(s, PINS);

	if (!now.pins[i].extent.length)
		return;
	now.bytes[0][now.pins[i].page] = (unsigned char)source_next(s);
	*home_byte(&now.parent, now.pins[i].extent.pa) = now.bytes[0][now.pins[i].page];
}

/* Rights of the child stay those of the fork: it may do all that the parent may. */
static void change_rights(struct source *s)
{
	static const ml_prot rights[] = { ML_RW, ML_RW, ML_READ, 0 };
	const uint64_t page = source_below(s, now.pages);
	const uint64_t pages = 1 + source_below(s, now.pages - page);
	const ml_prot wanted = rights[source_below(s, 4)];

	protect(&now.parent, now.va + page * now.page, pages * now.page, wanted);
	if (now.forked)
		protect(&now.child, now.va + page * now.page, pages * now.page, wanted);
	for (uint64_t i = 0; i < pages; i++)
		now.rights[page + i] = wanted;
}

static void check_child(void)
{
	for (uint64_t page = 0; page < now.pages; page++)
		if (now.rights[page])
			t_eq(home_read(&now.child, now.va + page * now.page), now.bytes[1][page]);
	t_ok(home_is_sound(&now.child));
}

static void fork_or_exit(enum world world, unsigned kind)
{
	now.forked = !now.forked;
	if (now.forked) {
		owner_home(&now.child, world, kind, NULL);
		t_eq(ml_space_fork(&now.child.space, &now.parent.space), ML_OK);
		memcpy(now.bytes[1], now.bytes[0], sizeof(now.bytes[0]));
	} else {
		check_child();
		t_ok(home_close(&now.child));
	}
}

/* What is pinned is where it was, and the device and the process see the same. */
static void check_pins(void)
{
	for (unsigned i = 0; i < PINS; i++) {
		const uint64_t page = now.pins[i].page;

		if (!now.pins[i].extent.length)
			continue;
		t_eq(home_leaf(&now.parent, now.va + page * now.page).pa, now.pins[i].extent.pa);
		t_eq(*home_byte(&now.parent, now.pins[i].extent.pa), now.bytes[0][page]);
	}
}

static void run_program(struct source *s, enum world world, unsigned kind)
{
	memset(&now, 0, sizeof(now));
	owner_home(&now.parent, world, kind, NULL);
	now.page = home_page(&now.parent);
	now.pages = 2 * home_large(&now.parent) / now.page;
	now.va = now.parent.space.first;
	home_map(&now.parent, now.va, now.pages * now.page, &home_memory);
	for (uint64_t page = 0; page < now.pages; page++)
		now.rights[page] = ML_RW;
	for (unsigned step = 0; step < STEPS; step++) {
		const uint64_t choice = source_below(s, 16);

		if (choice < 8)
			store(s, choice & 1);
		else if (choice < 11)
			pin_one(s);
		else if (choice < 12)
			device_writes(s);
		else if (choice < 14)
			change_rights(s);
		else if (choice < 15)
			fork_or_exit(world, kind);
		else
			t_eq(ml_space_advise(&now.parent.space, now.va, now.pages * now.page,
					     ML_ADVISE_COLLAPSE),
			     ML_OK);
		check_pins();
	}
}

static void end_program(enum world world, unsigned kind)
{
	if (now.forked)
		fork_or_exit(world, kind);
	for (uint64_t page = 0; page < now.pages; page++)
		if (now.rights[page])
			t_eq(home_read(&now.parent, now.va + page * now.page), now.bytes[0][page]);
	for (unsigned i = 0; i < PINS; i++)
		ml_unpin_pages(&now.parent.space, &now.pins[i].extent,
			       now.pins[i].extent.length != 0);
	home_leave(&now.parent);
}

TEST(random_programs_never_lose_a_pin)
{
	const uint64_t seed = t_seed(20261122), most = source_amount(30000) / STEPS + 1;

	for (uint64_t i = 0; i < most; i++) {
		const enum world world = (enum world)(i % WORLDS);
		const unsigned kind = (unsigned)(i / WORLDS % OWNER_KINDS);
		struct source s = source_seeded(seed + i);

		T_CONTEXT(worlds[world].name, i);
		run_program(&s, world, kind);
		end_program(world, kind);
		T_REQUIRE(!t_state.complaints);
	}
}
