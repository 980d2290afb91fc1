/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/*
 * Tables that are lent, under the adversarial TLB: a lender changes by random operations what up to
 * three others walk as their own, each under a number of its own, on every CPU, beside what they
 * map and unmap themselves; they come and go. What any of them may hold is judged after each
 * operation. ML_TEST_OPS= says how many, SEED= repeats a run.
 */
#include <inttypes.h>
#include <string.h>

#include <maxleaf/pte.h>

#include "support/judge.h"
#include "support/source.h"
#include "t.h"

#define OPERATIONS 40000
#define CASE_LENGTH 50
#define BORROWERS 3u
#define OWN_PAGES 32u

/* Whom the lender's platform tells. */
enum told {
	TOLD_ALL,        /* every address space */
	TOLD_OF_TABLES,  /* every one of links; of leaves, which are global, its own */
	TOLD_OWN,        /* its own alone: a mistake, */
	TOLD_OWN_GLOBAL, /* and with global leaves no less */
};

struct borrower {
	struct rig rig;
	bool here;
	struct reference own;   /* what it maps itself */
	struct reference shown; /* that, and what it borrows */
};

static struct run {
	struct source s;
	struct judge judge;
	struct borrower borrowers[BORROWERS];
	struct reference before;
	enum told told;
	bool lender;       /* whose operation it is */
	ml_va first, last; /* what is lent */
	ml_va own;         /* where borrowers have something of their own; == first: nowhere */
	uint64_t own_pages;
	uint64_t operations, seen, visits;
} run; /* the judge is large */

/* ---- the platform ------------------------------------------------------------------- */

static void hear(void *cookie, const struct ml_event *event)
{
	struct ml_oracle *oracle = run.judge.watch.oracle;
	const struct ml_oracle_invalidation all = {
		.what = event->what,
		.agents = ML_ORACLE_EVERYWHERE,
		.space = ML_ORACLE_EVERYWHERE,
	};
	const bool links = run.told == TOLD_OF_TABLES && !event->what.leaves_only;

	(void)cookie;
	if (event->kind == ML_EVENT_INVALIDATE && run.lender && (run.told == TOLD_ALL || links))
		ml_oracle_invalidate(oracle, &all);
	else
		ml_oracle_event(oracle, event);
}

static bool leaves_are_global(void)
{
	return run.told == TOLD_OF_TABLES || run.told == TOLD_OWN_GLOBAL;
}

/* ---- what borrowers see -------------------------------------------------------------- */

static void show(struct borrower *b)
{
	const struct reference *lent = &run.judge.model;

	b->shown = b->own;
	for (size_t i = 0; i < lent->count; i++) {
		const struct reference_span *span = &lent->spans[i];
		const ml_va first = span->first > run.first ? span->first : run.first;
		const ml_va last = span->last < run.last ? span->last : run.last;

		if (first <= last)
			reference_map(&b->shown, first, last, span->pa + (first - span->first),
				      span->prot);
	}
}

static unsigned number_of(const struct borrower *b)
{
	return 1 + (unsigned)(b - run.borrowers);
}

static void begin(const struct borrower *b, ml_prot may_lose)
{
	run.lender = false;
	run.judge.watch.quiet = true; /* the lender's judge does not listen */
	run.before = b->shown;
	ml_oracle_begin(run.judge.watch.oracle, (unsigned)source_below(&run.s, 2), number_of(b),
			may_lose);
}

static bool settle(struct borrower *b)
{
	struct judge *j = &run.judge;

	show(b);
	if (!ml_oracle_end(j->watch.oracle, watch_promise, &run.before, &b->shown))
		return judge_fail(j, "borrower %u: %s", number_of(b),
				  ml_oracle_fault(j->watch.oracle));
	return true;
}

/* Some page, as the borrower's walker finds it. */
static bool look(struct borrower *b)
{
	struct judge *j = &run.judge;
	const struct window *w = &worlds[j->setting.world].windows[j->setting.window];
	const uint64_t pages = w->bytes / rig_page(&b->rig);
	const ml_va va = w->first + source_below(&run.s, pages) * rig_page(&b->rig);
	const struct reference_span *span = reference_find(&b->shown, va);
	struct ml_model_result seen;
	const enum ml_model_fault fault =
		ml_model_walk(&b->rig.model, va, ML_MODEL_READ, false, &seen);
	const bool found = fault == ML_MODEL_OK || fault == ML_MODEL_ACCESS_FLAG;

	if (found != (span != NULL) || (found && seen.pa != span->pa + (va - span->first)))
		return judge_fail(j, "borrower %u walks elsewhere at 0x%" PRIx64, number_of(b), va);
	run.seen += found;
	return true;
}

/* ---- coming and going ---------------------------------------------------------------- */

static bool come(struct borrower *b)
{
	struct judge *j = &run.judge;
	const bool marks = j->setting.hardware_ad;
	const struct ml_table_config wish = { .live = true, .hardware_ad = marks };
	int error = rig_open(&b->rig, j->setting.world, &wish);

	if (error)
		return judge_fail(j, "a borrower's ml_table_init says %s", ml_error_name(error));
	b->here = true;
	reference_clear(&b->own);
	reference_clear(&b->shown);
	b->rig.model.hardware_accessed = b->rig.model.hardware_dirty = marks;
	ml_oracle_enter(j->watch.oracle, number_of(b), &b->rig.model, true);
	begin(b, 0);
	error = ml_table_share(&b->rig.table, &j->rig.table, run.first, run.last - run.first + 1,
			       NULL);
	if (error)
		return judge_fail(j, "ml_table_share says %s", ml_error_name(error));
	run.visits++;
	return settle(b);
}

static bool go(struct borrower *b)
{
	b->here = false;
	run.lender = false;
	ml_oracle_leave(run.judge.watch.oracle, number_of(b));
	return rig_close(&b->rig) || judge_fail(&run.judge, "a borrower kept tables");
}

/* It maps, or unmaps, pages of its own. */
static bool change_own(struct borrower *b)
{
	const uint64_t page = rig_page(&b->rig), first = source_below(&run.s, run.own_pages);
	const uint64_t pages = 1 + source_below(&run.s, run.own_pages - first);
	const ml_va va = run.own + first * page, last = va + (pages * page - 1);
	struct ml_op op = { .flags = ML_OP_REPLACE };
	int error;

	begin(b, ML_PROT_AD);
	if (source_chance(&run.s, 1, 2)) {
		error = ml_map(&b->rig.table, va, pages * page, first * page, ML_RW, &op);
		reference_map(&b->own, va, last, first * page, ML_RW | ML_PROT_AD);
	} else {
		error = ml_unmap(&b->rig.table, va, pages * page, NULL);
		reference_remove(&b->own, va, last);
	}
	if (error)
		return judge_fail(&run.judge, "a borrower's own call says %s",
				  ml_error_name(error));
	return settle(b);
}

static bool borrowers_live(void)
{
	for (unsigned i = 0; i < BORROWERS; i++) {
		struct borrower *b = &run.borrowers[i];

		if (!b->here) {
			if (source_chance(&run.s, 1, 4) && !come(b))
				return false;
		} else if (source_chance(&run.s, 1, 24)) {
			if (!go(b))
				return false;
		} else if (run.own != run.first && source_chance(&run.s, 1, 4)) {
			if (!change_own(b))
				return false;
		}
	}
	return true;
}

/* ---- the lender ---------------------------------------------------------------------- */

static uint64_t lodgers(void)
{
	uint64_t tables = 0;

	for (unsigned i = 0; i < BORROWERS; i++)
		if (run.borrowers[i].here)
			tables += run.borrowers[i].rig.table.stats.tables +
				  run.borrowers[i].rig.table.spare.count;
	return tables;
}

/* Every borrower, after something has changed. */
static bool borrowers_see(void)
{
	for (unsigned i = 0; i < BORROWERS; i++) {
		struct borrower *b = &run.borrowers[i];

		if (!b->here)
			continue;
		begin(b, 0);
		if (!settle(b) || !look(b))
			return false;
	}
	return true;
}

static bool lender_acts(const struct action *a)
{
	run.lender = true;
	run.judge.lodgers = lodgers();
	return judge_action(&run.judge, a) && borrowers_see();
}

/* Some pages inside one table go by a call of pte.h, which leaves it where it is. */
static void clear_pages(ml_va va, ml_va last)
{
	struct ml_table *t = &run.judge.rig.table;
	const uint64_t page = rig_page(&run.judge.rig);
	ml_pte *p = ml_pte_pointer(t, va, 0);
	uint64_t count;

	if (!p)
		return;
	count = (last - va) / page + 1;
	if (count > ml_pte_room(t, va, 0))
		count = ml_pte_room(t, va, 0);
	count = source_chance(&run.s, 1, 2) ? count : 1 + source_below(&run.s, count);
	(void)ml_get_and_clear_full_ptes(t, va, p, 0, (unsigned)count);
	ml_flush_range(t, va, count * page, 0, true);
	reference_remove(&run.judge.model, va, va + (count * page - 1));
}

/* Pages go, and then what tables hold nothing any more: none that is lent by its link. */
static bool lender_trims(void)
{
	struct judge *j = &run.judge;
	const struct window *w = &worlds[j->setting.world].windows[j->setting.window];
	const uint64_t page = rig_page(&j->rig), pages = w->bytes / page;
	const ml_va last = w->first + (w->bytes - 1);
	int error;

	run.lender = true;
	j->lodgers = lodgers();
	j->watch.quiet = true;
	run.before = j->model;
	ml_oracle_begin(j->watch.oracle, 0, 0, ML_PROT_AD);
	clear_pages(w->first + source_below(&run.s, pages) * page, last);
	error = ml_table_trim(&j->rig.table, w->first, w->bytes, NULL);
	if (error)
		return judge_fail(j, "ml_table_trim says %s", ml_error_name(error));
	if (!ml_oracle_end(j->watch.oracle, watch_promise, &run.before, &j->model))
		return judge_fail(j, "trim: %s", ml_oracle_fault(j->watch.oracle));
	return judge_table(j, true) && borrowers_see();
}

/* Whole root entries around the window, or some of them, and one beside. */
static void choose_places(const struct setting *setting)
{
	const struct world_facts *facts = &worlds[setting->world];
	const struct window *w = &facts->windows[setting->window];
	const uint64_t bytes = (uint64_t)1 << facts->format->level_shift[facts->levels - 1];
	ml_va beside;

	run.first = w->first & ~(bytes - 1);
	run.last = (w->first + (w->bytes - 1)) | (bytes - 1);
	if (run.last - run.first > bytes - 1 && source_chance(&run.s, 1, 2)) { /* not all of it */
		const uint64_t kept = source_below(&run.s, (run.last - run.first) / bytes) * bytes;

		if (source_chance(&run.s, 1, 2))
			run.first = run.last - kept - (bytes - 1);
		else
			run.last = run.first + kept + (bytes - 1);
	}
	run.own = run.first;
	run.own_pages = bytes >> facts->format->page_shift;
	run.own_pages = run.own_pages < OWN_PAGES ? run.own_pages : OWN_PAGES;
	for (unsigned i = 0; i < 2; i++) {
		beside = i ? run.last + 1 : run.first - bytes;
		if ((facts->low_last && beside + (bytes - 1) <= facts->low_last) ||
		    (facts->high_first && beside >= facts->high_first))
			run.own = beside >= run.first && beside <= run.last ? run.own : beside;
	}
}

/* A table whose lent entries hold no leaf, live for as long as somebody borrows. */
static struct setting draw_setting(void)
{
	struct setting setting = sequence_setting(&run.s);

	setting.live = true;
	if (setting.world == WORLD_TOY)
		setting.rungs = 3;
	return setting;
}

static bool is_for_lenders(struct action *a)
{
	if (leaves_are_global()) {
		a->prot |= ML_GLOBAL;
		if (a->kind == ACTION_PROTECT)
			a->prot &= a->mask;
	}
	return a->kind != ACTION_LIVE &&
	       !(leaves_are_global() && a->kind == ACTION_PROTECT && a->mask & ML_GLOBAL);
}

/* NULL, or what was wrong. */
static const char *one_case(uint64_t seed, enum told told)
{
	struct judge *j = &run.judge;
	struct setting setting;
	struct action a;
	bool good;

	run.s = source_seeded(seed);
	run.told = told;
	setting = draw_setting();
	choose_places(&setting);
	j->watched = true;
	j->lodgers = 0;
	good = judge_open(j, &setting, seed);
	j->watch.trace.watch = hear;
	for (unsigned n = 0; good && n < CASE_LENGTH; n++) {
		a = sequence_action(&run.s, &setting);
		if (!is_for_lenders(&a))
			continue;
		run.operations++;
		good = borrowers_live() && lender_acts(&a);
		if (good && !setting.never.len && source_chance(&run.s, 1, 4))
			good = lender_trims();
		if (!good && told < TOLD_OWN) {
			printf("# case SEED=%" PRIu64 ", operation %u\n", seed, n);
			sequence_print_setting(&setting);
			sequence_print_action(n, &a);
		}
	}
	for (unsigned i = 0; i < BORROWERS; i++)
		good = (!run.borrowers[i].here || go(&run.borrowers[i])) && good;
	j->lodgers = 0;
	good = judge_close(j) && good;
	return good ? NULL : j->message;
}

static void rely_on_no_luck(enum told told, uint64_t seed)
{
	const uint64_t most = source_amount(OPERATIONS * 4) / 4;
	const char *wrong = NULL;

	run.operations = run.seen = run.visits = 0;
	for (uint64_t i = 0; run.operations < most && !wrong; i++)
		wrong = one_case(seed + i, told);
	if (wrong)
		printf("# %s\n", wrong);
	printf("# %" PRIu64 " operations of lenders, %" PRIu64 " borrowers, who found %" PRIu64
	       " pages\n",
	       run.operations, run.visits, run.seen);
	t_ok(!wrong);
	t_ok(wrong || run.seen > run.operations / 4);
}

TEST(whoever_borrows_holds_nothing_that_is_gone)
{
	rely_on_no_luck(TOLD_ALL, t_seed(20261122));
}

TEST(nor_where_leaves_are_global_and_only_links_are_told_to_all)
{
	rely_on_no_luck(TOLD_OF_TABLES, t_seed(20261123));
}

/* The letters of what is found when the lender's platform tells its own space alone. */
static void found(enum told told, const char *letters, uint64_t cases)
{
	char seen[8] = "";

	for (uint64_t i = 0; i < cases && strlen(seen) < strlen(letters); i++) {
		const char *wrong = one_case(i, told);
		const char *letter = wrong ? strchr(wrong, '(') : NULL;

		if (letter && !strchr(seen, letter[1]))
			strncat(seen, letter + 1, 1);
	}
	for (; *letters; letters++)
		t_ok(strchr(seen, *letters));
}

TEST(a_lender_that_tells_itself_alone_is_found)
{
	found(TOLD_OWN, "abef", 100);
}

TEST(that_leaves_are_global_does_not_do_for_links)
{
	found(TOLD_OWN_GLOBAL, "e", 100);
}
