/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* A toy table, tasks on it, and judges of what they say and leave. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include <maxleaf/hosted.h>
#include <maxleaf/pool.h>
#include <maxleaf/pte.h>

#define T_NO_MAIN
#include "passing.h"
#include "passing_watch.h"
#include "t.h"
#include "toy_page.h"

#define PAGE PASSING_PAGE
#define PAGES PASSING_PAGES
#define TABLES 24
#define TABLE_BYTES 32
#define POOL_PA 0x10000u
#define FRAMES 0x40000u
#define POISON 0xdea63u /* a valid leaf of a frame that nobody maps */
#define MOMENTS 512
#define GRAVES 64
#define RUNS_MOST 64

/*
 * Steps of a lockless reader up to the second try: to begin, the link, the entry, its group, the
 * entry again. What a try says depends on what that try reads alone, so that each later one is as
 * the first of a reader that begins later.
 */
#define ONE_TRY 6

/*
 * Steps of a reader of runs up to its second page. What is said of a page depends on what is
 * read for it and its group; of pages further on, a reader is asked that begins there.
 */
#define SOME_PAGES 5

static const char *const call_names[] = {
	"map",    "replace", "unmap",     "unmap with sink", "write",  "relax",
	"retype", "split",   "fold",      "harvest",         "trim",   "set",
	"swap",   "clear",   "wrprotect", "young",           "access", "flip",
	"read",   "walk",    "runs",      "lockless",
};

/* The world, in one piece that can be copied away and back. */
struct state {
	struct ml_table table;
	struct ml_pool pool;
	uint64_t pending;
	_Alignas(TABLE_BYTES) char memory[TABLES * TABLE_BYTES];
};

/* Moments, from the first access to an entry to the last. */
struct window {
	bool open;
	unsigned since, until;
};

/* What a task did. */
struct result {
	int error;
	uint64_t bytes, told;
	struct window window;
	struct ml_translation found;
	struct ml_walk walk;
	struct ml_run runs[RUNS_MOST];
	struct window run_windows[RUNS_MOST];
	unsigned run_count;
	const ml_pte *ptep;
	ml_pte pte;
};

/* A table that was freed while somebody may have been reading it. */
struct grave {
	void *table;                 /* NULL: used again */
	bool reading[EXPLORE_TASKS]; /* who had begun before */
};

struct passing_call passing_tasks[EXPLORE_TASKS];
struct passing_sum passing_sum;

static struct passing_call *const tasks = passing_tasks;
static struct state now, before;
static struct result results[EXPLORE_TASKS];
static bool is_reading[EXPLORE_TASKS];
static struct grave graves[GRAVES];
static unsigned grave_count, moment_count;
static char moments[MOMENTS][TABLES * TABLE_BYTES];
static struct passing_setup setup_now;
static bool exploring, poison_seen;

static bool is_reader(const struct passing_call *c)
{
	return c->kind >= PASS_TRANSLATE;
}

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
	if (table)
		passing_watch_tell(ML_EVENT_ALLOC, table, NULL);
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
	passing_watch_tell(ML_EVENT_FREE, table, NULL);
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
	if (setup_now.unit == 0) /* with several writers it may be another's */
		now.pending++;
	passing_watch_tell(ML_EVENT_INVALIDATE, NULL, what);
}

static void complete(void *cookie, struct ml_op *op)
{
	(void)cookie;
	(void)op;
	now.pending = 0;
	if (!setup_now.one_waits || explore_running() == 0)
		passing_watch_tell(ML_EVENT_COMPLETE, NULL, NULL);
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

/* ---- changing ---------------------------------------------------------------------- */

/* Pages 0 to 7 lie in sequence, with large leaves where they fit. */
static void change(const struct passing_call *c, struct result *result)
{
	struct ml_op op = { .flags = c->kind == PASS_REPLACE ? ML_OP_REPLACE : 0 };
	struct ml_harvest harvest = { .clear = ML_PROT_AD };
	struct ml_table *t = &now.table;
	const ml_va va = c->first * PAGE;
	const uint64_t len = c->pages * PAGE;

	switch (c->kind) {
	case PASS_MAP:
		result->error = ml_map(t, va, len, FRAMES + va, ML_RW | ML_PROT_AD, NULL);
		break;
	case PASS_REPLACE:
		result->error = ml_map(t, va, len, FRAMES + 8 * PAGE + va, ML_READ, &op);
		break;
	case PASS_UNMAP:
		result->error = ml_unmap(t, va, len, NULL);
		break;
	case PASS_UNMAP_TOLD:
		op.sink = hear;
		op.sink_cookie = result;
		result->error = ml_unmap(t, va, len, &op);
		break;
	case PASS_PROTECT:
		result->error = ml_protect(t, va, len, ML_RW, ML_READ, &op);
		break;
	case PASS_RELAX:
		result->error = ml_protect(t, va, len, ML_RW, ML_RW, &op);
		break;
	case PASS_RETYPE:
		result->error = ml_protect(t, va, len, ML_TYPE_MASK, ML_NC, &op);
		break;
	case PASS_SPLIT:
		result->error = ml_split(t, va, len, c->rung, &op);
		break;
	case PASS_FOLD:
		result->error = ml_fold(t, va, len, c->rung, &op);
		break;
	case PASS_HARVEST:
		result->error = ml_harvest(t, va, len, &harvest, &op);
		result->told = harvest.accessed_pages + 16 * harvest.dirty_pages;
		break;
	default:
		result->error = ml_table_trim(t, va, len, &op);
		break;
	}
	result->bytes = op.bytes;
}

/* A leaf that the setup's own mapping would have made. */
static ml_pte leaf(ml_va va, ml_prot prot)
{
	ml_pte pte = 0;

	t_eq(ml_pte_make(&now.table, FRAMES + va, prot | ML_PROT_AD, 0, &pte), ML_OK);
	return pte;
}

/* The entries are this task's alone. */
static bool are_empty(const ml_pte *p, unsigned count)
{
	uint64_t any = 0;

	while (count--)
		any |= p[count];
	return !any;
}

static void edit(const struct passing_call *c, struct result *result)
{
	struct ml_table *t = &now.table;
	const ml_va va = c->first * PAGE;
	ml_pte *p = ml_pte_pointer(t, va, 0), pte = leaf(va, ML_RW);
	unsigned count = c->pages;

	result->error = p ? 0 : 1;
	if (!p)
		return;
	switch (c->kind) {
	case PASS_SET:
		if (count == 1 || are_empty(p, count))
			ml_set_ptes(t, va, p, 0, pte, count);
		break;
	case PASS_SWAP_OUT:
		t_eq(ml_software_make(t, ML_SOFTWARE_SWAP, 5, &pte), ML_OK);
		for (unsigned i = 0; i < count; i++)
			ml_set_pte_at(t, va + i * PAGE, p + i, 0, pte);
		break;
	case PASS_CLEAR:
		result->told = ml_get_and_clear_full_ptes(t, va, p, 0, count);
		break;
	case PASS_WRPROTECT:
		ml_wrprotect_ptes(t, va, p, 0, count);
		break;
	case PASS_YOUNG:
		result->error = ml_ptep_clear_flush_young(t, va, p, 0);
		break;
	case PASS_ACCESS:
		result->told = ml_ptep_set_access_flags(t, va, p, 0, pte, true);
		break;
	default:
		ml_set_pte_at(t, va, p, 0, leaf(va, ML_READ));
		ml_set_pte_at(t, va, p, 0, pte);
		break;
	}
	ml_flush_range(t, va, count * PAGE, ML_LEVEL_ANY, true);
}

static void write_once(const struct passing_call *c, struct result *result)
{
	if (c->kind < PASS_SET)
		change(c, result);
	else
		edit(c, result);
}

/* ---- reading ----------------------------------------------------------------------- */

static struct window *windows[EXPLORE_TASKS]; /* what each task's accesses fall into */

static void note_access(void *cookie, unsigned number)
{
	struct window *window = windows[number];

	(void)cookie;
	if (!window)
		return;
	if (!window->open)
		window->since = moment_count - 1;
	window->open = true;
	window->until = moment_count - 1;
}

static void window_begin(unsigned number, struct window *window)
{
	*window = (struct window){ false, 0, 0 };
	windows[number] = window;
}

static void window_end(unsigned number)
{
	explore_settle();
	if (!windows[number]->open)
		note_access(NULL, number);
	windows[number] = NULL;
}

static void read_runs(const struct passing_call *c, struct result *result, unsigned number)
{
	struct ml_cursor cursor = { c->first * PAGE, (c->first + c->pages) * PAGE - 1, false };
	bool more;

	do {
		unsigned i = result->run_count++;

		if (i == RUNS_MOST)
			exit(2);
		window_begin(number, &result->run_windows[i]);
		more = ml_run_next(&now.table, &cursor, &result->runs[i]);
		window_end(number);
	} while (more);
}

static void look(const struct passing_call *c, struct result *result, unsigned number)
{
	const ml_va va = c->first * PAGE;

	if (c->kind == PASS_RUNS) {
		read_runs(c, result, number);
		return;
	}
	window_begin(number, &result->window);
	if (c->kind == PASS_TRANSLATE)
		result->error = ml_translate(&now.table, va, &result->found);
	else if (c->kind == PASS_WALK)
		result->error = ml_walk(&now.table, va, &result->walk);
	else
		result->ptep = ml_pte_pointer(&now.table, va, c->rung);
	window_end(number);
	if (!result->ptep)
		return;
	window_begin(number, &result->window);
	result->error = ml_ptep_get_lockless(&now.table, va, result->ptep, c->rung, &result->pte);
	window_end(number);
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
	const struct passing_call *c = &tasks[number];

	(void)cookie;
	if (!is_reader(c)) {
		write_once(c, &results[number]);
		return;
	}
	explore_turn();
	is_reading[number] = true;
	look(c, &results[number], number);
	explore_turn();
	is_reading[number] = false;
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
	memset(is_reading, 0, sizeof(is_reading));
	memset(windows, 0, sizeof(windows));
	grave_count = 0;
	moment_count = 0;
	poison_seen = false;
	note_moment(cookie);
	if (exploring)
		passing_watch_begin();
}

/* ---- judging readers --------------------------------------------------------------- */

#define MARKS ((uint64_t)0x60) /* accessed, dirty */
#define WRITE 8u
#define GROUP 4u
#define LEAF 2u
#define VALID 1u

/* Whether `is` holds of the page at one of the moments, both included. */
static bool once(const struct window *window, unsigned number,
		 bool (*is)(const struct toy_page *page, const void *said), const void *said)
{
	for (unsigned i = window->since; i <= window->until; i++) {
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
	       ((end->pte ^ page->pte) & ~MARKS) == 0;
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

		for (unsigned k = result->window.since; k <= result->window.until; k++)
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
	const struct window *window = &result->run_windows[i];
	const uint64_t start = run->length ? run->va : end;

	for (; *at < start; *at += PAGE)
		if (!once(window, (unsigned)(*at / PAGE), is_hole, NULL))
			return false;
	for (; run->length && *at < run->va + run->length; *at += PAGE) {
		const struct said said = { run->pa + (*at - run->va), (run->prot & ML_WRITE) != 0,
					   run->rung };

		if (!once(window, (unsigned)(*at / PAGE), is_in_run, &said))
			return false;
	}
	return true;
}

static bool is_no_table(const struct toy_page *page, const void *said)
{
	(void)said;
	return !page->pte || page->level;
}

/* Whether nothing was there, or is when all is done: only then may a reader say so. */
static bool may_be_empty(const struct passing_call *c, uint64_t entry)
{
	const uint64_t root = ml_table_root(&now.table);
	const struct state *const states[] = { &before, &now };

	for (unsigned i = 0; i < 2; i++) {
		const char *memory = states[i]->memory;

		if (c->rung ? !toy_word(memory, POOL_PA, entry)
			    : !toy_page(memory, POOL_PA, root, c->first).pte)
			return true;
	}
	return false;
}

/* Whether the entry, and its group if it has one, stood so at one of the moments. */
static bool stood(const struct window *window, uint64_t entry, ml_pte said, unsigned level)
{
	const bool group = said & VALID && said & LEAF && said & GROUP;
	const uint64_t step = PAGE << 2 * level, other = entry ^ 8;
	const uint64_t next = entry & 8 ? said - step : said + step;

	for (unsigned i = window->since; i <= window->until; i++) {
		if ((toy_word(moments[i], POOL_PA, entry) ^ said) & ~(group ? MARKS : 0))
			continue;
		if (!group || !((toy_word(moments[i], POOL_PA, other) ^ next) & ~MARKS))
			return true;
	}
	return false;
}

/* The value at one instant, not in the middle of a break, or contended. */
static bool is_snapshot(const struct passing_call *c, const struct result *result)
{
	const uint64_t entry = POOL_PA + (uint64_t)((const char *)result->ptep - now.memory);

	if (!result->ptep)
		return c->rung == 0 && once(&result->window, c->first, is_no_table, NULL);
	if (result->error)
		return result->error == ML_ERR_CONTENDED;
	if (!(result->pte & VALID) && result->pte &&
	    ml_software_kind(&now.table, result->pte) == ML_SOFTWARE_NO)
		return false;
	if (!result->pte && tasks[0].kind != PASS_REPLACE && !may_be_empty(c, entry))
		return false;
	return stood(&result->window, entry, result->pte, c->rung);
}

static bool reader_is_right(unsigned number)
{
	const struct passing_call *c = &tasks[number];
	const struct result *result = &results[number];
	uint64_t at = c->first * PAGE;

	if (c->kind == PASS_TRANSLATE)
		return once(&result->window, c->first, is_translated, result);
	if (c->kind == PASS_WALK)
		return walk_holds(result) &&
		       once(&result->window, c->first, is_walked, &result->walk);
	if (c->kind == PASS_LOCKLESS)
		return is_snapshot(c, result);
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
		if (!is_reader(&tasks[i])) {
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

		if (!is_reader(&tasks[number]))
			write_once(&tasks[number], &results[number]);
	}
	return outcome_now(count);
}

static const char *what_is_wrong(unsigned count)
{
	const struct outcome is = outcome_now(count);

	if (poison_seen)
		return "a table was linked before it was filled, or after it was freed";
	for (unsigned i = 0; i < count; i++)
		if (is_reader(&tasks[i]) && !reader_is_right(i))
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

static void print_call(const struct passing_call *c)
{
	printf("# %s %u+%u", call_names[c->kind], c->first, c->pages);
	printf(c->kind == PASS_SPLIT || c->kind == PASS_FOLD ? " to rung %u\n" : "\n", c->rung);
}

static bool judge(void *cookie)
{
	const unsigned count = *(const unsigned *)cookie;
	const char *wrong = passing_watch_end(before.memory);

	exploring = false;
	wrong = wrong ? wrong : what_is_wrong(count);
	exploring = true;
	passing_sum.found += wrong && wrong[0] == '(';
	if (!wrong || setup_now.one_waits)
		return true;
	t_str(wrong, "");
	printf("# fold %u, live %u, bbm %u, tracks %u, unit 0x%" PRIx64 "; at first:\n",
	       setup_now.fold, setup_now.live, setup_now.bbm, setup_now.track_ad, setup_now.unit);
	for (unsigned i = 0; i < setup_now.count; i++)
		print_call(&setup_now.calls[i]);
	printf("# and then, at once:\n");
	for (unsigned i = 0; i < count; i++)
		print_call(&tasks[i]);
	explore_print();
	return false;
}

/* ---- cases ------------------------------------------------------------------------- */

static uint64_t one_unit(void *cookie, ml_pa pa)
{
	(void)cookie;
	(void)pa;
	return (uint64_t)1 << 20;
}

void passing_set_up(const struct passing_setup *setup)
{
	struct ml_table_config config = {
		.platform = &platform,
		.cookie = &now.pool,
		.fold = setup->fold,
		.live = setup->live,
		.bbm = setup->bbm,
		.track_ad = setup->track_ad,
		.ad_unit = setup->track_ad ? one_unit : NULL,
		.lock_unit = setup->unit,
	};

	setup_now = *setup;
	exploring = false;
	memset(&now, 0, sizeof(now));
	t_eq(ml_pool_init(&now.pool, now.memory, POOL_PA, sizeof(now.memory), TABLE_BYTES), ML_OK);
	config.base = ml_pool_base(&now.pool);
	t_eq(ml_table_init(&now.table, &ml_format_toy, &config), ML_OK);
	if (setup->watched)
		passing_watch_open(now.memory, sizeof(now.memory), POOL_PA,
				   ml_table_root(&now.table), setup->bbm);
	else
		passing_watch_close();
	for (unsigned i = 0; i < setup->count; i++)
		write_once(&setup->calls[i], &results[0]);
	passing_watch_keep();
	memcpy(&before, &now, sizeof(now));
}

bool passing_explore(unsigned count)
{
	struct explore e = {
		.tasks = count,
		.memory = now.memory,
		.bytes = sizeof(now.memory),
		.begin = begin_run,
		.task = run_task,
		.moment = note_moment,
		.access = note_access,
		.end = judge,
		.cookie = &count,
	};

	for (unsigned i = 0; i < count; i++)
		e.steps[i] = tasks[i].kind == PASS_LOCKLESS ? ONE_TRY
			     : tasks[i].kind == PASS_RUNS   ? SOME_PAGES
							    : 0;
	serial[0] = in_turn(count, false);
	serial[1] = in_turn(count, true);
	exploring = true;
	explore(&e);
	exploring = false;
	passing_sum.cases++;
	passing_sum.orders += e.runs;
	passing_sum.broken += e.broken;
	return t_state.complaints < 3;
}
