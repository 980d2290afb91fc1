/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/*
 * Calls that pass each other on the toy format, in every order that makes a difference: lock-free
 * readers beside a writer, and writers in units of their own. What a reader says must have been so
 * at one instant of its call, by a walk written here; what writers leave must be what one after
 * the other would have left. Which cases are explored is drawn; far above the usual ML_TEST_OPS=
 * (make stress) all are.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include <maxleaf/hosted.h>
#include <maxleaf/pool.h>
#include <maxleaf/table.h>

#include "support/explore.h"
#include "support/source.h"
#include "support/toy_page.h"
#include "t.h"

#define PAGE ((uint64_t)0x1000)
#define PAGES 16
#define SPACE 8 /* pages where things happen: two root entries, one group */
#define TABLES 24
#define TABLE_BYTES 32
#define POOL_PA 0x10000u
#define FRAMES 0x40000u
#define POISON 0xdea63u /* a valid leaf of a frame that nobody maps */
#define MOMENTS 512
#define GRAVES 64
#define RUNS_MOST 64

enum kind { MAP, REPLACE, UNMAP, UNMAP_TOLD, PROTECT, RELAX, SPLIT, FOLD, TRANSLATE, WALK, RUNS };

struct call {
	uint8_t kind, first, pages, rung;
};

static const char *const call_names[] = { "map",   "replace", "unmap", "unmap with sink",
					  "write", "relax",   "split", "fold",
					  "read",  "walk",    "runs" };

/* How a table is set up, and by what calls. */
struct setup {
	uint8_t fold, bbm;
	bool live, track_ad;
	uint64_t unit;
	struct call calls[4];
	unsigned count;
};

/* The world, in one piece that can be copied away and back. */
struct state {
	struct ml_table table;
	struct ml_pool pool;
	uint64_t pending;
	_Alignas(TABLE_BYTES) char memory[TABLES * TABLE_BYTES];
};

/* What a task did. */
struct result {
	int error;
	uint64_t bytes, told;
	unsigned since, until; /* moments */
	struct ml_translation found;
	struct ml_walk walk;
	struct ml_run runs[RUNS_MOST];
	unsigned run_since[RUNS_MOST], run_until[RUNS_MOST];
	unsigned run_count;
};

/* A table that was freed while somebody may have been reading it. */
struct grave {
	void *table;                 /* NULL: used again */
	bool reading[EXPLORE_TASKS]; /* who had begun before */
};

static struct state now, before;
static struct call tasks[EXPLORE_TASKS];
static struct result results[EXPLORE_TASKS];
static bool is_reading[EXPLORE_TASKS];
static struct grave graves[GRAVES];
static unsigned grave_count, moment_count;
static char moments[MOMENTS][TABLES * TABLE_BYTES];
static const struct setup *setup_now;
static bool exploring, poison_seen;

/* ---- the platform ------------------------------------------------------------------ */

static void poison(void *table)
{
	for (unsigned i = 0; i < TABLE_BYTES / sizeof(uint64_t); i++)
		((uint64_t *)table)[i] = POISON;
}

static void *take_table(void *cookie, struct ml_op *op, size_t bytes, ml_pa *pa)
{
	void *table;

	if (exploring)
		explore_turn();
	table = ml_pool_alloc(cookie, op, bytes, pa);
	if (table)
		poison(table);
	return table;
}

static void reuse(void *table)
{
	poison(table);
	ml_pool_free(&now.pool, NULL, table, 0, TABLE_BYTES);
}

static bool is_read(const struct grave *grave)
{
	bool read = false;

	for (unsigned i = 0; i < EXPLORE_TASKS; i++)
		read |= grave->reading[i];
	return read;
}

/* Freed tables stay as they are until every reader that had begun is done. */
static void give_back(void *cookie, struct ml_op *op, void *table, ml_pa pa, size_t bytes)
{
	struct grave grave = { .table = table };

	(void)cookie;
	(void)op;
	(void)pa;
	(void)bytes;
	t_eq(now.pending, 0);
	if (exploring)
		explore_turn();
	memcpy(grave.reading, is_reading, sizeof(is_reading));
	if (!is_read(&grave))
		reuse(table);
	else if (grave_count < GRAVES)
		graves[grave_count++] = grave;
	else
		exit(2);
}

static void invalidate(void *cookie, struct ml_op *op, const struct ml_invalidation *what)
{
	(void)cookie;
	(void)op;
	(void)what;
	if (setup_now->unit == 0) /* with several writers it may be another's */
		now.pending++;
}

static void complete(void *cookie, struct ml_op *op)
{
	(void)cookie;
	(void)op;
	now.pending = 0;
}

static const struct ml_platform platform = {
	.table_alloc = take_table,
	.table_free = give_back,
	.table_pointer = ml_pool_pointer,
	.invalidate = invalidate,
	.complete = complete,
};

static void hear(void *cookie, const struct ml_run *run)
{
	struct result *result = cookie;

	result->told += run->length;
}

/* ---- tasks ------------------------------------------------------------------------- */

/* Pages 0 to 7 lie in sequence, with large leaves where they fit. */
static void change(const struct call *c, struct result *result)
{
	struct ml_op op = { .flags = c->kind == REPLACE ? ML_OP_REPLACE : 0 };
	const ml_va va = c->first * PAGE;
	const uint64_t len = c->pages * PAGE;

	switch (c->kind) {
	case MAP:
		result->error = ml_map(&now.table, va, len, FRAMES + va, ML_RW, NULL);
		break;
	case REPLACE:
		result->error = ml_map(&now.table, va, len, FRAMES + 8 * PAGE + va, ML_READ, &op);
		break;
	case UNMAP:
		result->error = ml_unmap(&now.table, va, len, NULL);
		break;
	case UNMAP_TOLD:
		op.sink = hear;
		op.sink_cookie = result;
		result->error = ml_unmap(&now.table, va, len, &op);
		break;
	case PROTECT:
		result->error = ml_protect(&now.table, va, len, ML_RW, ML_READ, &op);
		break;
	case RELAX:
		result->error = ml_protect(&now.table, va, len, ML_RW, ML_RW, &op);
		break;
	case SPLIT:
		result->error = ml_split(&now.table, va, len, c->rung, &op);
		break;
	default:
		result->error = ml_fold(&now.table, va, len, c->rung, &op);
		break;
	}
	result->bytes = op.bytes;
}

static unsigned this_moment(void)
{
	explore_settle();
	return moment_count - 1;
}

static void read_runs(const struct call *c, struct result *result)
{
	struct ml_cursor cursor = { c->first * PAGE, (c->first + c->pages) * PAGE - 1, false };
	bool more;

	do {
		unsigned i = result->run_count++;

		if (i == RUNS_MOST)
			exit(2);
		result->run_since[i] = this_moment();
		more = ml_run_next(&now.table, &cursor, &result->runs[i]);
		result->run_until[i] = this_moment();
	} while (more);
}

static void look(const struct call *c, struct result *result)
{
	if (c->kind == TRANSLATE)
		result->error = ml_translate(&now.table, c->first * PAGE, &result->found);
	else if (c->kind == WALK)
		result->error = ml_walk(&now.table, c->first * PAGE, &result->walk);
	else
		read_runs(c, result);
}

/* Tables that only this reader kept are not read any more. */
static void leave(unsigned number)
{
	for (unsigned i = 0; i < grave_count; i++) {
		struct grave *grave = &graves[i];

		grave->reading[number] = false;
		if (grave->table && !is_read(grave)) {
			reuse(grave->table);
			grave->table = NULL;
		}
	}
}

static void run_task(void *cookie, unsigned number)
{
	const struct call *c = &tasks[number];
	struct result *result = &results[number];

	(void)cookie;
	if (c->kind < TRANSLATE) {
		change(c, result);
		return;
	}
	result->since = this_moment();
	is_reading[number] = true;
	look(c, result);
	is_reading[number] = false;
	result->until = this_moment();
	leave(number);
}

/* Whether a walker could see what was in a table before it was filled, or after it was freed. */
static bool shows_poison(void)
{
	const uint64_t *root = (const uint64_t *)(const void *)now.table.root;

	for (unsigned i = 0; i < 4; i++) {
		const uint64_t *table =
			(const uint64_t *)(const void *)(now.table.base + (root[i] & 0xfffe0));

		for (unsigned k = 0; (root[i] & 3) == 1 && k < 4; k++)
			if (table[k] == POISON)
				return true;
	}
	return false;
}

static void note_moment(void *cookie)
{
	(void)cookie;
	if (moment_count == MOMENTS)
		exit(2);
	poison_seen |= shows_poison();
	memcpy(moments[moment_count++], now.memory, sizeof(now.memory));
}

static void begin_run(void *cookie)
{
	memcpy(&now, &before, sizeof(now));
	memset(results, 0, sizeof(results));
	grave_count = 0;
	moment_count = 0;
	poison_seen = false;
	note_moment(cookie);
}

/* ---- judging readers --------------------------------------------------------------- */

#define MARKS 0x60u /* accessed, dirty */
#define WRITE 8u
#define GROUP 4u

/* Whether `is` holds of the page at one of the moments, both included. */
static bool once(unsigned since, unsigned until, unsigned number,
		 bool (*is)(const struct toy_page *page, const void *said), const void *said)
{
	for (unsigned i = since; i <= until; i++) {
		const struct toy_page page =
			toy_page(moments[i], POOL_PA, ml_table_root(&now.table), number);

		if (is(&page, said))
			return true;
	}
	return false;
}

static bool is_translated(const struct toy_page *page, const void *said)
{
	const struct result *result = said;
	const struct ml_translation *found = &result->found;

	if (!page->pte)
		return result->error == ML_ERR_NOT_MAPPED;
	return result->error == ML_OK && found->pte == page->pte && found->level == page->level &&
	       found->pa == page->pa;
}

static bool is_walked(const struct toy_page *page, const void *said)
{
	const struct ml_walk *walk = said;
	const struct ml_walk_entry *end = &walk->entries[walk->count - 1];

	if (!page->pte)
		return end->kind == ML_KIND_EMPTY || end->kind == ML_KIND_INVALID;
	return end->kind == ML_KIND_LEAF && end->level == page->level &&
	       ((end->pte ^ page->pte) & ~(uint64_t)MARKS) == 0;
}

static bool is_hole(const struct toy_page *page, const void *said)
{
	(void)said;
	return !page->pte;
}

struct said {
	uint64_t pa;
	bool write;
	unsigned rung;
};

static bool is_in_run(const struct toy_page *page, const void *what)
{
	const struct said *said = what;

	return page->pte && page->pa == said->pa && !(page->pte & WRITE) == !said->write &&
	       said->rung == 2 * page->level + ((page->pte & GROUP) != 0);
}

/* Each entry held its value at one moment, and they lead from one to the next. */
static bool walk_holds(const struct result *result)
{
	uint64_t table = ml_table_root(&now.table);

	for (unsigned i = 0; i < result->walk.count; i++) {
		const struct ml_walk_entry *entry = &result->walk.entries[i];
		bool held = false;

		for (unsigned k = result->since; k <= result->until; k++)
			held |= toy_word(moments[k], POOL_PA, table + 8 * entry->index) ==
				entry->pte;
		if (!held || entry->table != table)
			return false;
		table = entry->pte & 0xfffe0;
	}
	return true;
}

static bool run_holds(const struct result *result, unsigned i, uint64_t *at, uint64_t end)
{
	const struct ml_run *run = &result->runs[i];
	const unsigned since = result->run_since[i], until = result->run_until[i];
	const uint64_t start = run->length ? run->va : end;

	for (; *at < start; *at += PAGE)
		if (!once(since, until, (unsigned)(*at / PAGE), is_hole, NULL))
			return false;
	for (; run->length && *at < run->va + run->length; *at += PAGE) {
		const struct said said = { run->pa + (*at - run->va), (run->prot & ML_WRITE) != 0,
					   run->rung };

		if (!once(since, until, (unsigned)(*at / PAGE), is_in_run, &said))
			return false;
	}
	return true;
}

static bool reader_is_right(unsigned number)
{
	const struct call *c = &tasks[number];
	const struct result *result = &results[number];
	uint64_t at = c->first * PAGE;

	if (c->kind == TRANSLATE)
		return once(result->since, result->until, c->first, is_translated, result);
	if (c->kind == WALK)
		return walk_holds(result) &&
		       once(result->since, result->until, c->first, is_walked, &result->walk);
	for (unsigned i = 0; i < result->run_count; i++)
		if (!run_holds(result, i, &at, at + (c->pages - (at / PAGE - c->first)) * PAGE))
			return false;
	return at == (c->first + c->pages) * PAGE;
}

/* ---- judging writers --------------------------------------------------------------- */

/* What is left when all is done; no padding. */
struct outcome {
	struct {
		uint64_t pte, level;
	} pages[PAGES];
	struct {
		int64_t error;
		uint64_t bytes, told;
	} calls[EXPLORE_TASKS];
	uint64_t tables, splits, folds, invalidations, completions, used;
};

static struct outcome serial[2];

static struct outcome outcome_now(unsigned count)
{
	const struct ml_stats *stats = &now.table.stats;
	struct outcome o = { .tables = stats->tables,
			     .splits = stats->splits,
			     .folds = stats->folds,
			     .invalidations = stats->invalidations,
			     .completions = stats->completions,
			     .used = now.pool.used };

	for (unsigned i = 0; i < PAGES; i++) {
		const struct toy_page page =
			toy_page(now.memory, POOL_PA, ml_table_root(&now.table), i);

		o.pages[i].pte = page.pte;
		o.pages[i].level = page.level;
	}
	for (unsigned i = 0; i < count; i++)
		if (tasks[i].kind < TRANSLATE) {
			o.calls[i].error = results[i].error;
			o.calls[i].bytes = results[i].bytes;
			o.calls[i].told = results[i].told;
		}
	return o;
}

/* The writers, first one, then the other. */
static struct outcome in_turn(unsigned count, bool backwards)
{
	begin_run(NULL);
	for (unsigned i = 0; i < count; i++) {
		const unsigned number = backwards ? count - 1 - i : i;

		if (tasks[number].kind < TRANSLATE)
			change(&tasks[number], &results[number]);
	}
	return outcome_now(count);
}

static const char *what_is_wrong(unsigned count)
{
	const struct outcome is = outcome_now(count);

	if (poison_seen)
		return "a table was linked before it was filled, or after it was freed";
	for (unsigned i = 0; i < count; i++)
		if (tasks[i].kind >= TRANSLATE && !reader_is_right(i))
			return "a reader says what never was";
	if (memcmp(&is, &serial[0], sizeof(is)) != 0 && memcmp(&is, &serial[1], sizeof(is)) != 0)
		return "the outcome is none of one call after the other";
	if (is.used != is.tables)
		return "a table is lost";
	if (ml_table_check(&now.table, NULL) != ML_OK)
		return "ml_table_check finds fault";
	ml_table_fini(&now.table, NULL);
	return now.pool.used ? "not all tables came back" : NULL;
}

static void print_call(const struct call *c)
{
	printf("# %s %u+%u", call_names[c->kind], c->first, c->pages);
	printf(c->kind == SPLIT || c->kind == FOLD ? " to rung %u\n" : "\n", c->rung);
}

static bool judge(void *cookie)
{
	const unsigned count = *(const unsigned *)cookie;
	const char *wrong;

	exploring = false;
	wrong = what_is_wrong(count);
	exploring = true;
	if (!wrong)
		return true;
	t_str(wrong, "");
	printf("# fold %u, live %u, bbm %u, tracks %u, unit 0x%" PRIx64 "; at first:\n",
	       setup_now->fold, setup_now->live, setup_now->bbm, setup_now->track_ad,
	       setup_now->unit);
	for (unsigned i = 0; i < setup_now->count; i++)
		print_call(&setup_now->calls[i]);
	printf("# and then, at once:\n");
	for (unsigned i = 0; i < count; i++)
		print_call(&tasks[i]);
	explore_print();
	return false;
}

/* ---- cases ------------------------------------------------------------------------- */

static struct {
	uint64_t cases, runs, drawn, stride;
} sum;

static void set_up(const struct setup *setup)
{
	struct ml_table_config config = {
		.platform = &platform,
		.cookie = &now.pool,
		.fold = setup->fold,
		.live = setup->live,
		.bbm = setup->bbm,
		.track_ad = setup->track_ad,
		.lock_unit = setup->unit,
	};

	setup_now = setup;
	exploring = false;
	memset(&now, 0, sizeof(now));
	t_eq(ml_pool_init(&now.pool, now.memory, POOL_PA, sizeof(now.memory), TABLE_BYTES), ML_OK);
	config.base = ml_pool_base(&now.pool);
	t_eq(ml_table_init(&now.table, &ml_format_toy, &config), ML_OK);
	for (unsigned i = 0; i < setup->count; i++)
		change(&setup->calls[i], &results[0]);
	memcpy(&before, &now, sizeof(now));
}

/* Every order of tasks[0 .. count). False: the test has failed often enough. */
static bool explore_case(unsigned count, unsigned preemptions)
{
	struct explore e = {
		.tasks = count,
		.preemptions = preemptions,
		.memory = now.memory,
		.bytes = sizeof(now.memory),
		.begin = begin_run,
		.task = run_task,
		.moment = note_moment,
		.end = judge,
		.cookie = &count,
	};

	if (sum.drawn++ % sum.stride)
		return true;
	serial[0] = in_turn(count, false);
	serial[1] = in_turn(count, true);
	exploring = true;
	explore(&e);
	exploring = false;
	sum.cases++;
	sum.runs += e.runs;
	return t_state.complaints < 3;
}

/* One case of every `usual`, or more where there is time. */
static void count_from_zero(uint64_t usual)
{
	const uint64_t amount = source_amount(600000), stride = usual * 600000 / (amount | 1);

	memset(&sum, 0, sizeof(sum));
	sum.stride = stride ? stride : 1;
}

static void tell(void)
{
	t_ok(sum.runs > sum.cases);
	printf("# %" PRIu64 " of %" PRIu64 " cases in %" PRIu64 " orders\n", sum.cases, sum.drawn,
	       sum.runs);
}

/* What stands there before: pages, groups, blocks, pieces of them. */
static const struct setup starts[] = {
	{ .count = 0 },
	{ .calls = { { MAP, 0, 1, 0 } }, .count = 1 },
	{ .calls = { { MAP, 0, 2, 0 } }, .count = 1 },
	{ .calls = { { MAP, 0, 3, 0 }, { MAP, 3, 1, 0 } }, .count = 2 },
	{ .calls = { { MAP, 0, 4, 0 } }, .count = 1 },
	{ .calls = { { MAP, 0, 4, 0 }, { PROTECT, 1, 1, 0 } }, .count = 2 },
	{ .calls = { { MAP, 0, 4, 0 }, { SPLIT, 0, 4, 0 } }, .count = 2 },
	{ .calls = { { MAP, 0, 8, 0 } }, .count = 1 },
	{ .calls = { { MAP, 0, 8, 0 }, { SPLIT, 0, 8, 1 } }, .count = 2 },
	{ .calls = { { MAP, 0, 8, 0 }, { UNMAP, 2, 3, 0 } }, .count = 2 },
};

#define STARTS (sizeof(starts) / sizeof(starts[0]))

/* The calls of one range: 0 when `number` is too high. */
static bool call_at(unsigned number, uint8_t first, uint8_t pages, struct call *c)
{
	static const struct call calls[] = {
		{ .kind = MAP },
		{ .kind = REPLACE },
		{ .kind = UNMAP },
		{ .kind = UNMAP_TOLD },
		{ .kind = PROTECT },
		{ .kind = RELAX },
		{ .kind = SPLIT, .rung = 0 },
		{ .kind = SPLIT, .rung = 1 },
		{ .kind = SPLIT, .rung = 2 },
		{ .kind = FOLD, .rung = 1 },
		{ .kind = FOLD, .rung = 2 },
		{ .kind = FOLD, .rung = 3 },
	};

	if (number >= sizeof(calls) / sizeof(calls[0]))
		return false;
	*c = calls[number];
	c->first = first;
	c->pages = pages;
	return true;
}

/* Not live, or live with walkers that bear so much. */
static void make_live(struct setup *setup, unsigned way)
{
	setup->live = way > 0;
	setup->bbm = way ? (uint8_t)(way - 1) : 0;
}

/* One writer in every range, and a reader of one page or of all. */
static bool read_beside(const struct setup *start, enum kind reader)
{
	struct setup setup = *start;

	for (unsigned way = 0; way < 16; way++) {
		make_live(&setup, way & 3);
		setup.track_ad = way & 4;
		setup.fold = way & 8 ? ML_FOLD_COMPLETE : ML_FOLD_MAP;
		set_up(&setup);
		for (uint8_t first = 0; first < SPACE; first++)
			for (uint8_t pages = 1; first + pages <= SPACE; pages++)
				for (unsigned i = 0; call_at(i, first, pages, &tasks[0]); i++)
					for (uint8_t page = 0; page < SPACE; page++) {
						tasks[1] = (struct call){ reader, page, 1, 0 };
						if (reader == RUNS)
							tasks[1].pages = SPACE - page;
						if (!explore_case(2, 3))
							return false;
					}
	}
	return true;
}

static void read_beside_all(enum kind reader, uint64_t usual)
{
	count_from_zero(usual);
	for (unsigned i = 0; i < STARTS; i++)
		T_REQUIRE(read_beside(&starts[i], reader));
	tell();
}

TEST(a_translation_was_so_once)
{
	read_beside_all(TRANSLATE, 17);
}

TEST(a_walk_saw_what_was_there)
{
	read_beside_all(WALK, 17);
}

TEST(every_page_of_a_run_was_so_once)
{
	read_beside_all(RUNS, 97);
}

/* Whether two ranges meet no unit together. */
static bool are_apart(const struct call *a, const struct call *b, uint64_t unit)
{
	const unsigned size = (unsigned)(unit / PAGE);

	return (a->first + a->pages - 1u) / size < b->first / size ||
	       (b->first + b->pages - 1u) / size < a->first / size;
}

/* The second of two writers, in every range that is apart from the first's. */
static bool write_beside(uint8_t space, bool reader)
{
	const uint64_t unit = setup_now->unit;

	for (uint8_t first = tasks[0].first; first < space; first++)
		for (uint8_t pages = 1; first + pages <= space; pages++) {
			tasks[1].first = first;
			tasks[1].pages = pages;
			if (!are_apart(&tasks[0], &tasks[1], unit))
				continue;
			for (unsigned i = 0; call_at(i, first, pages, &tasks[1]); i++) {
				const uint8_t page = (uint8_t)(sum.drawn % space);

				tasks[2] = (struct call){ TRANSLATE, page, 1, 0 };
				if (!explore_case(reader ? 3 : 2, reader ? 2 : 3))
					return false;
			}
		}
	return true;
}

static bool write_from(const struct setup *start, uint64_t unit, bool reader)
{
	const uint8_t space = unit == 8 * PAGE ? PAGES : SPACE;
	struct setup setup = *start;

	setup.unit = unit;
	for (unsigned way = 0; way < 8; way++) {
		make_live(&setup, way & 3);
		setup.fold = way & 4 ? ML_FOLD_COMPLETE : ML_FOLD_MAP;
		set_up(&setup);
		for (uint8_t first = 0; first < space; first++)
			for (uint8_t pages = 1; first + pages <= space; pages++)
				for (unsigned i = 0; call_at(i, first, pages, &tasks[0]); i++)
					if (!write_beside(space, reader))
						return false;
	}
	return true;
}

static void write_in_units(uint64_t unit, bool reader, uint64_t usual)
{
	count_from_zero(usual);
	for (unsigned i = 0; i < STARTS; i++)
		T_REQUIRE(write_from(&starts[i], unit, reader));
	tell();
}

TEST(writers_leave_what_one_after_the_other_would)
{
	write_in_units(PAGE, false, 397);
	write_in_units(2 * PAGE, false, 397);
	write_in_units(4 * PAGE, false, 397);
	write_in_units(8 * PAGE, false, 1999);
}

TEST(a_reader_beside_two_writers)
{
	write_in_units(PAGE, true, 1999);
	write_in_units(2 * PAGE, true, 1999);
	write_in_units(4 * PAGE, true, 1999);
}
