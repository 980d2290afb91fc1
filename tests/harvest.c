/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/*
 * Harvesting accessed and dirty: the bitmaps are held against each page's own translation, before
 * and after; hardware that marks pages meanwhile loses nothing.
 */
#include <string.h>

#include <maxleaf/table.h>

#include "support/rig.h"
#include "support/source.h"
#include "t.h"

#define PAGES 2048u /* of a window */
#define WORDS (PAGES / 64)
#define GUARD 0xa5a5a5a5a5a5a5a5u
#define CASES 3000

static const enum world tracked[] = { WORLD_X86_4, WORLD_ARM_LOW, WORLD_ARM_HIGH, WORLD_TOY };
#define TRACKED (sizeof(tracked) / sizeof(tracked[0]))

/* Everything below this frame is read by somebody; the rest is raw. */
static ml_pa unread_from;
static uint64_t unit_bytes;

static uint64_t unit(void *cookie, ml_pa pa)
{
	(void)cookie;
	return pa < unread_from ? unit_bytes : ML_AD_UNREAD;
}

/* What a harvest says, with a guard behind each bitmap. */
struct answer {
	uint64_t accessed[WORDS + 1], dirty[WORDS + 1];
	struct ml_harvest harvest;
};

static struct {
	struct rig rig;
	ml_va base;
	uint64_t pages;
	ml_prot marks[PAGES]; /* before */
	bool mapped[PAGES];
} now;

static ml_va page_va(uint64_t page)
{
	return now.base + page * rig_page(&now.rig);
}

static bool bit(const uint64_t *bits, uint64_t i)
{
	return bits[i / 64] >> (i % 64) & 1;
}

static bool open_rig(enum world world, bool live, bool any)
{
	const struct ml_table_config wish = { .live = live,
					      .fold = ML_FOLD_COMPLETE,
					      .track_ad = true,
					      .hardware_ad = true,
					      .ad_unit = unit,
					      .ops = any ? &ml_table_ops_any : NULL };

	unread_from = UINT64_MAX;
	unit_bytes = (uint64_t)1 << 21;
	now.base = worlds[world].windows[0].first;
	now.pages = world == WORLD_TOY ? 16 : PAGES;
	return t_eq(rig_open(&now.rig, world, &wish), ML_OK);
}

/* A leaf or more, a hole now and then, and pages used by hardware. */
static void fill(struct source *s)
{
	const struct ml_format *f = now.rig.facts->format;
	const uint64_t page = rig_page(&now.rig);

	for (uint64_t at = 0; at < now.pages;) {
		uint64_t pages =
			((uint64_t)1
			 << f->rungs[source_below(s, f->rung_count < 3 ? f->rung_count : 3)]
				    .shift) /
			page * (1 + source_below(s, 3));
		const ml_prot prot = source_chance(s, 1, 4) ? ML_READ : ML_RW;

		if (pages > now.pages - at)
			pages = now.pages - at;
		if (source_chance(s, 7, 8))
			t_eq(ml_map(&now.rig.table, page_va(at), pages * page, at * page, prot,
				    NULL),
			     ML_OK);
		at += pages;
	}
	for (unsigned i = 0; i < 60; i++) {
		struct ml_model_result seen;

		rig_touch(&now.rig, page_va(source_below(s, now.pages)), source_chance(s, 1, 2),
			  &seen);
	}
}

static void remember(void)
{
	for (uint64_t i = 0; i < now.pages; i++) {
		struct ml_translation found;

		now.mapped[i] = ml_translate(&now.rig.table, page_va(i), &found) == ML_OK;
		now.marks[i] = now.mapped[i] ? ml_translation_prot(&now.rig.table, &found) : 0;
	}
}

static int ask(struct answer *answer, uint64_t first, uint64_t count, ml_prot clear)
{
	memset(answer, 0, sizeof(*answer));
	answer->accessed[(count + 63) / 64] = answer->dirty[(count + 63) / 64] = GUARD;
	answer->harvest = (struct ml_harvest){ answer->accessed, answer->dirty, clear, 0, 0, 0 };
	return ml_harvest(&now.rig.table, page_va(first), count * rig_page(&now.rig),
			  &answer->harvest, NULL);
}

/* The bits are what each page's translation said before. */
static void check_bits(const struct answer *answer, uint64_t first, uint64_t count)
{
	uint64_t accessed = 0, dirty = 0;

	for (uint64_t i = 0; i < count; i++) {
		const ml_prot marks = now.marks[first + i];

		if (!t_eq(bit(answer->accessed, i), (marks & ML_ACCESSED) != 0) ||
		    !t_eq(bit(answer->dirty, i), (marks & ML_DIRTY) != 0))
			return;
		accessed += bit(answer->accessed, i);
		dirty += bit(answer->dirty, i);
	}
	t_eq(answer->harvest.accessed_pages, accessed);
	t_eq(answer->harvest.dirty_pages, dirty);
	t_eq(answer->accessed[(count + 63) / 64], GUARD);
	t_eq(answer->dirty[(count + 63) / 64], GUARD);
}

/* Whether the leaf of this page lies wholly in the range. */
static bool leaf_is_inside(uint64_t page, uint64_t first, uint64_t count)
{
	struct ml_translation found;
	uint64_t leaf, start;

	if (ml_translate(&now.rig.table, page_va(page), &found))
		return false;
	leaf = ((uint64_t)1 << now.rig.facts->format
				       ->rungs[ml_translation_rung(&now.rig.table, &found)]
				       .shift) /
	       rig_page(&now.rig);
	start = (page_va(page) / rig_page(&now.rig) & ~(leaf - 1)) - now.base / rig_page(&now.rig);
	return start >= first && start + leaf <= first + count;
}

/* What was to be cleared is, in leaves inside the range; all else is as it was. */
static void check_after(uint64_t first, uint64_t count, ml_prot clear)
{
	for (uint64_t i = 0; i < now.pages; i++) {
		const bool cleared =
			i >= first && i < first + count && leaf_is_inside(i, first, count);
		struct ml_translation found;

		if (!now.mapped[i])
			continue;
		T_REQUIRE(t_eq(ml_translate(&now.rig.table, page_va(i), &found), ML_OK));
		T_REQUIRE(t_eq(ml_translation_prot(&now.rig.table, &found),
			       now.marks[i] & ~(cleared ? clear : 0)));
	}
	t_eq(ml_table_check(&now.rig.table, NULL), ML_OK);
}

TEST(harvests_say_what_each_page_says)
{
	static const ml_prot clears[] = { 0, ML_ACCESSED, ML_DIRTY, ML_PROT_AD };
	struct source s = source_seeded(t_seed(20261121));
	const uint64_t cases = source_amount(CASES * 100) / 100;
	static struct answer answer;

	for (uint64_t i = 0; i < cases && !t_state.complaints; i++) {
		const enum world world = tracked[i % TRACKED];
		const ml_prot clear = clears[source_below(&s, 4)];
		uint64_t first, count, invalidations, completions;

		T_CONTEXT(worlds[world].name, i);
		T_REQUIRE(open_rig(world, source_chance(&s, 1, 2), source_chance(&s, 1, 4)));
		fill(&s);
		first = source_below(&s, now.pages);
		count = 1 + source_below(&s, now.pages - first);
		remember();
		invalidations = now.rig.table.stats.invalidations;
		completions = now.rig.table.stats.completions;
		t_eq(ask(&answer, first, count, clear), ML_OK);
		check_bits(&answer, first, count);
		check_after(first, count, clear);
		invalidations = now.rig.table.stats.invalidations - invalidations;
		completions = now.rig.table.stats.completions - completions;
		t_ok(completions <= (clear && now.rig.table.live));
		t_ok(invalidations >= completions && invalidations <= 4 * completions);
		/* what is clean and stays so costs nothing */
		remember();
		invalidations = now.rig.table.stats.invalidations;
		t_eq(ask(&answer, first, count, clear), ML_OK);
		check_bits(&answer, first, count);
		t_eq(now.rig.table.stats.invalidations, invalidations);
		t_ok(rig_close(&now.rig));
	}
}

TEST(one_member_speaks_for_its_group)
{
	static struct answer answer;
	struct ml_model_result seen;

	T_REQUIRE(open_rig(WORLD_ARM_LOW, true, false));
	t_eq(ml_map(&now.rig.table, page_va(0), 0x20000, 0, ML_RW, NULL), ML_OK);
	t_ok(rig_touch(&now.rig, page_va(5), true, &seen));
	/* a part of the group sees it, and leaves it to the others */
	t_eq(ask(&answer, 0, 3, ML_PROT_AD), ML_OK);
	t_eq(answer.dirty[0], 7);
	t_eq(now.rig.table.stats.invalidations, 0);
	t_eq(ask(&answer, 0, 32, ML_PROT_AD), ML_OK);
	t_eq(answer.dirty[0], 0xffff);
	t_eq(answer.accessed[0], 0xffff);
	t_eq(now.rig.table.stats.invalidations, 1);
	t_eq(ask(&answer, 0, 32, 0), ML_OK);
	t_eq(answer.dirty[0] | answer.accessed[0], 0);
	t_eq(rig_leaves(&now.rig, rig_rung(&now.rig, 16)), 2); /* still folded */
	t_ok(rig_close(&now.rig));
}

static void keep_invalidation(void *cookie, const struct ml_event *event)
{
	struct ml_invalidation *what = cookie;

	if (event->kind == ML_EVENT_INVALIDATE)
		*what = event->what;
}

/* Frames that nobody reads marks of: folded by declaration, and still shown as any member is. */
static void show_marks_of_any_member(enum world world, unsigned rung)
{
	const struct world_facts *facts = &worlds[world];
	const struct ml_table_config wish = { .rungs = (1u << facts->format->rung_count) - 1,
					      .track_ad = true,
					      .ad_unit = unit };
	const unsigned shift = facts->format->rungs[rung].shift;
	const unsigned members = 1u << facts->format->rungs[rung].lg2_entries;
	const uint64_t bytes = (uint64_t)1 << shift, step = bytes / members;
	const ml_va va = facts->windows[0].first & ~(bytes - 1);

	unread_from = 0;
	for (unsigned member = 0; member < members; member++) {
		struct ml_cursor cursor = { va, va + (bytes - 1), false };
		struct ml_model_result seen;
		struct ml_translation leaf;
		struct ml_run run;

		T_CONTEXT(facts->name, shift);
		T_REQUIRE(t_eq(rig_open(&now.rig, world, &wish), ML_OK));
		t_eq(ml_map(&now.rig.table, va, bytes, 0, ML_RW | ML_SPECIAL, NULL), ML_OK);
		t_ok(rig_maps(&now.rig, va, bytes, 0, rung));
		t_ok(rig_touch(&now.rig, va + member * step, member & 1, &seen));
		T_REQUIRE(t_ok(ml_run_next(&now.rig.table, &cursor, &run)));
		t_eq(run.length, bytes);
		t_eq(run.prot & ML_PROT_AD, ML_ACCESSED | (member & 1 ? ML_DIRTY : 0));
		for (unsigned other = 0; other < members; other++) {
			t_eq(ml_translate(&now.rig.table, va + other * step, &leaf), ML_OK);
			t_eq(ml_translation_prot(&now.rig.table, &leaf) & ML_PROT_AD,
			     run.prot & ML_PROT_AD);
		}
		t_ok(rig_close(&now.rig));
	}
}

TEST(a_raw_group_shows_the_marks_of_any_member)
{
	unsigned groups = 0;

	for (enum world world = 0; world < WORLDS; world++) {
		const struct ml_format *f = worlds[world].format;

		for (unsigned rung = 0; rung < f->rung_count; rung++) {
			if (!f->rungs[rung].lg2_entries ||
			    f->rungs[rung].level >= worlds[world].levels)
				continue;
			show_marks_of_any_member(world, rung);
			groups++;
		}
	}
	t_ok(groups >= 4);
}

/* Base pages, of which the first and the last to be forgotten stand in the midst of others. */
TEST(single_pages_are_forgotten_and_asked_about)
{
	struct ml_invalidation what = { 0 };
	struct ml_trace trace = { .watch = keep_invalidation, .cookie = &what, .forget = true };
	static struct answer answer;
	struct ml_model_result seen;
	uint64_t page;

	T_REQUIRE(open_rig(WORLD_X86_4, true, false));
	page = rig_page(&now.rig);
	unit_bytes = 8 * page;
	unread_from = 40 * page;
	t_eq(ml_map(&now.rig.table, page_va(0), 64 * page, page, ML_RW, NULL), ML_OK);
	t_ok(rig_touch(&now.rig, page_va(3), true, &seen));
	t_ok(rig_touch(&now.rig, page_va(20), true, &seen));
	ml_trace_to(&trace);
	t_eq(ask(&answer, 0, 64, ML_PROT_AD), ML_OK);
	ml_trace_to(NULL);
	t_eq(answer.dirty[0], 1u << 3 | 1u << 20);
	t_eq(answer.harvest.untracked_pages, 64 - 39); /* frames 40 to 64 */
	t_eq(what.va, page_va(3));
	t_eq(what.length, 18 * page);
	t_ok(rig_close(&now.rig));
}

TEST(what_nobody_reads_is_untracked)
{
	const struct ml_table_config unread = { .track_ad = true };
	struct ml_harvest harvest = { 0 };
	static struct answer answer;

	T_REQUIRE(t_eq(rig_open(&now.rig, WORLD_ARM_LOW, &unread), ML_OK));
	now.base = 0;
	t_eq(ml_harvest(&now.rig.table, 0, rig_page(&now.rig), &harvest, NULL), ML_ERR_UNTRACKED);
	t_ok(rig_close(&now.rig));
	T_REQUIRE(open_rig(WORLD_ARM_LOW, true, false));
	unit_bytes = unread_from = 16 * rig_page(&now.rig);
	t_eq(ml_map(&now.rig.table, page_va(0), 0x20000, 0, ML_RW | ML_PROT_AD, NULL), ML_OK);
	t_eq(ask(&answer, 0, 32, ML_PROT_AD), ML_OK);
	t_eq(answer.dirty[0], 0xffff);
	t_eq(answer.harvest.dirty_pages, 16);
	t_eq(answer.harvest.untracked_pages, 16);
	remember();
	t_ok(!(now.marks[0] & ML_PROT_AD) && now.marks[16] & ML_DIRTY);
	/* raw frames first: what is said of them holds for no others */
	t_eq(ml_map(&now.rig.table, page_va(64), 0x10000, 0x10000, ML_RW | ML_PROT_AD, NULL),
	     ML_OK);
	t_eq(ml_map(&now.rig.table, page_va(80), 0x10000, 0, ML_RW | ML_PROT_AD, NULL), ML_OK);
	t_eq(ask(&answer, 64, 32, 0), ML_OK);
	t_eq(answer.dirty[0], 0xffff0000);
	t_eq(answer.harvest.untracked_pages, 16);
	t_ok(rig_close(&now.rig));
}

TEST(senseless_harvests_are_refused)
{
	static struct answer answer;

	T_REQUIRE(open_rig(WORLD_X86_4, true, false));
	t_eq(ask(&answer, 0, 0, 0), ML_ERR_EMPTY);
	t_eq(ask(&answer, 0, 1, ML_WRITE), ML_ERR_PROT);
	t_eq(ask(&answer, 0, 1, ML_DIRTY | ML_USER), ML_ERR_PROT);
	t_eq(ml_harvest(&now.rig.table, 1, rig_page(&now.rig), &answer.harvest, NULL),
	     ML_ERR_ALIGN);
	t_eq(ml_harvest(&now.rig.table, (ml_va)1 << 50, rig_page(&now.rig), &answer.harvest, NULL),
	     ML_ERR_CANONICAL);
	t_ok(rig_close(&now.rig));
}

/* Hardware writes pages between any two stores of a harvest that cleans. */
static struct source hardware;
static uint64_t stored[WORDS + 1], stored_count;

static void watch(void *cookie, const struct ml_event *event)
{
	const uint64_t page = source_below(&hardware, now.pages);
	struct ml_model_result seen;

	(void)cookie;
	if (event->kind > ML_EVENT_EXCHANGE || !source_chance(&hardware, 1, 2) ||
	    !rig_touch(&now.rig, page_va(page), true, &seen) || !(seen.prot & ML_WRITE))
		return;
	stored[page / 64] |= (uint64_t)1 << page % 64;
	stored_count++;
}

TEST(a_page_stored_to_is_told_now_or_next_time)
{
	struct ml_trace trace = { .watch = watch, .forget = true };
	static struct answer one, other;
	struct source s = source_seeded(t_seed(20261122));
	uint64_t stores = 0;

	for (unsigned i = 0; i < 200 && !t_state.complaints; i++) {
		T_CONTEXT(worlds[tracked[i % TRACKED]].name, i);
		T_REQUIRE(open_rig(tracked[i % TRACKED], true, i % 8 < 4));
		fill(&s);
		hardware = source_seeded(i);
		memset(stored, 0, sizeof(stored));
		stored_count = 0;
		ml_trace_to(&trace);
		t_eq(ask(&one, 0, now.pages, ML_PROT_AD), ML_OK);
		ml_trace_to(NULL);
		t_eq(ask(&other, 0, now.pages, ML_PROT_AD), ML_OK);
		for (uint64_t word = 0; word < WORDS; word++)
			t_eq(stored[word] & ~(one.dirty[word] | other.dirty[word]), 0);
		stores += stored_count;
		t_ok(rig_close(&now.rig));
	}
	t_ok(stores > 1000);
}
