/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/*
 * Regions against a flat picture: every unit of a window says which region it is of. Mapped,
 * unmapped at once and in steps, protected; cut and grown together; with owners who veto cuts and
 * count what is opened and closed; and with every object that they take missing once.
 */
#include <stdio.h>
#include <string.h>

#include "support/raw.h"
#include "t.h"

#define K ((uint64_t)1 << 10)
#define M ((uint64_t)1 << 20)
#define UNITS 48

/* ---- owners ---------------------------------------------------------------------------- */

struct owner {
	struct ml_mapping mapping;
	int opened;
};

static uint64_t unit_bytes;

static bool on_the_list(const struct ml_region *region)
{
	const struct ml_region *other = region->mapping->regions;

	while (other && other != region)
		other = other->mapping_next;
	return other;
}

static void opened(struct ml_region *region)
{
	struct owner *owner = region->mapping->owner;

	t_ok(on_the_list(region));
	t_ok(ml_space_find(region->space, ml_region_va(region)) == region);
	owner->opened++;
}

static void closed(struct ml_region *region)
{
	struct owner *owner = region->mapping->owner;

	t_ok(!on_the_list(region));
	t_ok(ml_region_length(region) % unit_bytes == 0);
	owner->opened--;
}

/* Every other unit may be the first of a region. */
static bool veto_odd(const struct ml_region *region, ml_va va)
{
	t_ok(va > ml_region_va(region) && va < ml_region_va(region) + ml_region_length(region));
	return va / unit_bytes % 2 == 0;
}

static const struct ml_region_ops willing = { .opened = opened, .closed = closed };
static const struct ml_region_ops picky = {
	.opened = opened,
	.closed = closed,
	.may_split = veto_odd,
};
static struct owner owners[3];

/* ---- the picture ----------------------------------------------------------------------- */

enum sort { NONE, ANONYMOUS, NAMED, DEVICE, PICKY, BUFFER, SORTS };

struct unit {
	uint8_t sort;
	uint8_t rights;
};

struct world_picture {
	struct home home;
	ml_va va; /* of unit 0 */
	unsigned units;
	struct unit is[UNITS];
};

static struct world_picture world;

static const char name[] = "a name";

/* Offsets and frames of all units go on in sequence: what is alike merges. */
static struct ml_region_spec spec_of(unsigned sort, unsigned first, ml_prot rights)
{
	struct ml_region_spec spec = { .prot = rights | ML_NC, .may = ML_RW };

	if (sort == NAMED)
		spec.name = name;
	if (sort == DEVICE || sort == PICKY || sort == BUFFER)
		spec.mapping = &owners[sort - DEVICE].mapping;
	if (spec.mapping)
		spec.offset = first * unit_bytes;
	if (sort == DEVICE || sort == PICKY)
		spec.flags = RAW_SHARED;
	return spec;
}

static ml_va unit_va(unsigned unit)
{
	return world.va + unit * unit_bytes;
}

static bool same(struct unit a, struct unit b)
{
	return a.sort == b.sort && a.rights == b.rights;
}

/* Whether a cut before this unit is refused. */
static bool vetoed(unsigned unit)
{
	return unit > 0 && unit < world.units && world.is[unit].sort == PICKY &&
	       same(world.is[unit - 1], world.is[unit]) && unit_va(unit) / unit_bytes % 2;
}

/* The region that begins at this unit, as the picture has it; returns its end. */
static unsigned check_region(unsigned first)
{
	const struct unit unit = world.is[first];
	const struct ml_region_spec want = spec_of(unit.sort, first, unit.rights);
	const struct ml_region *region = ml_space_find(&world.home.space, unit_va(first) + 1);
	unsigned end = first;

	while (end < world.units && same(world.is[end], unit))
		end++;
	if (!t_ok(region))
		return end;
	t_eq(ml_region_va(region), unit_va(first));
	t_eq(ml_region_length(region), (end - first) * unit_bytes);
	t_eq(region->prot, want.prot);
	t_eq(region->may, want.may);
	t_eq(region->flags, want.flags);
	t_ok(region->mapping == want.mapping && region->name == want.name);
	if (want.mapping)
		t_eq(region->offset, want.offset);
	t_ok(ml_space_find(&world.home.space, unit_va(end) - 1) == region);
	return end;
}

/* What an unprivileged program may do to the unit. */
static void check_leaves(unsigned number)
{
	const struct unit unit = world.is[number];
	const bool there = unit.sort == DEVICE || unit.sort == PICKY;
	const ml_va ends[] = { unit_va(number), unit_va(number) + unit_bytes - 1 };

	for (unsigned i = 0; i < 2; i++) {
		const enum ml_model_access access =
			unit.rights & ML_WRITE ? ML_MODEL_WRITE : ML_MODEL_READ;
		struct ml_model_result seen;

		ml_model_walk(&world.home.model, ends[i], access, true, &seen);
		if (!there) {
			t_eq(seen.fault, ML_MODEL_NOT_MAPPED);
			continue;
		}
		t_eq(seen.fault, unit.rights ? ML_MODEL_OK : ML_MODEL_PERMISSION);
		t_eq(seen.pa, world.home.raw->first + (ends[i] - world.va));
		t_eq(seen.prot & ML_WRITE, unit.rights & ML_WRITE);
	}
}

static unsigned listed(const struct ml_mapping *mapping)
{
	const struct ml_region *region = mapping->regions;
	unsigned count = 0;

	for (; region; region = region->mapping_next, count++)
		t_ok(region->mapping == mapping);
	return count;
}

static void check_world(void)
{
	const struct ml_region *region = ml_space_find_from(&world.home.space, world.va);
	unsigned regions = 0, units = 0, mapped[SORTS] = { 0 };

	for (unsigned unit = 0; unit < world.units;) {
		if (world.is[unit].sort == NONE) {
			t_ok(!ml_space_find(&world.home.space, unit_va(unit)));
			unit++;
			continue;
		}
		t_ok(region == ml_space_find(&world.home.space, unit_va(unit)));
		region = region ? ml_region_next(region) : NULL;
		mapped[world.is[unit].sort]++;
		units -= unit;
		unit = check_region(unit);
		units += unit;
		regions++;
	}
	t_ok(!region);
	t_eq(world.home.space.regions, regions);
	t_eq(world.home.space.mapped, units * unit_bytes);
	for (unsigned i = 0; i < 3; i++) {
		t_eq(owners[i].opened, mapped[DEVICE + i]);
		t_eq(listed(&owners[i].mapping), mapped[DEVICE + i]);
	}
	for (unsigned unit = 0; unit < world.units; unit++)
		check_leaves(unit);
	t_ok(home_is_sound(&world.home));
}

/* ---- programs -------------------------------------------------------------------------- */

static void open_world(enum world number, bool coarse)
{
	const struct ml_space_config wish = { .table = { .live = true, .guaranteed = true } };

	t_eq(home_open(&world.home, number, &wish), ML_OK);
	unit_bytes = coarse ? 512 * K : home_page(&world.home);
	world.va = raw_va(&world.home);
	world.units = number == WORLD_TOY ? 16 : UNITS;
	memset(world.is, 0, sizeof(world.is));
	for (unsigned i = 0; i < 3; i++)
		owners[i] = (struct owner){ .mapping = { i == 1 ? &picky : &willing, &owners[i],
							 NULL } };
}

static bool is_free(unsigned first, unsigned end)
{
	for (; first < end; first++)
		if (world.is[first].sort)
			return false;
	return true;
}

static bool is_whole(unsigned first, unsigned end)
{
	for (; first < end; first++)
		if (!world.is[first].sort)
			return false;
	return true;
}

static void paint(unsigned first, unsigned end, unsigned sort, ml_prot rights)
{
	for (; first < end; first++)
		world.is[first] = (struct unit){ (uint8_t)sort, (uint8_t)rights };
}

/* An error that the n-th object may bring; if it did, nothing has changed. */
static bool as_wanted(int error, int want, bool failing)
{
	if (failing && error == ML_ERR_NO_MEMORY)
		return false;
	return t_eq(error, want) && !error;
}

static void do_map(unsigned first, unsigned end, unsigned sort, ml_prot rights, bool replace)
{
	const struct ml_region_spec spec = spec_of(sort, first, rights);
	const uint64_t len = (end - first) * unit_bytes;
	const bool failing = home_fail_nth;
	struct ml_region *region = NULL;
	int want = ML_OK;
	int error = ml_space_map(&world.home.space, unit_va(first), len, &spec,
				 replace ? ML_MAP_REPLACE : 0, &region);

	if (!replace && !is_free(first, end))
		want = ML_ERR_EXISTS;
	else if (replace && (vetoed(first) || vetoed(end)))
		want = ML_ERR_REFUSED;
	if (!as_wanted(error, want, failing))
		return;
	t_ok(region == ml_space_find(&world.home.space, unit_va(first)));
	paint(first, end, sort, rights);
	home_fail_nth = 0;
	if (spec.flags)
		t_eq(ml_remap_pfn_range(&world.home.space, unit_va(first), len,
					world.home.raw->first + first * unit_bytes, ML_NC),
		     ML_OK);
}

static void do_unmap(unsigned first, unsigned end)
{
	const bool failing = home_fail_nth;
	int error = ml_space_unmap(&world.home.space, unit_va(first), (end - first) * unit_bytes);

	if (as_wanted(error, vetoed(first) || vetoed(end) ? ML_ERR_REFUSED : ML_OK, failing))
		paint(first, end, NONE, 0);
}

/* A step ended inside a region: what is left shows what it showed. */
static void check_rest(ml_va va)
{
	const struct ml_region *region = ml_space_find(&world.home.space, va);

	if (region && region->mapping)
		t_eq(region->offset, ml_region_va(region) - world.va);
}

/* What is behind the step is gone, what is before it is there. */
static void do_unmap_steps(unsigned first, unsigned end)
{
	const bool refused = vetoed(first) || vetoed(end);
	struct ml_step step = { .va = unit_va(first), .len = (end - first) * unit_bytes };
	struct ml_space *s = &world.home.space;

	while (step.len) {
		const ml_va va = step.va;
		const ml_va last = step.va + (step.len - 1);
		const bool failing = home_fail_nth;
		int error = ml_space_unmap_step(s, &step);

		if (failing && error == ML_ERR_NO_MEMORY) {
			home_fail_nth = 0;
			t_eq(step.va, va);
			continue;
		}
		if (!as_wanted(error, refused ? ML_ERR_REFUSED : ML_OK, false))
			return;
		t_ok(step.va > va && step.va + (step.len - 1) == last);
		t_ok(raw_is_empty(&world.home, unit_va(first), step.va - unit_va(first)));
		t_ok(!ml_space_find_from(s, unit_va(first)) ||
		     ml_region_va(ml_space_find_from(s, unit_va(first))) >= step.va);
		if (step.len)
			check_rest(step.va);
		t_ok(home_is_sound(&world.home));
	}
	paint(first, end, NONE, 0);
}

static void do_protect(unsigned first, unsigned end, ml_prot rights)
{
	const bool failing = home_fail_nth;
	int want = ML_OK;
	int error = ml_space_protect(&world.home.space, unit_va(first), (end - first) * unit_bytes,
				     rights);

	if (!is_whole(first, end))
		want = ML_ERR_NOT_MAPPED;
	else if (rights & ML_EXEC)
		want = ML_ERR_ACCESS;
	else if (vetoed(first) || vetoed(end))
		want = ML_ERR_REFUSED;
	if (!as_wanted(error, want, failing))
		return;
	for (; first < end; first++)
		world.is[first].rights = (uint8_t)rights;
}

static void do_something(uint64_t *state)
{
	static const ml_prot rights[] = { ML_RW, ML_READ, ML_RW, 0, ML_RW | ML_EXEC };
	const unsigned first = (unsigned)(t_random(state) % world.units);
	const unsigned most = t_random(state) % 4 ? 6 : UNITS;
	unsigned end = first + 1 + (unsigned)(t_random(state) % most);

	end = end < world.units ? end : world.units;
	home_fail_nth = t_random(state) % 4 == 0 ? 1 + t_random(state) % 3 : 0;
	switch (t_random(state) % 8) {
	case 0:
	case 1:
	case 2:
		do_map(first, end, 1 + (unsigned)(t_random(state) % (SORTS - 1)),
		       rights[t_random(state) % 3], t_random(state) & 1);
		break;
	case 3:
	case 4:
		do_protect(first, end, rights[t_random(state) % 5]);
		break;
	case 5:
		do_unmap_steps(first, end);
		break;
	default:
		do_unmap(first, end);
	}
	home_fail_nth = 0;
}

static void campaign(enum world number, bool coarse, unsigned operations)
{
	uint64_t state = t_seed(number + 10 * coarse);

	open_world(number, coarse);
	for (unsigned i = 0; i < operations; i++) {
		T_CONTEXT("operation", i);
		do_something(&state);
		check_world();
	}
	ml_space_fini(&world.home.space);
	for (unsigned i = 0; i < 3; i++) {
		t_eq(owners[i].opened, 0);
		t_ok(!owners[i].mapping.regions);
	}
	t_ok(home_is_empty(number));
}

TEST(regions_of_pages)
{
	for (enum world number = 0; number < WORLDS; number++)
		campaign(number, false, 3000);
}

TEST(regions_of_large_leaves)
{
	for (enum world number = 0; number < WORLD_TOY; number++)
		campaign(number, true, 2000);
}

/* ---- one by one ------------------------------------------------------------------------ */

static void open_plain(struct home *home, enum world number)
{
	const struct ml_space_config wish = { .table = { .live = true } };

	t_eq(home_open(home, number, &wish), ML_OK);
}

static void close_plain(struct home *home, enum world number)
{
	t_ok(home_is_sound(home));
	t_ok(home_close(home));
	t_ok(home_is_empty(number));
}

static int map_spec(struct home *home, ml_va va, uint64_t len, struct ml_region_spec spec)
{
	return ml_space_map(&home->space, va, len, &spec, 0, NULL);
}

TEST(regions_that_make_no_sense)
{
	const struct ml_region_spec good = { .prot = ML_READ, .may = ML_RIGHTS };
	struct ml_mapping mapping = { &willing, &owners[0], NULL };
	struct ml_region_spec spec = good;
	struct home home;

	owners[0].opened = 0;
	unit_bytes = 4 * K;
	open_plain(&home, WORLD_X86_4);
	t_eq(map_spec(&home, M, 0, good), ML_ERR_EMPTY);
	t_eq(map_spec(&home, M + 1, 4 * K, good), ML_ERR_ALIGN);
	t_eq(map_spec(&home, M, 4 * K + 1, good), ML_ERR_ALIGN);
	t_eq(map_spec(&home, 0 - 4 * K, 8 * K, good), ML_ERR_WRAP);
	t_eq(map_spec(&home, ((uint64_t)1 << 47) - 4 * K, 8 * K, good), ML_ERR_CANONICAL);
	spec.prot = ML_RW | ML_USER;
	t_eq(map_spec(&home, M, 4 * K, spec), ML_ERR_ARGUMENT);
	spec.prot = ML_TYPE(15) | ML_READ;
	t_eq(map_spec(&home, M, 4 * K, spec), ML_ERR_PROT);
	spec = good;
	spec.may = 0;
	t_eq(map_spec(&home, M, 4 * K, spec), ML_ERR_ARGUMENT);
	spec = good;
	spec.flags = 1u << 20;
	t_eq(map_spec(&home, M, 4 * K, spec), ML_ERR_ARGUMENT);
	spec.flags = ML_REGION_RAW | ML_REGION_MIXED;
	t_eq(map_spec(&home, M, 4 * K, spec), ML_ERR_ARGUMENT);
	spec.flags = ML_REGION_SHARED;
	t_eq(map_spec(&home, M, 4 * K, spec), ML_ERR_ARGUMENT);
	spec.mapping = &mapping;
	spec.offset = 1;
	t_eq(map_spec(&home, M, 4 * K, spec), ML_ERR_ALIGN);
	spec.offset = 0 - 4 * K;
	t_eq(map_spec(&home, M, 8 * K, spec), ML_ERR_WRAP);
	t_eq(ml_space_map(&home.space, M, 4 * K, &good, 8, NULL), ML_ERR_ARGUMENT);
	t_eq(home.space.regions, 0);
	t_eq(map_spec(&home, M, 4 * K, spec), ML_OK);
	t_eq(map_spec(&home, 0 - 4 * K, 4 * K, good), ML_OK);
	t_eq(map_spec(&home, 0, 4 * K, good), ML_OK);
	t_eq(map_spec(&home, M, 4 * K, good), ML_ERR_EXISTS);
	t_eq(ml_space_unmap(&home.space, 0, 0), ML_ERR_EMPTY);
	t_eq(ml_space_unmap(&home.space, 1, 4 * K), ML_ERR_ALIGN);
	t_eq(ml_space_protect(&home.space, 0, 4 * K, ML_READ | ML_USER), ML_ERR_ARGUMENT);
	t_eq(ml_space_protect(&home.space, 0, 8 * K, ML_READ), ML_ERR_NOT_MAPPED);
	t_ok(ml_space_find(&home.space, ~(ml_va)0) == ml_space_find_from(&home.space, 2 * M));
	t_ok(!ml_region_next(ml_space_find(&home.space, ~(ml_va)0)));
	close_plain(&home, WORLD_X86_4);
}

TEST(configurations_that_make_no_sense)
{
	struct ml_frames frames = home_frame_ops;
	struct ml_space_config wish = { .frames = &frames };
	struct home home;

#define LACKS(member)                                                      \
	do {                                                               \
		frames.member = NULL;                                      \
		t_eq(home_open(&home, WORLD_X86_4, &wish), ML_ERR_CONFIG); \
		frames = home_frame_ops;                                   \
	} while (0)
	LACKS(object_alloc);
	LACKS(object_free);
	LACKS(get);
	LACKS(put);
	LACKS(exclusive);
	LACKS(copy);
	LACKS(pin);
	LACKS(unpin);
	LACKS(pinned);
	wish.first = 8 * K;
	wish.last = 4 * K;
	t_eq(home_open(&home, WORLD_X86_4, &wish), ML_ERR_CONFIG);
	wish.first = 0;
	wish.last = (uint64_t)1 << 47;
	t_eq(home_open(&home, WORLD_X86_4, &wish), ML_ERR_CONFIG);
	wish.last--;
	wish.table.rungs = 2;
	t_eq(home_open(&home, WORLD_X86_4, &wish), ML_ERR_CONFIG);
	wish.table.rungs = 0;
	frames.alloc = NULL; /* a space of raw frames alone */
	frames.exclusive = NULL;
	frames.copy = NULL;
	t_eq(home_open(&home, WORLD_X86_4, &wish), ML_OK);
	close_plain(&home, WORLD_X86_4);
}

static enum ml_fault_result one_frame(struct ml_fault_request *request)
{
	request->pa = request->length == 4 * K ? (uint64_t)4 << 30 : 0;
	request->pa = request->length == 2 * M ? (uint64_t)4 << 30 : request->pa;
	request->raw = true;
	return ML_FAULT_DONE;
}

/* Steps, too, take a leaf that comes back whole where there is no table for its split. */
TEST(a_step_without_a_table)
{
	static const struct ml_region_ops ops = { .fault = one_frame, .rungs = ~0u };
	struct ml_mapping mapping = { &ops, NULL, NULL };

	for (unsigned comes_back = 0; comes_back < 2; comes_back++) {
		struct ml_step step = { .va = 2 * M + 4 * K, .len = 2 * M - 8 * K };
		struct home home;
		unsigned char byte;

		open_plain(&home, WORLD_X86_4);
		t_eq(raw_map(&home, 2 * M, 2 * M, RAW_SHARED, comes_back ? &mapping : NULL), ML_OK);
		if (comes_back)
			t_ok(home_load(&home, 2 * M, &byte));
		else
			t_eq(ml_remap_pfn_range(&home.space, 2 * M, 2 * M, (uint64_t)4 << 30,
						ML_WB),
			     ML_OK);
		t_eq(home_rung(&home, 2 * M), 1);
		home.arena->in_use_limit = home.arena->in_use;
		t_eq(ml_space_unmap_step(&home.space, &step),
		     comes_back ? ML_OK : ML_ERR_NO_MEMORY);
		home.arena->in_use_limit = 0;
		t_eq(step.len, comes_back ? 0 : 2 * M - 8 * K);
		t_eq(home_rung(&home, 2 * M), comes_back ? -1 : 1);
		t_eq(home.space.regions, comes_back ? 2 : 1);
		close_plain(&home, WORLD_X86_4);
	}
}

/* What was taken to cut a region at both ends goes back where the leaf cannot be cut. */
TEST(a_protect_without_a_table)
{
	struct home home;
	uint64_t objects;

	open_plain(&home, WORLD_X86_4);
	t_eq(raw_map(&home, 2 * M, 2 * M, RAW_SHARED, NULL), ML_OK);
	t_eq(ml_remap_pfn_range(&home.space, 2 * M, 2 * M, (uint64_t)4 << 30, ML_WB), ML_OK);
	objects = home.pool->objects_used;
	home.arena->in_use_limit = home.arena->in_use;
	t_eq(ml_space_protect(&home.space, 2 * M + 4 * K, 4 * K, ML_READ), ML_ERR_NO_MEMORY);
	home.arena->in_use_limit = 0;
	t_eq(home.pool->objects_used, objects);
	t_eq(home.space.regions, 1);
	t_eq(home_rung(&home, 2 * M), 1);
	close_plain(&home, WORLD_X86_4);
}

/* Fini closes what is open, and tells whoever listens of nothing beyond it. */
static unsigned begun;
static ml_va begun_va;
static uint64_t begun_len;

static void hear(struct ml_notifier *notifier, ml_va va, uint64_t len)
{
	(void)notifier;
	begun++;
	begun_va = va;
	begun_len = len;
}

TEST(the_end_of_a_space)
{
	struct ml_notifier notifier = { .begin = hear }, other = { 0 };
	struct home home;

	open_plain(&home, WORLD_X86_4);
	ml_space_notify(&home.space, &notifier);
	ml_space_notify(&home.space, &other);
	ml_space_unnotify(&home.space, &other);
	ml_space_unnotify(&home.space, &other);
	t_eq(raw_map(&home, M, 8 * K, RAW_SHARED, NULL), ML_OK);
	t_eq(raw_map(&home, 0 - 16 * K, 4 * K, RAW_SHARED, NULL), ML_OK);
	begun = 0;
	t_ok(home_close(&home));
	t_eq(begun, 1);
	t_eq(begun_va, M);
	t_eq(begun_len, 0 - 12 * K - M);
	t_ok(home_is_empty(WORLD_X86_4));
}

TEST(a_fork_is_heard_from_the_first_region_to_the_last)
{
	struct ml_notifier notifier = { .begin = hear };
	struct home parent, child;

	open_plain(&parent, WORLD_X86_4);
	open_plain(&child, WORLD_X86_4);
	ml_space_notify(&parent.space, &notifier);
	begun = 0;
	t_eq(ml_space_fork(&child.space, &parent.space), ML_OK);
	t_eq(begun, 0); /* there is nothing */
	t_eq(raw_map(&parent, M, 8 * K, RAW_SHARED, NULL), ML_OK);
	t_eq(raw_map(&parent, 0 - 16 * K, 4 * K, RAW_SHARED, NULL), ML_OK);
	begun = 0;
	t_eq(ml_space_fork(&child.space, &parent.space), ML_OK);
	t_eq(begun, 1);
	t_eq(begun_va, M);
	t_eq(begun_len, 0 - 12 * K - M);
	ml_space_unnotify(&parent.space, &notifier);
	t_ok(home_close(&child));
	close_plain(&parent, WORLD_X86_4);
}

/* What a region shows ends where offsets do: it grows up to there. */
TEST(a_region_grows_up_to_the_last_offset)
{
	struct ml_mapping mapping = { &willing, &owners[0], NULL };
	const struct ml_region_spec spec = {
		.prot = ML_READ,
		.may = ML_READ,
		.mapping = &mapping,
		.offset = 0 - 16 * K,
	};
	struct home home;
	ml_va va = M;

	unit_bytes = 4 * K;
	open_plain(&home, WORLD_X86_4);
	t_eq(map_spec(&home, M, 8 * K, spec), ML_OK);
	t_eq(ml_space_move(&home.space, M, 8 * K, 20 * K, 0, &va), ML_ERR_WRAP);
	t_eq(ml_space_move(&home.space, M, 8 * K, 20 * K, ML_MOVE_MAY, &va), ML_ERR_WRAP);
	t_eq(ml_region_length(ml_space_find(&home.space, M)), 8 * K);
	t_eq(ml_space_move(&home.space, M, 8 * K, 16 * K, 0, &va), ML_OK);
	t_eq(ml_region_length(ml_space_find(&home.space, M)), 16 * K);
	close_plain(&home, WORLD_X86_4);
}
