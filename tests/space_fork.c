/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* Fork: contents part when somebody writes, leaves stay as large as they were (S4.10, S4.24). */
#include "support/owner.h"
#include "support/state.h"
#include "t.h"

static void open_with(struct home *home, enum world world, bool guaranteed, bool live)
{
	const struct ml_space_config wish = {
		.table = { .guaranteed = guaranteed, .live = live, .fold = ML_FOLD_COMPLETE },
		.fault_rungs = ~0u,
	};

	t_eq(home_open(home, world, &wish), ML_OK);
}

static void fork_into(struct home *child, struct home *parent, enum world world)
{
	open_with(child, world, parent->space.table.guaranteed, parent->space.table.live);
	t_eq(ml_space_fork(&child->space, &parent->space), ML_OK);
	t_ok(home_is_sound(parent));
	t_ok(home_is_sound(child));
}

static void fill_page(struct home *home, ml_va va, unsigned char byte)
{
	uint64_t i;

	for (i = 0; i < home_page(home); i++)
		t_ok(home_store(home, va + i, byte));
}

TEST(contents_part_when_somebody_writes)
{
	FOR_EACH_WORLD(world)
	{
		struct home parent, child, grandchild;
		ml_va va;

		open_with(&parent, world, true, true);
		va = parent.space.first;
		home_map(&parent, va, home_large(&parent), &home_memory);
		fill_page(&parent, va, 1);
		fork_into(&child, &parent, world);
		t_ok(owner_page_holds(&child, va, 1));
		fill_page(&parent, va, 2);
		t_ok(owner_page_holds(&child, va, 1));
		fork_into(&grandchild, &child, world);
		fill_page(&child, va, 3);
		t_ok(owner_page_holds(&parent, va, 2));
		t_ok(owner_page_holds(&child, va, 3));
		t_ok(owner_page_holds(&grandchild, va, 1));
		t_ok(home_close(&parent));
		fill_page(&grandchild, va, 4);
		t_ok(owner_page_holds(&child, va, 3));
		t_ok(home_close(&child));
		t_ok(owner_page_holds(&grandchild, va, 4));
		home_leave(&grandchild);
	}
}

TEST(leaves_stay_as_large_as_they_were_on_both_sides)
{
	FOR_EACH_WORLD(world)
	{
		struct home parent, child;
		int rung;
		ml_va va;

		open_with(&parent, world, true, true);
		va = parent.space.first;
		home_map(&parent, va, home_large(&parent), &home_memory);
		t_ok(home_store(&parent, va, 7));
		rung = home_rung(&parent, va);
		t_ok(rung > 0);
		fork_into(&child, &parent, world);
		t_eq(home_rung(&parent, va), rung);
		t_eq(home_rung(&child, va), rung);
		t_eq(child.space.table.spare.count, parent.space.table.spare.count);
		t_eq(home_read(&child, va), 7);
		t_ok(home_store(&child, va, 8)); /* copies one page, and splits what it stood in */
		t_eq(home_rung(&child, va), 0);
		t_eq(home_rung(&parent, va), rung);
		t_eq(home_read(&parent, va), 7);
		t_ok(home_close(&child));
		t_ok(home_store(&parent, va, 9)); /* nobody else has it: no copy, no split */
		t_eq(home_rung(&parent, va), rung);
		home_leave(&parent);
	}
}

TEST(raw_frames_are_always_copied)
{
	FOR_EACH_WORLD(world)
	{
		struct home parent, child;
		uint64_t faults;
		ml_va va;
		int rung;

		open_with(&parent, world, true, true);
		va = parent.space.first;
		home_map_raw(&parent, va, home_large(&parent), parent.raw->first);
		rung = home_rung(&parent, va);
		t_ok(home_store(&parent, va, 5));
		fork_into(&child, &parent, world);
		faults = child.faults;
		t_eq(home_read(&child, va + home_large(&child) - 1),
		     *home_byte(&child, parent.raw->first + home_large(&child) - 1));
		t_eq(home_read(&child, va), 5);
		t_eq(home_rung(&child, va), rung);
		t_eq(child.faults, faults);
		t_ok(home_store(&child, va, 6)); /* shared: the device sees it */
		t_eq(home_read(&parent, va), 6);
		t_ok(home_close(&parent));
		t_eq(ml_space_unmap(&child.space, va, home_page(&child)),
		     ML_OK); /* its own table */
		home_leave(&child);
	}
}

/* S4.10: whoever goes first, each owns what its leaves need to come apart: no table is left. */
static void part_company(enum world world, bool child_first)
{
	struct home parent, child;
	struct home *last = child_first ? &parent : &child;
	uint64_t large, page;
	ml_va va;
	int rung;

	open_with(&parent, world, true, true);
	va = parent.space.first;
	large = home_large(&parent);
	page = home_page(&parent);
	home_map_raw(&parent, va, 2 * large, parent.raw->first);
	rung = home_rung(&parent, va + page);
	fork_into(&child, &parent, world);
	t_eq(child.space.table.spare.count, parent.space.table.spare.count);
	parent.arena->in_use_limit = parent.arena->in_use;
	t_eq(ml_space_protect(&child.space, va + page, page, ML_READ), ML_OK);
	t_eq(ml_space_unmap(&child.space, va + large + page, page), ML_OK);
	t_eq(home_rung(&parent, va + page), rung);
	t_ok(home_is_sound(&child));
	t_ok(home_close(child_first ? &child : &parent));
	t_ok(home_is_sound(last));
	last->arena->in_use_limit = last->arena->in_use;
	t_eq(ml_space_protect(&last->space, va + 2 * page, page, ML_READ), ML_OK);
	t_eq(ml_space_unmap(&last->space, va + large + 2 * page, page), ML_OK);
	last->arena->in_use_limit = 0;
	t_eq(home_read(last, va + large - 1), *home_byte(last, last->raw->first + large - 1));
	home_leave(last);
}

TEST(either_may_go_first)
{
	FOR_EACH_WORLD(world)
	{
		part_company(world, false);
		part_company(world, true);
	}
}

/* S4.24: nobody has used, or written, anything through the child's leaves. */
TEST(what_is_shared_arrives_clean_and_old)
{
	FOR_EACH_WORLD(world)
	{
		for (unsigned kind = 2; kind <= 3; kind++) { /* those that track */
			struct home parent, child;
			uint64_t large;
			ml_va va;

			T_CONTEXT(worlds[world].name, kind);
			owner_home(&parent, world, kind, NULL);
			owner_home(&child, world, kind, NULL);
			va = parent.space.first;
			large = home_large(&parent);
			home_map_raw(&parent, va, large, parent.raw->first);
			home_map_raw(&parent, va + 2 * large, home_page(&parent), 0);
			t_ok(home_store(&parent, va, 1));
			t_eq(ml_insert_pfn(&parent.space, va + 2 * large, 0, 0, ML_NC, true),
			     ML_OK);
			t_eq(ml_space_fork(&child.space, &parent.space), ML_OK);
			t_eq(home_prot(&parent, va) & ML_PROT_AD, ML_PROT_AD);
			t_eq(home_prot(&parent, va + 2 * large) & ML_PROT_AD, ML_PROT_AD);
			t_eq(home_prot(&child, va) & ML_PROT_AD, 0);
			t_eq(home_prot(&child, va + 2 * large) & ML_PROT_AD, 0);
			t_ok(home_close(&child));
			home_leave(&parent);
		}
	}
}

TEST(what_fails_has_changed_nothing)
{
	FOR_EACH_WORLD(world)
	{
		struct home parent, child;
		static struct state before;
		unsigned n, failures = 0;

		open_with(&parent, world, true, true);
		home_map(&parent, parent.space.first, home_large(&parent), &home_memory);
		t_ok(home_store(&parent, parent.space.first, 1));
		for (n = 1; n < 40; n++) {
			int error;

			open_with(&child, world, true, true);
			state_take(&before, &parent);
			home_fail(&parent, n);
			error = ml_space_fork(&child.space, &parent.space);
			home_fail(&parent, 0);
			if (error) {
				t_eq(error, ML_ERR_NO_MEMORY);
				t_ok(state_is_as_before(&before, &parent));
				t_eq(child.space.regions, 0);
				failures++;
			}
			t_ok(home_is_sound(&parent));
			t_ok(home_is_sound(&child));
			t_ok(home_close(&child));
			/* as if nobody had been there */
			t_ok(home_store(&parent, parent.space.first, 1));
		}
		t_ok(failures >= 2);
		home_leave(&parent);
	}
}

TEST(fork_is_for_empty_spaces_of_one_format)
{
	struct home parent, child, other;

	open_with(&parent, WORLD_X86_4, true, true);
	open_with(&child, WORLD_X86_4, true, true);
	open_with(&other, WORLD_ARM_LOW, true, true);
	home_map(&child, child.space.first, home_page(&child), &home_memory);
	t_eq(ml_space_fork(&child.space, &parent.space), ML_ERR_CONFIG);
	t_eq(ml_space_fork(&other.space, &parent.space), ML_ERR_CONFIG);
	t_ok(home_close(&other));
	t_ok(home_close(&child));
	home_leave(&parent);
}
