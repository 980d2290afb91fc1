/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/*
 * Every sequence of operations on two of toy's tables under the adversarial TLB, breadth first: two
 * address spaces out of one pool, two CPUs that take turns, a lazy one, every fold policy, hardware
 * that marks and hardware that does not. States are compared by what the tables hold and by what
 * may be held of them. ML_TEST_OPS= below the usual takes two steps, far above it (make stress)
 * four.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include <maxleaf/table.h>

#include "support/heard_pool.h"
#include "support/search.h"
#include "support/source.h"
#include "t.h"

#define PAGE ((uint64_t)0x1000)
#define PAGES 8 /* two whole tables */
#define SPACES 2
#define TABLES 24
#define TABLE_BYTES 32
#define POOL_PA 0x10000u
#define OPERATIONS_MOST 1024

enum kind { MAP, REPLACE, UNMAP, UNMAP_TOLD, PROTECT, ALLOW, SPLIT, FOLD, KINDS };

struct operation {
	uint8_t kind, space, first, pages;
};

/* The flat map of one space. */
struct map {
	ml_pa pa[PAGES];
	ml_prot prot[PAGES];
};

/* All but the oracle, in one piece that can be copied away and back. */
struct state {
	struct ml_table tables[SPACES];
	struct ml_pool pool;
	struct map maps[SPACES];
	_Alignas(TABLE_BYTES) char memory[TABLES * TABLE_BYTES];
};

/* What walkers hold of entries that are not valid. */
enum holes {
	HOLES_NONE,
	HOLES_BREAKING, /* that nothing is mapped there; changes break as toy's do */
	HOLES_PASSING   /* the same, and sizes and groups change directly */
};

struct config {
	uint8_t fold, bbm;
	bool hardware_ad;
	uint8_t pages; /* the space is so long */
	uint8_t holes; /* enum holes */
};

/* toy as it is, and as walkers see it that hold holes. */
static struct ml_format formats[HOLES_PASSING + 1];

static struct state now;
static struct operation operations[OPERATIONS_MOST];
static unsigned operation_count;

/* ---- the world: all events go to the oracle ------------------------------------------ */

static void removed(void *cookie, const struct ml_run *run)
{
	(void)cookie;
	ml_oracle_told(heard_pool.oracle, run->va, run->length, run->pa, run->prot);
}

static const struct ml_format *format_of(const struct config *config)
{
	struct ml_format *format = &formats[config->holes];

	*format = ml_format_toy;
	format->caches_invalid = config->holes != HOLES_NONE;
	if (config->holes == HOLES_PASSING)
		format->break_size = format->break_group = 0;
	return config->holes ? format : &ml_format_toy;
}

static void begin_space(unsigned space, const struct config *config)
{
	const struct ml_table_config wish = {
		.platform = &heard_pool_platform,
		.cookie = &now.pool,
		.base = ml_pool_base(&now.pool),
		.fold = config->fold,
		.bbm = config->bbm,
		.live = true,
		.track_ad = true,
		.hardware_ad = config->hardware_ad,
		.ops = config->holes ? &ml_table_ops_any : NULL,
	};
	struct ml_model model = {
		.kind = ML_MODEL_TOY,
		.levels = 2,
		.hardware_accessed = config->hardware_ad,
		.hardware_dirty = config->hardware_ad,
		.read = heard_pool_read,
	};

	t_eq(ml_table_init(&now.tables[space], format_of(config), &wish), ML_OK);
	model.root = ml_table_root(&now.tables[space]);
	ml_oracle_enter(heard_pool.oracle, space, &model, true);
}

static void begin(const struct config *config)
{
	static const enum ml_oracle_agent agents[] = { ML_ORACLE_CPU, ML_ORACLE_CPU, ML_ORACLE_LAZY,
						       ML_ORACLE_NOBODY };

	memset(&now, 0, sizeof(now));
	ml_oracle_free(heard_pool.oracle);
	heard_pool.oracle = ml_oracle_new(
		config->holes ? ML_ORACLE_RISCV : ML_ORACLE_ARM64_BBM0 + config->bbm, agents);
	if (!heard_pool.oracle)
		exit(2);
	heard_pool.pool = &now.pool;
	t_eq(ml_pool_init(&now.pool, now.memory, POOL_PA, sizeof(now.memory), TABLE_BYTES), ML_OK);
	for (unsigned space = 0; space < SPACES; space++)
		begin_space(space, config);
}

/* ---- operations -------------------------------------------------------------------- */

static void enumerate_operations(uint8_t space_pages)
{
	operation_count = 0;
	for (uint8_t space = 0; space < SPACES; space++)
		for (uint8_t first = 0; first < space_pages; first++)
			for (uint8_t pages = 1; first + pages <= space_pages; pages++)
				for (uint8_t kind = 0; kind < KINDS; kind++)
					operations[operation_count++] =
						(struct operation){ kind, space, first, pages };
}

/* What replaces is one page out of step, and elsewhere. */
static ml_pa frame(const struct operation *o, unsigned page)
{
	return (o->kind == REPLACE ? 0x41000 : 0x20000) + page * PAGE;
}

/* The frames are clean, so that hardware has something to mark. */
static const ml_prot mapped_prot = ML_RW | ML_ACCESSED;

static int call(const struct operation *o)
{
	struct ml_op op = { .flags = o->kind == REPLACE ? ML_OP_REPLACE : 0 };
	struct ml_table *t = &now.tables[o->space];
	const ml_va va = o->first * PAGE;
	const uint64_t len = o->pages * PAGE;

	switch (o->kind) {
	case MAP:
	case REPLACE:
		return ml_map(t, va, len, frame(o, o->first), mapped_prot, &op);
	case UNMAP_TOLD:
		op.sink = removed;
		return ml_unmap(t, va, len, &op);
	case UNMAP:
		return ml_unmap(t, va, len, NULL);
	case PROTECT:
	case ALLOW:
		return ml_protect(t, va, len, ML_WRITE, o->kind == ALLOW ? ML_WRITE : 0, &op);
	case SPLIT:
		return ml_split(t, va, len, 0, &op);
	default:
		return ml_fold(t, va, len, 3, &op);
	}
}

static bool maps_something(const struct operation *o)
{
	for (unsigned page = o->first; page < (unsigned)o->first + o->pages; page++)
		if (now.maps[o->space].prot[page])
			return true;
	return false;
}

static void model_change(const struct operation *o)
{
	struct map *map = &now.maps[o->space];

	for (unsigned page = o->first; page < (unsigned)o->first + o->pages; page++) {
		if (o->kind == MAP || o->kind == REPLACE) {
			map->pa[page] = frame(o, page);
			map->prot[page] = mapped_prot;
		} else if (o->kind == UNMAP || o->kind == UNMAP_TOLD) {
			map->pa[page] = 0;
			map->prot[page] = 0;
		} else if (o->kind == PROTECT && map->prot[page]) {
			map->prot[page] &= ~ML_WRITE;
		} else if (o->kind == ALLOW && map->prot[page]) {
			map->prot[page] |= ML_WRITE;
		}
	}
}

static void promise(const void *flat, ml_va va, struct ml_oracle_page *page)
{
	const struct map *map = flat;
	const uint64_t number = va / PAGE;

	if (number >= PAGES)
		return;
	page->last = va | (PAGE - 1);
	page->mapped = map->prot[number] != 0;
	page->pa = map->pa[number] + va % PAGE;
	page->prot = map->prot[number];
}

/* What nobody is told of may be lost. */
static ml_prot may_lose(const struct operation *o)
{
	return o->kind == UNMAP || o->kind == REPLACE ? ML_PROT_AD : 0;
}

/* Do it; whether it was done. */
static bool do_operation(const struct operation *o, unsigned step)
{
	const int want = o->kind == MAP && maps_something(o) ? ML_ERR_EXISTS : ML_OK;
	const struct map before = now.maps[o->space];

	ml_oracle_begin(heard_pool.oracle, step % 2, o->space, may_lose(o));
	t_eq(call(o), want);
	if (!want)
		model_change(o);
	t_ok(ml_oracle_end(heard_pool.oracle, promise, &before, &now.maps[o->space]));
	return !want;
}

/* ---- states ------------------------------------------------------------------------ */

static uint64_t mix(uint64_t hash, uint64_t word)
{
	hash = (hash ^ word) * 0xff51afd7ed558ccd;
	return hash ^ hash >> 32;
}

static uint64_t table_hash(const struct ml_table *t)
{
	const ml_pte *root = ml_pool_pointer(&now.pool, ml_table_root(t), TABLE_BYTES);
	uint64_t hash = mix(t->spare.count, t->owed);

	for (unsigned i = 0; i < 4; i++) {
		const bool linked = (root[i] & 3) == 1; /* valid, and no leaf */
		const ml_pte *below =
			linked ? ml_pool_pointer(&now.pool, root[i] & 0xfffe0, TABLE_BYTES) : NULL;

		hash = mix(hash, linked ? 1 : root[i]);
		for (unsigned k = 0; below && k < 4; k++)
			hash = mix(hash, below[k]);
	}
	return hash;
}

/* The tables with their addresses left out, and what may be held of them. */
static uint64_t state_hash(void)
{
	uint64_t hash = ml_oracle_hash(heard_pool.oracle);

	for (unsigned space = 0; space < SPACES; space++)
		hash = mix(hash, table_hash(&now.tables[space]));
	return hash;
}

static void print_path(const struct path *path, unsigned last)
{
	static const char *const names[KINDS] = { "map",     "replace", "unmap", "unmap told",
						  "protect", "allow",   "split", "fold" };

	printf("# %s\n", ml_oracle_fault(heard_pool.oracle) ? ml_oracle_fault(heard_pool.oracle)
							    : "no fault");
	for (unsigned i = 0; i <= SEARCH_STEPS; i++) {
		const unsigned number = i < SEARCH_STEPS ? path->steps[i] : last + 1;
		const struct operation *o = &operations[number - 1];

		if (number)
			printf("#   space %u: %s pages %u..%u\n", o->space, names[o->kind],
			       o->first, o->first + o->pages - 1);
	}
}

static void replay(const struct path *path)
{
	for (unsigned i = 0; i < SEARCH_STEPS && path->steps[i]; i++)
		do_operation(&operations[path->steps[i] - 1], i);
}

/* Where everything starts, and where the path at hand has led. */
struct spot {
	struct state state;
	struct ml_oracle *oracle;
};

static void keep(struct spot *spot)
{
	if (!spot->oracle)
		spot->oracle = ml_oracle_new(ML_ORACLE_ARM64_BBM0, NULL);
	if (!spot->oracle)
		exit(2);
	spot->state = now;
	ml_oracle_copy(spot->oracle, heard_pool.oracle);
}

static void go_to(const struct spot *spot)
{
	now = spot->state;
	ml_oracle_copy(heard_pool.oracle, spot->oracle);
}

/* Everything one operation further than `path`; the first is on space 0, by symmetry. */
static uint64_t expand(const struct spot *start, struct path path, unsigned depth, struct set *seen,
		       struct frontier *next)
{
	const unsigned count = depth ? operation_count : operation_count / SPACES;
	static struct spot here;

	go_to(start);
	replay(&path);
	keep(&here);
	for (unsigned i = 0; i < count; i++) {
		const uint64_t complaints = t_state.complaints;
		const bool fresh =
			do_operation(&operations[i], depth) && set_add(seen, state_hash());

		if (t_state.complaints != complaints && complaints == 0)
			print_path(&path, i);
		if (fresh && next) {
			path.steps[depth] = (uint16_t)(i + 1);
			frontier_add(next, path);
			path.steps[depth] = 0;
		}
		go_to(&here);
	}
	return count;
}

static void explore(const struct config *config, unsigned depth)
{
	static const char *const folds[] = { "map", "complete", "block" };
	static const char *const holes[] = { "", ", holes held", ", holes held, nothing breaks" };
	struct frontier frontier = { 0 };
	struct set seen = { 0 };
	static struct spot start;
	struct ml_trace trace = { .watch = heard_pool_hear, .forget = true };
	uint64_t transitions = 0;

	ml_trace_to(&trace);
	enumerate_operations(config->pages);
	begin(config);
	keep(&start);
	set_add(&seen, state_hash());
	frontier_add(&frontier, (struct path){ { 0 } });
	for (unsigned step = 0; step < depth; step++) {
		struct frontier next = { 0 };

		for (size_t i = 0; i < frontier.count && !t_state.complaints; i++)
			transitions += expand(&start, frontier.paths[i], step, &seen,
					      step + 1 < depth ? &next : NULL);
		free(frontier.paths);
		frontier = next;
	}
	ml_trace_to(NULL);
	printf("# fold %s, BBM %u%s%s, %u pages, %u steps: %zu states, %" PRIu64 " transitions\n",
	       folds[config->fold], config->bbm, config->hardware_ad ? ", hardware A/D" : "",
	       holes[config->holes], config->pages, depth, seen.count, transitions);
	t_ok(seen.count > operation_count / 2);
	free(frontier.paths);
	free(seen.slots);
}

/* Every policy; with and without hardware that marks. */
static void explore_policies(uint8_t pages, unsigned depth)
{
	for (uint8_t fold = ML_FOLD_MAP; fold <= ML_FOLD_BLOCK; fold++)
		for (uint8_t bbm = 0; bbm <= ml_format_toy.bbm_most; bbm++)
			for (unsigned hardware = 0; hardware < 2; hardware++)
				explore(&(struct config){ fold, bbm, hardware, pages, HOLES_NONE },
					depth);
}

TEST(no_sequence_relies_on_luck)
{
	explore_policies(PAGES, source_amount(1000000) < 500000 ? 2 : 3);
}

/* Facts R6; B-53: what becomes valid is invalidated, too, where walkers hold that it is not. */
TEST(no_sequence_leaves_a_hole_held)
{
	const unsigned depth = source_amount(1000000) < 500000 ? 2 : 3;

	for (uint8_t fold = ML_FOLD_MAP; fold <= ML_FOLD_BLOCK; fold++)
		for (uint8_t holes = HOLES_BREAKING; holes <= HOLES_PASSING; holes++)
			explore(&(struct config){ fold, 0, holes == HOLES_BREAKING, 5, holes },
				depth);
}

/* Around one boundary; in a long run only. */
TEST(no_long_sequence_relies_on_luck)
{
	if (source_amount(1000000) >= 10000000)
		explore_policies(5, 4);
}
