/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/*
 * Every CPU has used the old translation; after a change every CPU uses the new one, at each
 * size, at the edges of what changed, and nowhere else.
 */
#include "bodies.h"

/* A range in which [from, to) changes, and the words on both sides of its edges. */
struct part {
	ml_va va;
	ml_pa pa;
	uint64_t bytes; /* of the whole range, all of it memory */
	uint64_t from, to;
};

/* The next word to look at: one on each side of both edges, and one between. */
static bool next_word(const struct part *part, unsigned *number, uint64_t *at)
{
	const uint64_t middle = (part->from + part->to) / 2 & ~(PAGE - 1);
	const uint64_t words[] = { part->from - 8, part->from, middle + 16, part->to - 8,
				   part->to };

	while (*number < sizeof(words) / sizeof(words[0])) {
		*at = words[(*number)++];
		if (*at < part->bytes)
			return true;
	}
	return false;
}

#define FOR_EACH_WORD(at, part) \
	for (unsigned at##_number = 0; next_word(part, &at##_number, &(at));)

static bool changes(const struct part *part, uint64_t at)
{
	return at >= part->from && at < part->to;
}

static void use(struct machine *m, const struct part *part)
{
	uint64_t at;

	FOR_EACH_WORD(at, part)
		t_all_lead(m, part->va + at, part->pa + at);
}

/* What is outside leads where it did; what is inside to `pa`. */
static void check_moved(struct machine *m, const struct part *part, ml_pa pa)
{
	uint64_t at;

	FOR_EACH_WORD(at, part)
		t_all_lead(m, part->va + at,
			   changes(part, at) ? pa + (at - part->from) : part->pa + at);
}

static void check_gone(struct machine *m, const struct part *part)
{
	uint64_t at;

	FOR_EACH_WORD(at, part) {
		if (changes(part, at))
			t_unmapped(m, part->va + at);
		else
			t_all_lead(m, part->va + at, part->pa + at);
	}
}

static void check_stores(struct machine *m, const struct part *part, bool inside)
{
	uint64_t at;

	FOR_EACH_WORD(at, part)
		t_all_end(m, MACHINE_STORE, part->va + at,
			  changes(part, at) && !inside ? MACHINE_PERMISSION : MACHINE_OK);
}

/* ---- the changes, each of a range that every CPU has used -------------------------- */

/* Unmapped, mapped anew to other frames, and those replaced by the old ones. */
static void move(struct machine *m, const struct part *part)
{
	const uint64_t bytes = part->to - part->from;
	const ml_pa middle = m->facts->memory + m->facts->memory_bytes / 2;
	const ml_pa other = middle + (part->pa + part->from) % MIB;
	struct ml_op op = { .flags = ML_OP_REPLACE };

	use(m, part);
	t_eq(ml_unmap(&m->table, part->va + part->from, bytes, NULL), ML_OK);
	check_gone(m, part);
	t_eq(ml_map(&m->table, part->va + part->from, bytes, other, USER_RW, NULL), ML_OK);
	check_moved(m, part, other);
	t_eq(ml_map(&m->table, part->va + part->from, bytes, part->pa + part->from, USER_RW, &op),
	     ML_OK);
	check_moved(m, part, part->pa + part->from);
}

static void protect(struct machine *m, const struct part *part)
{
	const ml_prot mask = ML_WRITE;
	const ml_va va = part->va + part->from;
	const uint64_t bytes = part->to - part->from;

	check_stores(m, part, true);
	t_eq(ml_protect(&m->table, va, bytes, ML_WRITE, 0, NULL), ML_OK);
	check_stores(m, part, false);
	use(m, part);
	t_eq(ml_protect(&m->table, va, bytes, mask, mask, NULL), ML_OK);
	check_stores(m, part, true);
}

/* Small leaves that were used do not outlive the large one, nor the large one the small. */
static void resize(struct machine *m, const struct part *part)
{
	const unsigned top = m->facts->format->rung_count - 1u;

	use(m, part);
	t_eq(ml_split(&m->table, part->va + part->from, part->to - part->from, 0, NULL), ML_OK);
	use(m, part);
	t_eq(ml_fold(&m->table, part->va, part->bytes, top, NULL), ML_OK);
	move(m, part);
	t_eq(ml_fold(&m->table, part->va, part->bytes, top, NULL), ML_OK);
	use(m, part);
	t_eq(ml_split(&m->table, part->va + part->from, part->to - part->from, 0, NULL), ML_OK);
	move(m, part);
}

static void check_part(struct machine *m, const struct part *part, bool resizes)
{
	T_CONTEXT(m->facts->name, part->from);
	t_eq(ml_map(&m->table, part->va, part->bytes, part->pa, USER_RW, NULL), ML_OK);
	move(m, part);
	protect(m, part);
	if (resizes)
		resize(m, part);
	t_eq(ml_unmap(&m->table, part->va, part->bytes, NULL), ML_OK);
	check_gone(m, &(struct part){ part->va, part->pa, part->bytes, 0, part->bytes });
}

/*
 * Three leaves of one size, if half the memory has so many; where they begin and end is where parts
 * do, and a page off it.
 */
static void check_leaves(struct machine *m, unsigned rung)
{
	const struct place place = place_of(m->facts, rung, 2);
	const uint64_t leaf = place.bytes, bytes = 3 * leaf;
	const uint64_t edges[] = { 0, PAGE, leaf - PAGE, leaf, 2 * leaf + PAGE, bytes };
	const unsigned count = sizeof(edges) / sizeof(edges[0]);

	if (bytes > m->facts->memory_bytes / 2)
		return;
	for (unsigned i = 0; i < count; i++)
		for (unsigned j = i + 1; j < count; j++) {
			const struct part part = { place.va, place.pa, bytes, edges[i], edges[j] };

			if (edges[i] < edges[j] && edges[j] <= bytes)
				check_part(m, &part, m->table.fold == ML_FOLD_MAP);
		}
}

static const struct ml_table_config policies[] = {
	{ .fold = ML_FOLD_MAP },
	{ .fold = ML_FOLD_COMPLETE },
	{ .fold = ML_FOLD_BLOCK, .guaranteed = true },
};

#define POLICIES (sizeof(policies) / sizeof(policies[0]))

TEST(parts_of_three_leaves_change)
{
	for (unsigned policy = 0; policy < POLICIES; policy++)
		on_each_rung(&policies[policy], NULL, NULL, check_leaves);
}

/* Page by page, each used at once, until they make up the leaf; then all of it goes. */
static void check_growth(struct machine *m, unsigned rung)
{
	const struct place place = place_of(m->facts, rung, 1);
	const uint64_t pages = place.bytes / PAGE, stride = 7; /* prime to any power of two */

	if (place.bytes > 2 * MIB)
		return;
	for (uint64_t i = 0; i < pages; i++) {
		const uint64_t at = i * stride % pages * PAGE;

		t_eq(ml_map(&m->table, place.va + at, PAGE, place.pa + at, USER_RW, NULL), ML_OK);
		t_all_lead(m, place.va + at, place.pa + at);
	}
	for (uint64_t i = 0; i < pages; i++)
		t_leads(m, i % m->facts->cpus, place.va + i * PAGE, place.pa + i * PAGE);
	place_unmap(m, &place);
	for (uint64_t i = 0; i < pages; i++)
		t_ends(m, i % m->facts->cpus, MACHINE_LOAD, place.va + i * PAGE,
		       MACHINE_NOT_MAPPED);
}

TEST(leaves_grow_page_by_page)
{
	for (unsigned policy = 0; policy < POLICIES; policy++)
		on_each_rung(&policies[policy], NULL, NULL, check_growth);
}

/* A leaf of which the memory may be a part only. */
static void check_leaf(struct machine *m, unsigned rung)
{
	const struct place place = place_of(m->facts, rung, 0);
	const uint64_t middle = place.readable / 2, last = place.readable - PAGE;
	const uint64_t parts[][2] = { { 0, PAGE },
				      { middle - PAGE, middle + PAGE },
				      { middle, middle + 2 * MIB },
				      { last, place.readable } };

	if (3 * place.bytes <= m->facts->memory_bytes / 2)
		return;
	for (unsigned i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
		const struct part part = { place_va(&place, 0), place_pa(&place, 0), place.readable,
					   parts[i][0], parts[i][1] };

		T_CONTEXT(m->facts->name, place.rung << 4 | i);
		T_REQUIRE(place_map(m, &place, USER_RW));
		move(m, &part);
		protect(m, &part);
		place_unmap(m, &place);
		T_REQUIRE(place_map(m, &place, USER_RW));
		resize(m, &part);
		use(m, &part);
		place_unmap(m, &place);
		check_gone(m, &(struct part){ part.va, part.pa, part.bytes, 0, part.bytes });
	}
}

TEST(parts_of_a_large_leaf_change)
{
	on_each_rung(NULL, NULL, NULL, check_leaf);
}

/* One permission goes, on every CPU that has used it, and comes back. */
static void check_loss(struct machine *m, const struct place *place, enum machine_access access,
		       ml_prot lost)
{
	const ml_va va = place_va(place, 0);

	t_all_end(m, access, va, MACHINE_OK);
	t_eq(ml_protect(&m->table, place->va, place->bytes, lost, 0, NULL), ML_OK);
	t_all_end(m, access, va, MACHINE_PERMISSION);
	t_eq(ml_protect(&m->table, place->va, place->bytes, lost, lost, NULL), ML_OK);
	t_all_end(m, access, va, MACHINE_OK);
}

static void lose_each_permission(struct machine *m, unsigned rung)
{
	const struct place place = place_of(m->facts, rung, 1);

	machine_put_code(m, place_pa(&place, 0));
	T_REQUIRE(place_map(m, &place, USER_RO));
	check_loss(m, &place, MACHINE_LOAD, ML_USER);
	t_eq(ml_protect(&m->table, place.va, place.bytes, ML_EXEC, ML_EXEC, NULL), ML_OK);
	check_loss(m, &place, MACHINE_FETCH, ML_EXEC);
	place_unmap(m, &place);
}

TEST(permissions_are_lost_on_every_cpu)
{
	on_each_rung(NULL, NULL, NULL, lose_each_permission);
}

/* What a step has done is done for every CPU; what is left is as it was. */
TEST(steps_are_seen_as_they_go)
{
	const struct ml_table_config wish = { .rungs = 1 };
	const uint64_t bytes = 6 * MIB + 3 * PAGE;
	const struct machine_facts *facts;
	struct machine m;

	FOR_EACH_MACHINE(facts) {
		const struct place place = place_of(facts, 0, 16);
		struct ml_step step = {
			.va = place.va, .len = bytes, .pa = place.pa, .prot = USER_RW
		};

		T_REQUIRE(machine_open(&m, facts, &wish));
		while (step.len) {
			t_unmapped(&m, step.va);
			T_REQUIRE(t_eq(ml_map_step(&m.table, &step, NULL), ML_OK));
			t_all_lead(&m, step.va - 8, step.pa - 8);
		}
		step = (struct ml_step){ .va = place.va, .len = bytes };
		while (step.len) {
			t_all_lead(&m, step.va, place.pa + (step.va - place.va));
			T_REQUIRE(t_eq(ml_unmap_step(&m.table, &step, NULL), ML_OK));
			t_unmapped(&m, step.va - 8);
		}
		machine_close(&m);
	}
}
