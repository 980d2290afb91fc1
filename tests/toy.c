/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/*
 * Every sequence of operations on the toy format, breadth first: all ranges, frames in step
 * and out of step, two protections, every fold policy, live and not. States are
 * compared by what the tables hold, table addresses renamed; each new one is checked.
 * ML_TEST_OPS= below the usual leaves out the last step of the deeper ones, far above it (make
 * stress) takes three steps in the whole space under every policy.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include <maxleaf/hosted.h>
#include <maxleaf/pool.h>
#include <maxleaf/table.h>

#include "support/search.h"
#include "support/source.h"
#include "t.h"

#define PAGE ((uint64_t)0x1000)
#define PAGES 16
#define TABLES 24
#define TABLE_BYTES 32
#define POOL_PA 0x10000u
#define OPERATIONS_MOST 4096

enum kind { MAP, REPLACE, UNMAP, UNMAP_TOLD, PROTECT, SPLIT, FOLD };

struct operation {
	uint8_t kind, first, pages, class, rung;
	ml_prot prot;
};

/* The whole world, in one piece that can be copied away and back. */
struct state {
	struct ml_table table;
	struct ml_pool pool;
	ml_pa pa[PAGES]; /* the model: frame, and protection or 0 */
	ml_prot prot[PAGES];
	uint64_t pending, told;
	_Alignas(TABLE_BYTES) char memory[TABLES * TABLE_BYTES];
};

static struct state now;
static struct operation operations[OPERATIONS_MOST];
static unsigned operation_count;

/* ---- the world --------------------------------------------------------------------- */

static void invalidate(void *cookie, struct ml_op *op, const struct ml_invalidation *what)
{
	(void)cookie;
	(void)op;
	(void)what;
	now.pending++;
}

static void complete(void *cookie, struct ml_op *op)
{
	(void)cookie;
	(void)op;
	now.pending = 0;
}

static void give_back(void *cookie, struct ml_op *op, void *table, ml_pa pa, size_t bytes)
{
	t_ok(now.pending == 0);
	ml_pool_free(cookie, op, table, pa, bytes);
}

static const struct ml_platform platform = {
	.table_alloc = ml_pool_alloc,
	.table_free = give_back,
	.table_pointer = ml_pool_pointer,
	.invalidate = invalidate,
	.complete = complete,
};

static void hear(void *cookie, const struct ml_run *run)
{
	(void)cookie;
	for (uint64_t at = 0; at < run->length; at += PAGE) {
		const unsigned page = (unsigned)((run->va + at) / PAGE);

		t_ok(now.pending == 0 && page < PAGES);
		t_eq(run->pa + at, now.pa[page]);
		t_eq(run->prot, now.prot[page]);
	}
	now.told += run->length;
}

static bool read_memory(void *cookie, ml_pa pa, uint64_t *memory)
{
	const void *entry = ml_pool_pointer(cookie, pa & ~(ml_pa)(TABLE_BYTES - 1), TABLE_BYTES);

	if (!entry)
		return false;
	memcpy(memory, (const char *)entry + (pa & (TABLE_BYTES - 1)), sizeof(*memory));
	return true;
}

static void begin(uint8_t fold, bool live)
{
	struct ml_table_config config = {
		.platform = &platform,
		.cookie = &now.pool,
		.fold = fold,
		.live = live,
		.track_ad = true,
	};

	memset(&now, 0, sizeof(now));
	t_eq(ml_pool_init(&now.pool, now.memory, POOL_PA, sizeof(now.memory), TABLE_BYTES), ML_OK);
	config.base = ml_pool_base(&now.pool);
	t_eq(ml_table_init(&now.table, &ml_format_toy, &config), ML_OK);
}

/* ---- operations -------------------------------------------------------------------- */

static void add_operation(struct operation operation)
{
	if (operation_count == OPERATIONS_MOST)
		exit(2);
	operations[operation_count++] = operation;
}

static void add_range(uint8_t first, uint8_t pages)
{
	static const ml_prot prots[] = { ML_READ | ML_PROT_AD, ML_RW | ML_PROT_AD };

	for (uint8_t class = 0; class < 2; class ++)
		for (unsigned i = 0; i < 2; i++) {
			add_operation((struct operation){ MAP, first, pages, class, 0, prots[i] });
			add_operation(
				(struct operation){ REPLACE, first, pages, class, 0, prots[i] });
		}
	add_operation((struct operation){ .kind = UNMAP, .first = first, .pages = pages });
	add_operation((struct operation){ .kind = UNMAP_TOLD, .first = first, .pages = pages });
	for (unsigned i = 0; i < 2; i++)
		add_operation(
			(struct operation){ PROTECT, first, pages, 0, 0, prots[i] & ML_WRITE });
	for (uint8_t rung = 0; rung < 4; rung++) {
		if (rung < 3)
			add_operation((struct operation){ SPLIT, first, pages, 0, rung, 0 });
		if (rung > 0)
			add_operation((struct operation){ FOLD, first, pages, 0, rung, 0 });
	}
}

/* All ranges of the first `space` pages. */
static void enumerate_operations(uint8_t space)
{
	operation_count = 0;
	for (uint8_t first = 0; first < space; first++)
		for (uint8_t pages = 1; first + pages <= space; pages++)
			add_range(first, pages);
}

/* Frames in step with addresses, or one page out of step. */
static ml_pa frame(const struct operation *o, unsigned page)
{
	return (o->class ? 0x41000 : 0x20000) + page * PAGE;
}

static int call(const struct operation *o)
{
	struct ml_op op = { .flags = o->kind == REPLACE ? ML_OP_REPLACE : 0 };
	const ml_va va = o->first * PAGE;
	const uint64_t len = o->pages * PAGE;

	now.told = 0;
	switch (o->kind) {
	case MAP:
	case REPLACE:
		return ml_map(&now.table, va, len, frame(o, o->first), o->prot, &op);
	case UNMAP_TOLD:
		op.sink = hear;
		return ml_unmap(&now.table, va, len, &op);
	case UNMAP:
		return ml_unmap(&now.table, va, len, NULL);
	case PROTECT:
		return ml_protect(&now.table, va, len, ML_WRITE, o->prot, &op);
	case SPLIT:
		return ml_split(&now.table, va, len, o->rung, &op);
	default:
		return ml_fold(&now.table, va, len, o->rung, &op);
	}
}

static unsigned mapped_pages(const struct operation *o)
{
	unsigned count = 0;

	for (unsigned page = o->first; page < (unsigned)o->first + o->pages; page++)
		count += now.prot[page] != 0;
	return count;
}

static void model_change(const struct operation *o)
{
	for (unsigned page = o->first; page < (unsigned)o->first + o->pages; page++) {
		if (o->kind == MAP || o->kind == REPLACE) {
			now.pa[page] = frame(o, page);
			now.prot[page] = o->prot;
		} else if (o->kind == UNMAP || o->kind == UNMAP_TOLD) {
			now.pa[page] = 0;
			now.prot[page] = 0;
		} else if (o->kind == PROTECT && now.prot[page]) {
			now.prot[page] = (now.prot[page] & ~(ml_prot)ML_WRITE) | o->prot;
		}
	}
}

/* ---- states ------------------------------------------------------------------------ */

static uint64_t mix(uint64_t hash, uint64_t word)
{
	hash = (hash ^ word) * 0xff51afd7ed558ccd;
	return hash ^ hash >> 32;
}

/* The tables with their addresses left out, the deposits, and what the model says. */
static uint64_t state_hash(void)
{
	const ml_pte *root = ml_pool_pointer(&now.pool, ml_table_root(&now.table), TABLE_BYTES);
	uint64_t hash = mix(now.table.spare.count, now.table.owed);

	for (unsigned i = 0; i < 4; i++) {
		const bool linked = (root[i] & 3) == 1; /* valid, and no leaf */
		const ml_pte *below =
			linked ? ml_pool_pointer(&now.pool, root[i] & 0xfffe0, TABLE_BYTES) : NULL;

		hash = mix(hash, linked ? 1 : root[i]);
		for (unsigned k = 0; below && k < 4; k++)
			hash = mix(hash, below[k]);
	}
	for (unsigned page = 0; page < PAGES; page++)
		hash = mix(hash, now.pa[page] ^ now.prot[page] << 32);
	return hash;
}

static void check_page(const struct ml_model *model, unsigned page)
{
	const ml_prot hardware = ML_RW | ML_PROT_AD;
	struct ml_model_result seen;
	struct ml_translation found;
	int error = ml_translate(&now.table, page * PAGE, &found);
	enum ml_model_fault fault = ml_model_walk(model, page * PAGE, ML_MODEL_READ, false, &seen);

	if (!now.prot[page]) {
		t_eq(error, ML_ERR_NOT_MAPPED);
		t_eq(fault, ML_MODEL_NOT_MAPPED);
	} else if (t_eq(error, ML_OK) && t_eq(fault, ML_MODEL_OK)) {
		t_eq(found.pa, now.pa[page]);
		t_eq(ml_translation_prot(&now.table, &found), now.prot[page]);
		t_eq(seen.pa, now.pa[page]);
		t_eq(seen.prot & hardware, now.prot[page]);
	}
}

/* Every door to the table says what the model says. */
static void check_state(void)
{
	const struct ml_model model = {
		.kind = ML_MODEL_TOY,
		.levels = 2,
		.root = ml_table_root(&now.table),
		.read = read_memory,
		.cookie = &now.pool,
	};
	struct ml_cursor cursor = { .last = PAGES * PAGE - 1 };
	struct ml_run run;
	uint64_t bytes = 0, mapped = 0;
	struct ml_fault fault = { 0 };

	for (unsigned page = 0; page < PAGES; page++) {
		check_page(&model, page);
		mapped += now.prot[page] ? PAGE : 0;
	}
	while (ml_run_next(&now.table, &cursor, &run)) {
		bytes += run.length;
		t_eq(run.pa, now.pa[run.va / PAGE]);
	}
	t_eq(bytes, mapped);
	if (!t_eq(ml_table_check(&now.table, &fault), ML_OK))
		printf("# %s at 0x%" PRIx64 "\n", fault.what, fault.va);
	t_eq(now.table.stats.tables + now.table.spare.count, now.pool.used);
	t_ok(now.table.live || now.table.stats.invalidations == 0);
}

static void print_path(const struct path *path, unsigned last)
{
	static const char *const names[] = { "map",     "replace", "unmap", "unmap told",
					     "protect", "split",   "fold" };

	for (unsigned i = 0; i <= SEARCH_STEPS; i++) {
		unsigned number = i < SEARCH_STEPS ? path->steps[i] : last + 1;
		const struct operation *o = &operations[number - 1];

		if (number)
			printf("#   %s pages %u..%u, frames %s step, prot 0x%" PRIx64 ", rung %u\n",
			       names[o->kind], o->first, o->first + o->pages - 1,
			       o->class ? "out of" : "in", o->prot, o->rung);
	}
}

/* Do one operation, and say whether the state it leads to is new. */
static bool take(const struct operation *o, uint64_t hash_before, struct set *seen)
{
	const unsigned mapped = mapped_pages(o);
	const int want = o->kind == MAP && mapped ? ML_ERR_EXISTS : ML_OK;
	uint64_t hash;

	t_eq(call(o), want);
	t_eq(now.pending, 0);
	if (want)
		return t_eq(state_hash(), hash_before) && false;
	if (o->kind == UNMAP_TOLD)
		t_eq(now.told, mapped * PAGE);
	model_change(o);
	hash = state_hash();
	if (hash == hash_before || !set_add(seen, hash))
		return false;
	check_state();
	return true;
}

static void replay(const struct path *path)
{
	for (unsigned i = 0; i < SEARCH_STEPS && path->steps[i]; i++) {
		const struct operation *o = &operations[path->steps[i] - 1];

		t_eq(call(o), ML_OK);
		model_change(o);
	}
}

/* Everything one operation further than `path`. */
static uint64_t expand(const struct state *start, struct path path, unsigned depth,
		       struct set *seen, struct frontier *next)
{
	static struct state here;
	uint64_t hash;

	now = *start;
	replay(&path);
	here = now;
	hash = state_hash();
	for (unsigned i = 0; i < operation_count; i++) {
		const uint64_t complaints = t_state.complaints;
		const bool fresh = take(&operations[i], hash, seen);

		if (t_state.complaints != complaints && complaints == 0)
			print_path(&path, i);
		if (fresh && next) {
			path.steps[depth] = (uint16_t)(i + 1);
			frontier_add(next, path);
			path.steps[depth] = 0;
		}
		now = here;
	}
	return operation_count;
}

static void explore(uint8_t fold, bool live, uint8_t space, unsigned depth)
{
	static const char *const folds[] = { "map", "complete", "block" };
	struct frontier frontier = { 0 };
	struct set seen = { 0 };
	static struct state start;
	uint64_t transitions = 0;

	enumerate_operations(space);
	begin(fold, live);
	start = now;
	set_add(&seen, state_hash());
	frontier_add(&frontier, (struct path){ { 0 } });
	for (unsigned step = 0; step < depth; step++) {
		struct frontier next = { 0 };

		for (size_t i = 0; i < frontier.count && t_state.complaints < 100; i++)
			transitions += expand(&start, frontier.paths[i], step, &seen,
					      step + 1 < depth ? &next : NULL);
		free(frontier.paths);
		frontier = next;
	}
	printf("# fold %s%s, %u pages, %u steps: %zu states, %" PRIu64 " transitions\n",
	       folds[fold], live ? ", live" : "", space, depth, seen.count, transitions);
	t_ok(seen.count > operation_count / 8);
	free(frontier.paths);
	free(seen.slots);
}

static void explore_policies(uint8_t space, unsigned depth)
{
	for (uint8_t fold = ML_FOLD_MAP; fold <= ML_FOLD_BLOCK; fold++)
		for (unsigned live = 0; live < 2; live++)
			explore(fold, live, space, depth);
}

static bool short_run(void)
{
	return source_amount(1000000) < 500000;
}

static bool long_run(void)
{
	return source_amount(1000000) >= 10000000;
}

TEST(steps_in_the_whole_space)
{
	explore_policies(PAGES, long_run() ? 3 : 2);
}

/* All policies at this depth take minutes: one of them here, all in a long run. */
TEST(three_steps_in_the_whole_space)
{
	if (!short_run() && !long_run())
		explore(ML_FOLD_COMPLETE, true, PAGES, 3);
}

TEST(three_steps_in_half_of_it)
{
	explore_policies(PAGES / 2, short_run() ? 2 : 3);
}

TEST(four_steps_around_one_boundary)
{
	explore_policies(5, short_run() ? 3 : 4);
}
