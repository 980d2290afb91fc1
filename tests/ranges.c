/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/*
 * The tree of ranges against a flat array: every unit of a small space says which range holds it.
 * The ranges stand at the beginning of the numbers, in the middle, and at their end.
 */
#include "base/ranges.h"
#include "t.h"

#define UNITS 512
#define NOBODY 0

/* One range for each number; number 0 is nobody's. */
struct flat {
	uint64_t base; /* of unit 0 */
	uint16_t owner[UNITS];
	struct ml_range ranges[UNITS + 1];
	struct ml_range *root;
	unsigned count;
};

static struct flat flat;

static uint64_t at(unsigned unit)
{
	return flat.base + unit;
}

static unsigned unit_of(const struct ml_range *range)
{
	return (unsigned)(range->first - flat.base);
}

static bool is_free(unsigned first, unsigned last)
{
	for (unsigned unit = first; unit <= last; unit++)
		if (flat.owner[unit])
			return false;
	return true;
}

static void own(unsigned first, unsigned last, unsigned number)
{
	for (unsigned unit = first; unit <= last; unit++)
		flat.owner[unit] = (uint16_t)number;
}

static unsigned free_number(void)
{
	unsigned number = 1;

	while (flat.ranges[number].last || flat.ranges[number].first)
		number++;
	return number;
}

/* The first range from unit on. */
static struct ml_range *flat_from(unsigned unit)
{
	while (unit < UNITS && !flat.owner[unit])
		unit++;
	return unit < UNITS ? &flat.ranges[flat.owner[unit]] : NULL;
}

static struct ml_range *flat_before(unsigned unit)
{
	while (unit > 0 && !flat.owner[unit - 1])
		unit--;
	return unit > 0 ? &flat.ranges[flat.owner[unit - 1]] : NULL;
}

/* The hole before a range: to the one before it, or to 0. */
static uint64_t flat_hole(const struct ml_range *range)
{
	const struct ml_range *before = flat_before(unit_of(range));

	return before ? range->first - before->last - 1 : range->first;
}

/* The next range on that side with such a hole before it. */
static struct ml_range *flat_next_hole(struct ml_range *range, unsigned side, uint64_t length)
{
	do {
		if (!range)
			range = side ? flat_from(0) : flat_before(UNITS);
		else if (side)
			range = range->last == at(UNITS - 1)
					? NULL
					: flat_from((unsigned)(range->last - flat.base) + 1);
		else
			range = flat_before(unit_of(range));
	} while (range && flat_hole(range) < length);
	return range;
}

static void insert(unsigned first, unsigned last)
{
	const unsigned number = free_number();
	struct ml_range *range = &flat.ranges[number];

	range->first = at(first);
	range->last = at(last);
	own(first, last, number);
	flat.count++;
	ml_ranges_insert(&flat.root, range);
}

static void erase(struct ml_range *range)
{
	own(unit_of(range), (unsigned)(range->last - flat.base), NOBODY);
	ml_ranges_remove(&flat.root, range);
	*range = (struct ml_range){ 0 };
	flat.count--;
}

static void resize(struct ml_range *range, unsigned first, unsigned last)
{
	const unsigned number = (unsigned)(range - flat.ranges);

	own(unit_of(range), (unsigned)(range->last - flat.base), NOBODY);
	range->first = at(first);
	range->last = at(last);
	own(first, last, number);
	ml_ranges_resized(range);
}

/* What of the range begins at a unit in it, which is not its first, is another one. */
static struct ml_range *cut_off(struct ml_range *range, unsigned unit)
{
	const unsigned number = free_number();
	struct ml_range *behind = &flat.ranges[number];

	behind->first = at(unit);
	behind->last = range->last;
	range->last = at(unit) - 1;
	own(unit, (unsigned)(behind->last - flat.base), number);
	flat.count++;
	return behind;
}

/* In two at a unit in it, which is not its first; in three at another one behind that. */
static void cut(struct ml_range *range, unsigned unit, unsigned more)
{
	const unsigned last = (unsigned)(range->last - flat.base);
	struct ml_range *end = NULL, *behind;

	if (more && unit + more <= last)
		end = cut_off(range, unit + more);
	behind = cut_off(range, unit);
	ml_ranges_cut(&flat.root, range, behind, end);
}

/* One random change that is allowed. */
static void change(uint64_t *state, unsigned longest)
{
	const unsigned first = (unsigned)(t_random(state) % UNITS);
	unsigned last = first + (unsigned)(t_random(state) % longest);
	struct ml_range *range = &flat.ranges[flat.owner[first]];

	last = last < UNITS ? last : UNITS - 1;
	if (is_free(first, last) && (flat.base || last)) { /* 0..0 would look like no range */
		insert(first, last);
	} else if (flat.owner[first] && t_random(state) % 3 == 0) {
		erase(range);
	} else if (flat.owner[first] && unit_of(range) < first && (flat.base || first > 1) &&
		   t_random(state) % 2) {
		cut(range, first, (unsigned)(t_random(state) % 4));
	} else if (flat.owner[first]) {
		const struct ml_range *before = flat_before(unit_of(range));
		unsigned from = unit_of(range), to = (unsigned)(range->last - flat.base);
		unsigned low = before ? (unsigned)(before->last - flat.base) + 1 : 0, high = to;

		while (high + 1 < UNITS && !flat.owner[high + 1])
			high++;
		from = low + (unsigned)(t_random(state) % (to - low + 1));
		to = from + (unsigned)(t_random(state) % (high - from + 1));
		if (flat.base || to)
			resize(range, from, to);
	}
}

static bool same(const struct ml_range *got, const struct ml_range *want)
{
	return t_eq((uintptr_t)got, (uintptr_t)want);
}

/* What the tree says of one unit, and of holes of one length. */
static void ask(unsigned unit, uint64_t length, unsigned side)
{
	struct ml_range *found = flat.owner[unit] ? &flat.ranges[flat.owner[unit]] : NULL;

	same(ranges_find(flat.root, at(unit)), found);
	same(ranges_from(flat.root, at(unit)), flat_from(unit));
	same(ml_ranges_outermost(flat.root, side), side ? flat_before(UNITS) : flat_from(0));
	same(ml_ranges_hole(flat.root, NULL, side, length), flat_next_hole(NULL, side, length));
	if (!found)
		return;
	same(ml_ranges_hole(flat.root, found, side, length), flat_next_hole(found, side, length));
	same(ml_ranges_beside(found, 0), flat_before(unit_of(found)));
	if (found->last != at(UNITS - 1))
		same(ml_ranges_beside(found, 1),
		     flat_from((unsigned)(found->last - flat.base) + 1));
	else
		same(ml_ranges_beside(found, 1), NULL);
}

/* A tree balanced by height is not higher than 1.4405 log2(count + 2) - 0.3277 (Knuth 6.2.3). */
static bool is_low(void)
{
	static const unsigned most[] = { 0, 1, 2, 4, 7, 12, 20, 33, 54, 88, 143, 232, 376 };
	unsigned height = 0;

	if (flat.root)
		height = 1u + (flat.root->heights[flat.root->heights[1] > flat.root->heights[0]]);
	return height < 13 && flat.count >= most[height];
}

static void campaign(uint64_t base, unsigned longest, unsigned operations)
{
	uint64_t state = t_seed(base + longest);

	flat = (struct flat){ .base = base };
	for (unsigned i = 0; i < operations; i++) {
		change(&state, longest);
		ask((unsigned)(t_random(&state) % UNITS), 1 + t_random(&state) % (2 * longest),
		    (unsigned)(t_random(&state) & 1));
		if (i % 16)
			continue;
		t_ok(ml_ranges_check(flat.root));
		t_ok(is_low());
	}
	while (flat.root)
		erase(flat.root);
	t_eq(flat.count, 0);
}

TEST(at_the_beginning)
{
	campaign(0, 1, 30000);
	campaign(0, 8, 30000);
	campaign(0, 100, 10000);
}

TEST(in_the_middle)
{
	campaign((uint64_t)1 << 47, 2, 30000);
	campaign(((uint64_t)1 << 47) - 100, 20, 30000);
}

TEST(at_the_end)
{
	campaign(0 - (uint64_t)UNITS, 1, 30000);
	campaign(0 - (uint64_t)UNITS, 10, 30000);
}

/* In order, in reverse, from both ends inwards: what a list would become. */
TEST(orders_that_make_lists)
{
	for (unsigned order = 0; order < 3; order++) {
		flat = (struct flat){ .base = 1000 };
		for (unsigned i = 0; i < UNITS; i++) {
			const unsigned unit = order == 0   ? i
					      : order == 1 ? UNITS - 1 - i
					      : i & 1      ? UNITS - 1 - i / 2
							   : i / 2;

			insert(unit, unit);
			t_ok(ml_ranges_check(flat.root));
			t_ok(is_low());
		}
		t_eq(flat.count, UNITS);
		for (unsigned i = 0; i < UNITS; i++) {
			erase(ranges_find(flat.root, at((i * 37) % UNITS)));
			t_ok(ml_ranges_check(flat.root));
			t_ok(is_low());
		}
		t_eq((uintptr_t)flat.root, 0);
	}
}

/* A tree that is wrong is found out. */
TEST(the_check_checks)
{
	flat = (struct flat){ .base = 1000 };
	for (unsigned i = 0; i < 15; i++)
		insert(4 * i, 4 * i + 1);
	t_ok(ml_ranges_check(flat.root));
	for (unsigned i = 1; i < 16; i++) {
		struct ml_range *range = &flat.ranges[i], was = *range;

		range->hole++;
		t_ok(!ml_ranges_check(flat.root));
		*range = was;
		range->gap++;
		t_ok(!ml_ranges_check(flat.root));
		*range = was;
		range->heights[i % 2]++;
		t_ok(!ml_ranges_check(flat.root));
		*range = was;
		range->last = range->first - 1;
		t_ok(!ml_ranges_check(flat.root));
		*range = was;
	}
	t_ok(ml_ranges_check(flat.root));
	t_ok(ml_ranges_check(NULL));
}
