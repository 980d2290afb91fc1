/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/*
 * The plan against a reference that goes leaf by leaf: at each address the largest allowed
 * leaf that is aligned and fits. Exhaustive for the toy, random and at the edges for others.
 */
#include "t.h"

#define BIT(number) ((uint64_t)1 << (number))

/* Addresses up to and including the end of the space. */
typedef unsigned __int128 wide;

struct request {
	const struct ml_format *format;
	ml_va va;
	ml_pa pa;
	uint64_t length;
	uint32_t rungs;
	unsigned levels;
};

struct reference {
	struct ml_plan_run run;
	wide va;
	wide pa;
	wide end;
	uint64_t tables;
	wide last_table[ML_LEVEL_MAX]; /* 1 + the number of the last one counted; 0: none */
};

static wide rung_bytes(const struct request *request, unsigned rung)
{
	return (wide)1 << request->format->rungs[rung].shift;
}

static unsigned reference_rung(const struct request *request, const struct reference *reference)
{
	unsigned best = 0;

	for (unsigned rung = 1; rung < request->format->rung_count; rung++) {
		const wide bytes = rung_bytes(request, rung);

		if (request->rungs >> rung & 1 && reference->va % bytes == 0 &&
		    reference->pa % bytes == 0 && reference->va + bytes <= reference->end)
			best = rung;
	}
	return best;
}

/* What a table of each level from the leaf's up to the one below the root must be there for. */
static void reference_count(const struct request *request, struct reference *reference,
			    unsigned level)
{
	for (; level + 1 < request->levels; level++) {
		const wide number = reference->va >> request->format->level_shift[level + 1];

		if (reference->last_table[level] != number + 1)
			reference->tables++;
		reference->last_table[level] = number + 1;
	}
}

/* Why the leaves from the address of the run on are not larger. */
static enum ml_why reference_why(const struct request *request, const struct ml_plan_run *run)
{
	const unsigned next = run->rung + 1u;
	const wide end = (wide)request->va + request->length;
	wide bytes, aligned;

	if (next == request->format->rung_count)
		return ML_WHY_LARGEST;
	bytes = rung_bytes(request, next);
	if (request->va % bytes != request->pa % bytes)
		return ML_WHY_ALIGNMENT;
	if (request->length < bytes)
		return ML_WHY_LENGTH;
	aligned = (run->va + bytes - 1) / bytes * bytes;
	if (aligned + bytes > end)
		return ML_WHY_RANGE_END;
	return request->rungs >> next & 1 ? ML_WHY_RANGE_START : ML_WHY_POLICY;
}

/* The next run: equal leaves, as many as follow one another. */
static bool reference_next(const struct request *request, struct reference *reference)
{
	const unsigned rung = reference_rung(request, reference);

	if (reference->va == reference->end)
		return false;
	reference->run = (struct ml_plan_run){ .va = (ml_va)reference->va,
					       .pa = (ml_pa)reference->pa,
					       .rung = (uint8_t)rung };
	while (reference->va < reference->end && reference_rung(request, reference) == rung) {
		reference_count(request, reference, request->format->rungs[rung].level);
		reference->run.count++;
		reference->va += rung_bytes(request, rung);
		reference->pa += rung_bytes(request, rung);
	}
	reference->run.why = (uint8_t)reference_why(request, &reference->run);
	return true;
}

static struct ml_plan plan_of(const struct request *request)
{
	return (struct ml_plan){ .va = request->va,
				 .pa = request->pa,
				 .left = request->length,
				 .length = request->length,
				 .rungs = request->rungs };
}

/* Every run and the count of tables; false if anything differed. */
static bool check(const struct request *request)
{
	struct reference reference = { .va = request->va,
				       .pa = request->pa,
				       .end = (wide)request->va + request->length };
	const struct ml_plan whole = plan_of(request);
	struct ml_plan plan = whole;
	struct ml_plan_run run;
	bool good = true;

	while (good && reference_next(request, &reference)) {
		good = t_ok(ml_plan_next(request->format, &plan, &run));
		if (!good)
			break;
		good &= t_eq(run.va, reference.run.va);
		good &= t_eq(run.pa, reference.run.pa);
		good &= t_eq(run.count, reference.run.count);
		good &= t_eq(run.rung, reference.run.rung);
		good &= t_eq(run.why, reference.run.why);
	}
	good = good && t_ok(!ml_plan_next(request->format, &plan, &run));
	good = good && t_eq(plan.left, 0);
	good = good &&
	       t_eq(ml_plan_tables(request->format, &whole, request->levels), reference.tables);
	if (!good)
		T_PRINTF("# %s va 0x%llx pa 0x%llx length 0x%llx rungs 0x%x levels %u\n",
			 request->format->name, (unsigned long long)request->va,
			 (unsigned long long)request->pa, (unsigned long long)request->length,
			 request->rungs, request->levels);
	return good;
}

/* Every range of the space, every congruence of frames, every choice of rungs. */
TEST(toy_exhaustive)
{
	struct request request = { .format = &ml_format_toy, .levels = 2 };

	for (unsigned first = 0; first < 16; first++)
		for (unsigned last = first; last < 16; last++)
			for (unsigned frame = 0; frame < 16; frame++)
				for (request.rungs = 0; request.rungs < 16; request.rungs++) {
					request.va = first * 0x1000;
					request.length = (last - first + 1) * 0x1000;
					request.pa = 0x40000 + frame * 0x1000;
					T_REQUIRE(check(&request));
				}
}

/* An address a few steps of some rung away from a boundary of a larger one. */
static uint64_t near_boundary(const struct ml_format *format, uint64_t *seed)
{
	const struct ml_rung *large = &format->rungs[t_random(seed) % format->rung_count];
	const struct ml_rung *small = &format->rungs[t_random(seed) % format->rung_count];
	const uint64_t boundary = (t_random(seed) % 7 + 1) << large->shift;
	const uint64_t steps = (t_random(seed) % 20) << (small->shift < 26 ? small->shift : 12);

	return t_random(seed) & 1 || steps > boundary ? boundary + steps : boundary - steps;
}

/* Leaves the reference would go through one by one. */
static uint64_t leaves_of(const struct request *request)
{
	unsigned rung = 0;

	while (rung + 1u < request->format->rung_count && request->rungs >> (rung + 1) & 1 &&
	       ((request->va ^ request->pa) & (BIT(request->format->rungs[rung + 1].shift) - 1)) ==
		       0)
		rung++;
	return request->length >> request->format->rungs[rung].shift;
}

static struct request random_request(const struct ml_format *format, uint64_t *seed)
{
	struct request request = { .format = format };

	request.va = near_boundary(format, seed);
	request.pa = t_random(seed) % 3 ? request.va : near_boundary(format, seed);
	if (t_random(seed) & 1)
		request.pa += (t_random(seed) % 4)
			      << format->rungs[t_random(seed) % format->rung_count].shift;
	request.length = near_boundary(format, seed);
	request.rungs = t_random(seed) & 1 ? ml_format_default_rungs(format)
					   : (uint32_t)t_random(seed) &
						     (uint32_t)(BIT(format->rung_count) - 1);
	request.levels =
		format->levels_min +
		(unsigned)(t_random(seed) % (format->levels_max - format->levels_min + 1u));
	return request;
}

TEST(random_ranges)
{
	const struct ml_format *format;
	uint64_t seed = t_seed(30);

	FOR_EACH_FORMAT(format)
		for (unsigned done = 0; done < 20000;) {
			struct request request = random_request(format, &seed);

			if (leaves_of(&request) > 3000)
				continue;
			T_REQUIRE(check(&request));
			done++;
		}
}

/* Ranges that end with the last page of the address space. */
TEST(last_page_of_the_space)
{
	for (unsigned pages = 1; pages < 2048; pages++) {
		struct request request = { .format = &ml_format_x86_64, .levels = 4, .rungs = 7 };

		request.length = pages * 0x1000;
		request.va = 0 - request.length;
		request.pa = 0x80000000 - request.length;
		T_REQUIRE(check(&request));
		request.levels = 5;
		request.pa += 0x1000;
		T_REQUIRE(check(&request));
	}
}

/* Worked by hand: 1 GiB + 2 MiB + 8 KiB from 4 KiB below a 1 GiB boundary. */
TEST(a_range_worked_by_hand)
{
	static const struct ml_plan_run want[] = {
		{ 0x3ffff000, 0x7ffff000, 1, 0, ML_WHY_RANGE_START },
		{ 0x40000000, 0x80000000, 1, 2, ML_WHY_LARGEST },
		{ 0x80000000, 0xc0000000, 1, 1, ML_WHY_RANGE_END },
		{ 0x80200000, 0xc0200000, 1, 0, ML_WHY_RANGE_END },
	};
	struct ml_plan plan = { 0x3ffff000, 0x7ffff000, 0x40202000, 0x40202000, 7 };
	struct ml_plan_run run;

	/* below a root of 4 levels: 1 table of level 2, 2 of level 1, 2 of level 0 */
	t_eq(ml_plan_tables(&ml_format_x86_64, &plan, 4), 5);
	for (unsigned i = 0; i < 4; i++) {
		T_REQUIRE(t_ok(ml_plan_next(&ml_format_x86_64, &plan, &run)));
		t_eq(run.va, want[i].va);
		t_eq(run.pa, want[i].pa);
		t_eq(run.count, want[i].count);
		t_eq(run.rung, want[i].rung);
		t_eq(run.why, want[i].why);
	}
	t_ok(!ml_plan_next(&ml_format_x86_64, &plan, &run));
}

/* Off by default: 16G groups of arm64, and nothing else. */
TEST(default_rungs)
{
	t_eq(ml_format_default_rungs(&ml_format_x86_64), 7);
	t_eq(ml_format_default_rungs(&ml_format_arm64_4k), 31);
	t_eq(ml_format_default_rungs(&ml_format_toy), 15);
	t_eq(ml_format_arm64_4k.rungs[5].shift, 34);
}

/* Ladders ascend; a rung is its level's entry times its group; tables hold what a level needs. */
TEST(ladders_are_consistent)
{
	const struct ml_format *format;

	FOR_EACH_FORMAT(format) {
		for (unsigned rung = 0; rung < format->rung_count; rung++) {
			const struct ml_rung *this = &format->rungs[rung];

			t_eq(this->shift, format->level_shift[this->level] + this->lg2_entries);
			t_ok(!rung || this->shift > this[-1].shift);
			t_ok(this->lg2_entries < format->index_bits[this->level]);
		}
		t_eq(format->rungs[0].shift, format->page_shift);
		for (unsigned level = 0; level < format->levels_max; level++) {
			t_eq(ml_format_table_bytes(format, level), 8u << format->index_bits[level]);
			if (level)
				t_eq(format->level_shift[level],
				     format->level_shift[level - 1] +
					     format->index_bits[level - 1]);
		}
	}
}
