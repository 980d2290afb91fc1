/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/*
 * ml_space_pick() against a search of every address: congruent with the frames modulo the largest
 * leaf that pays, from the top or from the bottom (S0.12).
 */
#include "support/raw.h"
#include "t.h"

#define K ((uint64_t)1 << 10)
#define M ((uint64_t)1 << 20)
#define G ((uint64_t)1 << 30)
#define PAGE (4 * K)

/* A window, and the pages of it that are taken. */
#define PAGES 4096
static bool taken[PAGES];

static bool is_free(const struct ml_space *s, ml_va va, uint64_t len)
{
	const uint64_t first = (va - s->first) / PAGE;

	for (uint64_t page = first; page < first + len / PAGE; page++)
		if (taken[page])
			return false;
	return true;
}

/* Every address of the window, in order of preference. */
static bool search(const struct ml_space *s, uint64_t len, ml_pa pa, uint64_t size, ml_va *va)
{
	const uint64_t bytes = s->last - s->first + 1;

	if (len > bytes)
		return false;
	for (uint64_t at = 0; at <= bytes - len; at += PAGE) {
		*va = s->first + (s->bottom_up ? at : bytes - len - at);
		if ((*va - pa) % size == 0 && is_free(s, *va, len))
			return true;
	}
	return false;
}

static bool reference(const struct ml_space *s, uint64_t len, ml_pa pa, ml_va *va)
{
	const struct ml_format *f = s->table.format;

	for (unsigned rung = f->rung_count; rung-- > 0;) {
		const uint64_t size = (uint64_t)1 << f->rungs[rung].shift;

		if (size <= (rung ? len : PAGE) && s->table.rungs >> rung & 1 &&
		    search(s, len, pa, size, va))
			return true;
	}
	return false;
}

static void open_window(struct home *home, enum world world, ml_va first, uint64_t pages, bool up)
{
	const struct ml_space_config wish = {
		.first = first,
		.last = first + (pages * PAGE - 1),
		.bottom_up = up,
	};

	t_eq(home_open(home, world, &wish), ML_OK);
	for (unsigned page = 0; page < PAGES; page++)
		taken[page] = false;
}

/* Regions in and around the window; what lies in it is marked. */
static void scatter(struct home *home, uint64_t *state, uint64_t pages, unsigned count)
{
	struct ml_space *s = &home->space;

	while (count--) {
		const uint64_t len = (1 + t_random(state) % (1 + pages / 8)) * PAGE;
		const ml_va va = s->first + (t_random(state) % (pages + 32) - 16) * PAGE;

		if (raw_map(home, va, len, RAW_SHARED, NULL))
			continue;
		for (uint64_t at = 0; at < len; at += PAGE)
			if (va + at - s->first < pages * PAGE)
				taken[(va + at - s->first) / PAGE] = true;
	}
}

static void compare(enum world world, ml_va first, uint64_t pages, bool up, uint64_t seed)
{
	uint64_t state = seed;
	struct home home;

	open_window(&home, world, first, pages, up);
	scatter(&home, &state, pages, (unsigned)(t_random(&state) % 24));
	for (unsigned i = 0; i < 40; i++) {
		const uint64_t len = (1 + t_random(&state) % (i % 2 ? 40 : pages)) * PAGE;
		const ml_pa pa = t_random(&state) % 100000 * PAGE;
		ml_va got = 0, want = 0;
		const bool there = reference(&home.space, len, pa, &want);

		t_eq(ml_space_pick(&home.space, len, pa, 0, &got), there ? ML_OK : ML_ERR_NO_SPACE);
		if (there)
			t_eq(got, want);
	}
	home_leave(&home);
}

TEST(every_place_is_considered)
{
	const uint64_t seed = t_seed(3);

	for (unsigned i = 0; i < 60; i++) {
		T_CONTEXT("round", i);
		compare(WORLD_X86_4, 0, 4096, i & 1, seed + i);
		compare(WORLD_X86_4, 0 - 4096 * PAGE, 4096, i & 1, seed + i);
		compare(WORLD_X86_4, 128 * 1024 * G - 1031 * PAGE, 1031, i & 1, seed + i);
		compare(WORLD_ARM_LOW, 64 * G + 5 * PAGE, 1999, i & 1, seed + i);
		compare(WORLD_ARM_HIGH, 0 - 512 * PAGE, 512, i & 1, seed + i);
		compare(WORLD_TOY, 0, 16, i & 1, seed + i);
	}
}

/* What is picked can be used: by the largest leaves that length and frames allow. */
TEST(what_is_picked_holds_large_leaves)
{
	const struct {
		uint64_t len;
		ml_pa pa;
		unsigned shift; /* of a leaf that must be there */
	} cases[] = { { 2 * M, 4 * G, 21 },
		      { 4 * M - 4 * K, 4 * G + 4 * K, 21 },
		      { 2 * G, 4 * G + 512 * M, 30 },
		      { 64 * K, 4 * G + 64 * K, 16 },
		      { 33 * M, 4 * G + 32 * M, 25 } };

	for (unsigned i = 0; i < 5 * 2 * 2; i++) {
		const enum world world = i & 1 ? WORLD_ARM_LOW : WORLD_X86_4;
		const unsigned number = i / 4, shift = cases[number].shift;
		const uint64_t len = cases[number].len;
		uint64_t largest = 0;
		struct home home;
		ml_va va = 0;

		T_CONTEXT("case", i);
		open_window(&home, world, 64 * G + 4 * K, 4 * 1024 * 1024, i & 2);
		t_eq(raw_map(&home, i & 2 ? home.space.first : home.space.last + 1 - 4 * K, 4 * K,
			     RAW_SHARED, NULL),
		     ML_OK);
		t_eq(ml_space_pick(&home.space, len, cases[number].pa, 0, &va), ML_OK);
		t_eq(raw_map(&home, va, len, RAW_SHARED, NULL), ML_OK);
		t_eq(ml_remap_pfn_range(&home.space, va, len, cases[number].pa, ML_WB), ML_OK);
		t_ok(raw_shows(&home, va, len, cases[number].pa, ML_WB, 0));
		for (uint64_t at = 0; at < len; at += PAGE)
			largest = home_rung(&home, va + at) > (int)largest
					  ? (uint64_t)home_rung(&home, va + at)
					  : largest;
		if (world == WORLD_ARM_LOW || shift == 21 || shift == 30)
			t_eq(home.facts->format->rungs[largest].shift, shift);
		home_leave(&home);
	}
}

/* S0.12: no congruent place is free for the largest size: the next smaller one decides. */
TEST(the_next_smaller_size)
{
	struct home home;
	ml_va va;

	open_window(&home, WORLD_ARM_LOW, 64 * G, 1024, false);
	t_eq(raw_map(&home, 64 * G, PAGE, RAW_SHARED, NULL), ML_OK);
	t_eq(raw_map(&home, 64 * G + 2 * M, PAGE, RAW_SHARED, NULL), ML_OK);
	t_eq(ml_space_pick(&home.space, 2 * M - 64 * K, 4 * G + 64 * K, 0, &va), ML_OK);
	t_eq(va, 64 * G + 2 * M + 64 * K);
	t_eq(ml_space_pick(&home.space, 2 * M, 4 * G, 0, &va), ML_ERR_NO_SPACE);
	t_eq(ml_space_pick(&home.space, 2 * M - 4 * K, 4 * G, 0, &va), ML_OK);
	t_eq(va, 64 * G + 2 * M + 4 * K);
	t_eq(ml_space_unmap(&home.space, 64 * G, PAGE), ML_OK);
	t_eq(ml_space_pick(&home.space, 2 * M, 4 * G, 0, &va), ML_OK);
	t_eq(va, 64 * G);
	t_eq(ml_space_pick(&home.space, 2 * M, 4 * G + 128 * K, 0, &va), ML_OK);
	t_eq(va, 64 * G);
	home_leave(&home);
}

TEST(hints_and_errors)
{
	struct home home;
	ml_va va = 77;

	open_window(&home, WORLD_X86_4, G, 512, true);
	t_eq(ml_space_pick(&home.space, 0, 0, 0, &va), ML_ERR_EMPTY);
	t_eq(ml_space_pick(&home.space, 1, 0, 0, &va), ML_ERR_ALIGN);
	t_eq(ml_space_pick(&home.space, PAGE, 5, 0, &va), ML_ERR_ALIGN);
	t_eq(ml_space_pick(&home.space, 513 * PAGE, 0, 0, &va), ML_ERR_NO_SPACE);
	t_eq(ml_space_pick(&home.space, 0 - PAGE, 0, 0, &va), ML_ERR_NO_SPACE);
	t_eq(va, 77);
	t_eq(ml_space_pick(&home.space, PAGE, 3 * PAGE, 5 * G, &va), ML_OK);
	t_eq(va, 5 * G); /* outside the window, out of step: as it is */
	t_eq(raw_map(&home, 5 * G + PAGE, PAGE, RAW_SHARED, NULL), ML_OK);
	t_eq(ml_space_pick(&home.space, 2 * PAGE, 0, 5 * G, &va), ML_OK);
	t_eq(va, G);
	t_eq(ml_space_pick(&home.space, PAGE, 0, 5 * G + 1, &va), ML_OK);
	t_eq(va, G);
	t_eq(ml_space_pick(&home.space, PAGE, 0, (ml_va)1 << 47, &va), ML_OK);
	t_eq(va, G);
	t_eq(ml_space_pick(&home.space, 512 * PAGE, 0, 0, &va), ML_OK);
	t_eq(va, G);
	home_leave(&home);
}

/* Ask for all there is, page by page: nothing is lost between regions that do not merge. */
TEST(to_the_last_page)
{
	for (unsigned up = 0; up < 2; up++) {
		struct ml_region_spec spec = { .prot = ML_READ, .may = ML_READ };
		static const char names[512];
		struct home home;
		unsigned count = 0;
		ml_va va;

		open_window(&home, WORLD_X86_4, 0 - 512 * PAGE, 512, up);
		while (!ml_space_pick(&home.space, PAGE, 0, 0, &va)) {
			T_REQUIRE(t_ok(count < 512));
			t_eq(va, up ? home.space.first + count * PAGE
				    : home.space.last - (count + 1) * PAGE + 1);
			spec.name = &names[count++];
			t_eq(ml_space_map(&home.space, va, PAGE, &spec, 0, NULL), ML_OK);
		}
		t_eq(count, 512);
		home_leave(&home);
	}
}
