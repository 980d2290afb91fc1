/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* Fork: contents part when somebody writes, leaves stay as large as they were (S4.10, S4.24). */
#include <string.h>

#include "support/home.h"
#include "support/rig.h"
#include "t.h"

#define EACH_WORLD(world) for (enum world world = 0; world < WORLDS; world++)

static const struct ml_region_spec private_memory = {
	.prot = ML_RW | ML_WB,
	.may = ML_RIGHTS,
};

static const struct ml_region_spec shared_device = {
	.prot = ML_RW | ML_NC,
	.may = ML_RW,
	.flags = ML_REGION_SHARED | ML_REGION_RAW,
};

/* The smallest leaf that stands above level 0. */
static uint64_t large(const struct home *home)
{
	return (uint64_t)1 << home->facts->coarse_shift;
}

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

static unsigned char load(struct home *home, ml_va va)
{
	unsigned char byte = 0xee;

	t_ok(home_load(home, va, &byte));
	return byte;
}

/* Every byte of the page as the program sees it. */
static bool page_holds(struct home *home, ml_va va, unsigned char byte)
{
	uint64_t i;

	for (i = 0; i < home_page(home); i++)
		if (load(home, va + i) != byte)
			return false;
	return true;
}

static void fill_page(struct home *home, ml_va va, unsigned char byte)
{
	uint64_t i;

	for (i = 0; i < home_page(home); i++)
		t_ok(home_store(home, va + i, byte));
}

TEST(contents_part_when_somebody_writes)
{
	EACH_WORLD(world)
	{
		struct home parent, child, grandchild;
		ml_va va;

		open_with(&parent, world, true, true);
		va = parent.space.first;
		t_eq(ml_space_map(&parent.space, va, large(&parent), &private_memory, 0, NULL),
		     ML_OK);
		fill_page(&parent, va, 1);
		fork_into(&child, &parent, world);
		t_ok(page_holds(&child, va, 1));
		fill_page(&parent, va, 2);
		t_ok(page_holds(&child, va, 1));
		fork_into(&grandchild, &child, world);
		fill_page(&child, va, 3);
		t_ok(page_holds(&parent, va, 2));
		t_ok(page_holds(&child, va, 3));
		t_ok(page_holds(&grandchild, va, 1));
		t_ok(home_close(&parent));
		fill_page(&grandchild, va, 4);
		t_ok(page_holds(&child, va, 3));
		t_ok(home_close(&child));
		t_ok(page_holds(&grandchild, va, 4));
		t_ok(home_close(&grandchild));
		t_ok(home_is_empty(world));
	}
}

TEST(leaves_stay_as_large_as_they_were_on_both_sides)
{
	EACH_WORLD(world)
	{
		struct home parent, child;
		int rung;
		ml_va va;

		open_with(&parent, world, true, true);
		va = parent.space.first;
		t_eq(ml_space_map(&parent.space, va, large(&parent), &private_memory, 0, NULL),
		     ML_OK);
		t_ok(home_store(&parent, va, 7));
		rung = home_rung(&parent, va);
		t_ok(rung > 0);
		fork_into(&child, &parent, world);
		t_eq(home_rung(&parent, va), rung);
		t_eq(home_rung(&child, va), rung);
		t_eq(child.space.table.spare.count, parent.space.table.spare.count);
		t_eq(load(&child, va), 7);
		t_ok(home_store(&child, va, 8)); /* copies one page, and splits what it stood in */
		t_eq(home_rung(&child, va), 0);
		t_eq(home_rung(&parent, va), rung);
		t_eq(load(&parent, va), 7);
		t_ok(home_close(&child));
		t_ok(home_store(&parent, va, 9)); /* nobody else has it: no copy, no split */
		t_eq(home_rung(&parent, va), rung);
		t_ok(home_close(&parent));
		t_ok(home_is_empty(world));
	}
}

TEST(raw_frames_are_always_copied)
{
	EACH_WORLD(world)
	{
		struct home parent, child;
		uint64_t faults;
		ml_va va;
		int rung;

		open_with(&parent, world, true, true);
		va = parent.space.first;
		t_eq(ml_space_map(&parent.space, va, large(&parent), &shared_device, 0, NULL),
		     ML_OK);
		t_eq(ml_remap_pfn_range(&parent.space, va, large(&parent), parent.raw->first,
					ML_NC),
		     ML_OK);
		rung = home_rung(&parent, va);
		t_ok(home_store(&parent, va, 5));
		fork_into(&child, &parent, world);
		faults = child.faults;
		t_eq(load(&child, va + large(&child) - 1),
		     *home_byte(&child, parent.raw->first + large(&child) - 1));
		t_eq(load(&child, va), 5);
		t_eq(home_rung(&child, va), rung);
		t_eq(child.faults, faults);
		t_ok(home_store(&child, va, 6)); /* shared: the device sees it */
		t_eq(load(&parent, va), 6);
		t_ok(home_close(&parent));
		t_eq(ml_space_unmap(&child.space, va, home_page(&child)),
		     ML_OK); /* its own table */
		t_ok(home_is_sound(&child));
		t_ok(home_close(&child));
		t_ok(home_is_empty(world));
	}
}

/* Frames and tables of both sides, as far as failing must not change them. */
struct before {
	uint64_t tables, pages, deposits, regions;
	ml_prot prot;
};

static struct before take(const struct home *home)
{
	struct ml_translation leaf;
	struct before before = {
		.tables = home->arena->in_use,
		.pages = home->pool->free_pages + home->pool->object_pages,
		.deposits = home->space.table.spare.count,
		.regions = home->space.regions,
	};

	if (!ml_translate(&home->space.table, home->space.first, &leaf))
		before.prot = ml_translation_prot(&home->space.table, &leaf);
	return before;
}

TEST(what_fails_has_changed_nothing)
{
	EACH_WORLD(world)
	{
		struct home parent, child;
		struct before before, after;
		unsigned n, failures = 0;

		open_with(&parent, world, true, true);
		t_eq(ml_space_map(&parent.space, parent.space.first, large(&parent),
				  &private_memory, 0, NULL),
		     ML_OK);
		t_ok(home_store(&parent, parent.space.first, 1));
		for (n = 1; n < 40; n++) {
			int error;

			open_with(&child, world, true, true);
			before = take(&parent);
			parent.arena->fail_nth = n & 1 ? (n + 1) / 2 : 0;
			home_fail_nth = n & 1 ? 0 : n / 2;
			error = ml_space_fork(&child.space, &parent.space);
			parent.arena->fail_nth = home_fail_nth = 0;
			if (error) {
				after = take(&parent);
				t_eq(error, ML_ERR_NO_MEMORY);
				t_ok(!memcmp(&before, &after, sizeof(before)));
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
		t_ok(home_close(&parent));
		t_ok(home_is_empty(world));
	}
}

TEST(fork_is_for_empty_spaces_of_one_format)
{
	struct home parent, child, other;

	open_with(&parent, WORLD_X86_4, true, true);
	open_with(&child, WORLD_X86_4, true, true);
	open_with(&other, WORLD_ARM_LOW, true, true);
	t_eq(ml_space_map(&child.space, child.space.first, home_page(&child), &private_memory, 0,
			  NULL),
	     ML_OK);
	t_eq(ml_space_fork(&child.space, &parent.space), ML_ERR_CONFIG);
	t_eq(ml_space_fork(&other.space, &parent.space), ML_ERR_CONFIG);
	t_ok(home_close(&other));
	t_ok(home_close(&child));
	t_ok(home_close(&parent));
	t_ok(home_is_empty(WORLD_X86_4));
}
