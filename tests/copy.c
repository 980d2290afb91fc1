/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/*
 * ml_copy(), fork's batch copy: S1.21, S1.22, S4.10, S4.11, S4.13, S4.24. Parents and children run
 * random programs beside flat models; what no flat model knows is told entry by entry.
 */
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include <maxleaf/pte.h>

#include "support/judge.h"
#include "support/story.h"
#include "support/strike.h"
#include "t.h"

#define K ((uint64_t)1 << 10)
#define M ((uint64_t)1 << 20)
#define G ((uint64_t)1 << 30)
#define PAGE (4 * K)
#define GROUP (64 * K)
#define AT (4 * G)

static const enum world wide[] = { WORLD_X86_4, WORLD_X86_5, WORLD_ARM_LOW };

/* ---- random programs --------------------------------------------------------------- */

#define OPERATIONS 60000
#define PROGRAM 60

static struct judge parent, child;
static uint64_t copies, bytes_copied; /* done, of something */

/* Both tables hold the same leaves; how they change is each one's own. */
static struct setting child_setting(struct source *s, const struct setting *of)
{
	struct setting setting = *of;

	setting.fold = (uint8_t)source_below(s, of->unit_shift ? 2 : 3);
	setting.live = source_chance(s, 1, 2);
	setting.guaranteed =
		!of->unit_shift && (setting.fold == ML_FOLD_BLOCK || source_chance(s, 1, 2));
	setting.deposit_one = setting.guaranteed && source_chance(s, 1, 2);
	setting.refaultable = setting.guaranteed && source_chance(s, 1, 2);
	setting.track_ad = source_chance(s, 1, 2);
	setting.hardware_ad = source_chance(s, 1, 2);
	setting.hooked = source_chance(s, 1, 4);
	setting.bbm = (uint8_t)source_below(s, 3);
	return setting;
}

static struct action draw_copy(struct source *s, const struct setting *setting)
{
	const struct window *w = &worlds[setting->world].windows[setting->window];
	struct action a = sequence_action(s, setting);

	if (source_chance(s, 1, 3)) {
		a.va = w->first;
		a.len = w->bytes;
	}
	a.mask = source_chance(s, 2, 3) ? ML_WRITE : 0;
	a.prot = source_below(s, 2) * ML_WRITE | source_below(s, 4) * ML_ACCESSED;
	if (source_chance(s, 1, 64))
		a.mask |= ML_ACCESSED;
	if (source_chance(s, 1, 64))
		a.prot |= ML_USER;
	a.feed = source_chance(s, 1, 4) ? FEED_SHORT : FEED_PLATFORM;
	a.fail = (uint8_t)(source_chance(s, 1, 4) ? 1 + source_below(s, 5) : 0);
	return a;
}

/* Whom the adversarial TLB watches: the other one is not live then. */
enum watched { NOBODY, PARENT, CHILD };

static bool open_both(struct source *s, const struct setting *setting, enum watched watched)
{
	struct setting second = child_setting(s, setting);

	second.live = watched == CHILD || (second.live && watched == NOBODY);
	parent.watched = watched == PARENT;
	child.watched = watched == CHILD;
	parent.other = child.other = NULL;
	if (!t_ok(judge_open(&parent, setting, source_next(s))))
		return false;
	parent.other = &child;
	child.other = &parent;
	return t_ok(judge_open(&child, &second, source_next(s)));
}

/* A fork: of a child that is new, or of one that lives on. */
static bool fork_now(struct source *s)
{
	const struct action a = draw_copy(s, &parent.setting);
	struct setting second = child_setting(s, &parent.setting);

	second.live = child.watched || (second.live && !parent.watched);
	if (source_chance(s, 2, 3)) {
		ml_table_set_live(&child.rig.table, false);
		if (!judge_close(&child) || !judge_open(&child, &second, source_next(s)))
			return false;
	}
	if (judge_copy(&parent, &child, &a)) {
		copies += child.copied != 0;
		bytes_copied += child.copied;
		return true;
	}
	sequence_print_action(0, &a);
	return false;
}

/* What was done in all programs of a test. */
static void tell(uint64_t least)
{
	printf("# %llu copies of %llu bytes\n", (unsigned long long)copies,
	       (unsigned long long)bytes_copied);
	t_ok(copies >= least);
	copies = bytes_copied = 0;
}

static bool run_program(uint64_t seed, enum watched watched)
{
	struct source s = source_seeded(seed);
	struct setting setting = sequence_setting(&s);
	bool good;

	setting.never.len = 0;
	setting.live = watched == PARENT || (setting.live && watched == NOBODY);
	good = open_both(&s, &setting, watched);
	for (unsigned i = 0; i < PROGRAM && good; i++) {
		const struct action a = sequence_action(&s, &parent.setting);

		if (source_chance(&s, 1, 4))
			good = fork_now(&s);
		else if (a.kind == ACTION_LIVE && watched != NOBODY)
			continue;
		else
			good = judge_action(source_chance(&s, 3, 4) ? &parent : &child, &a);
	}
	if (!good) {
		printf("# program %llu: %s%s%s\n", (unsigned long long)seed, parent.message,
		       parent.failed && child.failed ? "; " : "", child.message);
		sequence_print_setting(&parent.setting);
		sequence_print_setting(&child.setting);
		exit(1);
	}
	ml_table_set_live(&child.rig.table, false);
	good = source_chance(&s, 1, 2) ? judge_close(&parent) && judge_close(&child)
				       : judge_close(&child) && judge_close(&parent);
	return t_ok(good);
}

TEST(parents_and_children_agree_with_their_models)
{
	const uint64_t seed = t_seed(20251207) * 1000000;

	for (uint64_t i = 0; i < source_amount(OPERATIONS) / PROGRAM; i++)
		if (!run_program(seed + i, NOBODY))
			return;
	tell(source_amount(OPERATIONS) / 20);
}

TEST(either_under_the_adversarial_tlb)
{
	const uint64_t seed = t_seed(20251208) * 1000000;

	for (uint64_t i = 0; i < source_amount(OPERATIONS) / PROGRAM / 2; i++)
		if (!run_program(seed + i, PARENT + i % 2))
			return;
	tell(source_amount(OPERATIONS) / 40);
}

/* ---- one thing at a time ----------------------------------------------------------- */

static struct rig first, second;

static void put_up(enum world world, const struct ml_table_config *wish)
{
	T_CONTEXT(worlds[world].name, world);
	t_eq(rig_open(&first, world, wish), ML_OK);
	t_eq(rig_open(&second, world, wish), ML_OK);
}

static void take_down(void)
{
	ml_trace_to(NULL);
	t_eq(ml_table_check(&first.table, NULL), ML_OK);
	t_eq(ml_table_check(&second.table, NULL), ML_OK);
	ml_table_set_live(&first.table, false);
	ml_table_set_live(&second.table, false);
	t_ok(rig_close(&first));
	t_ok(rig_close(&second));
}

static uint64_t count(const struct ml_table *t, ml_pte bit)
{
	struct ml_cursor cursor = { .last = UINT64_MAX };
	struct ml_run run;
	uint64_t bytes = 0;

	while (ml_run_next(t, &cursor, &run))
		bytes += run.prot & bit ? run.length : 0;
	return bytes;
}

/* 512 leaves of 2M: as many stores in both, one invalidation, one completion, one table. */
TEST(a_gigabyte_of_blocks_costs_what_it_must)
{
	const struct ml_table_config wish = { .live = true };

	for (unsigned w = 0; w < 3; w++) {
		struct ml_op op = { 0 };

		put_up(wide[w], &wish);
		t_eq(ml_map(&first.table, AT, G, AT + 2 * M, ML_RW, NULL), ML_OK);
		story_begin(&first);
		t_eq(ml_copy(&second.table, &first.table, AT, G, ML_WRITE, ML_WRITE, &op), ML_OK);
		ml_trace_to(NULL);
		t_eq(op.bytes, G);
		t_eq(story_trace.kinds[ML_EVENT_STORE], 512);
		t_eq(story_trace.kinds[ML_EVENT_INVALIDATE], 1);
		t_eq(story_trace.kinds[ML_EVENT_COMPLETE], 1);
		t_eq(story_trace.kinds[ML_EVENT_ALLOC], op.tables_needed);
		t_eq(second.table.stats.tables, first.table.stats.tables);
		t_eq(second.table.stats.invalidations, 0);
		t_eq(rig_leaves(&second, rig_rung(&first, 21)), 512);
		t_eq(count(&first.table, ML_WRITE) + count(&second.table, ML_WRITE), 0);
		t_eq(count(&second.table, ML_DIRTY), G);
		take_down();
	}
}

/* Where nothing loses writing, nobody needs to be told, and nothing is split. */
TEST(what_stays_as_it_is_is_not_told)
{
	const struct ml_table_config wish = { .live = true };

	for (unsigned w = 0; w < 3; w++)
		for (unsigned protects = 0; protects < 2; protects++) {
			put_up(wide[w], &wish);
			t_eq(ml_map(&first.table, AT, 4 * M, AT, protects ? ML_READ : ML_RW, NULL),
			     ML_OK);
			story_begin(&first);
			t_eq(ml_copy(&second.table, &first.table, AT + PAGE, 3 * M,
				     protects ? ML_WRITE : 0, ML_WRITE, NULL),
			     ML_OK);
			t_ok(!strpbrk(story_end(), "biwc"));
			t_eq(rig_leaves(&first, rig_rung(&first, 21)), 2);
			t_eq(first.table.stats.splits, 0);
			t_eq(rig_bytes(&second), 3 * M);
			take_down();
		}
}

/* A folded group loses writing member by member, and is never apart; so is its copy. */
TEST(groups_stay_folded_on_both_sides)
{
	const struct ml_table_config wish = { .live = true, .fold = ML_FOLD_COMPLETE };

	const char *story;

	put_up(WORLD_ARM_LOW, &wish);
	t_eq(ml_map(&first.table, AT, M, AT, ML_RW | ML_USER, NULL), ML_OK);
	story_begin(&first);
	t_eq(ml_copy(&second.table, &first.table, AT, M, ML_WRITE, ML_WRITE, NULL), ML_OK);
	story = story_end();
	t_ok(!strchr(story, 'b') && !strchr(story, 'm'));
	t_str(story + strlen(story) - 4, "Fliw");
	t_eq(rig_leaves(&first, 1), 16);
	t_eq(rig_leaves(&second, 1), 16);
	t_eq(count(&first.table, ML_WRITE), 0);
	take_down();
}

/* The part of a group that is inside: members in the copy; in the source only if they change. */
TEST(a_part_of_a_group)
{
	const struct ml_table_config wish = { .live = true };

	for (unsigned protects = 0; protects < 2; protects++) {
		put_up(WORLD_ARM_LOW, &wish);
		t_eq(ml_map(&first.table, AT, 2 * GROUP, AT, ML_RW, NULL), ML_OK);
		t_eq(ml_copy(&second.table, &first.table, AT + 5 * PAGE, GROUP,
			     protects ? ML_WRITE : 0, 0, NULL),
		     ML_OK);
		t_eq(rig_leaves(&first, 1), protects ? 0 : 2);
		t_eq(rig_leaves(&second, 0), 16);
		t_eq(count(&first.table, ML_WRITE), protects ? GROUP : 2 * GROUP);
		t_eq(count(&second.table, ML_WRITE), GROUP);
		take_down();
	}
}

/* The inside of a 1G leaf that loses a page at each end: the largest that fit, in both. */
TEST(a_part_of_a_block_goes_down_the_ladder)
{
	for (unsigned w = 0; w < 3; w++)
		for (unsigned protects = 0; protects < 2; protects++) {
			const bool arm = wide[w] == WORLD_ARM_LOW;

			put_up(wide[w], NULL);
			t_eq(ml_map(&first.table, AT, G, AT, ML_RW, NULL), ML_OK);
			t_eq(ml_copy(&second.table, &first.table, AT + PAGE, G - 2 * PAGE,
				     protects ? ML_WRITE : 0, ML_WRITE, NULL),
			     ML_OK);
			t_eq(rig_leaves(&second, 0), arm ? 30 : 1022);
			if (arm) {
				t_eq(rig_leaves(&second, 1), 62);
				t_eq(rig_leaves(&second, 2), 30);
				t_eq(rig_leaves(&second, 3), 30);
			} else {
				t_eq(rig_leaves(&second, 1), 510);
			}
			t_eq(rig_leaves(&first, rig_rung(&first, 30)), !protects);
			t_eq(count(&first.table, ML_WRITE), protects ? 2 * PAGE : G);
			take_down();
		}
}

/* ---- each entry its own: S1.22, S4.11 ------------------------------------------------ */

/* What the library names none of, and may stand in a leaf. */
static ml_pte residue(const struct rig *rig, unsigned page)
{
	if (rig->model.kind == ML_MODEL_TOY)
		return 0;
	return (ml_pte)(page & 7) << 59; /* a protection key; PBHA */
}

TEST(a_mixed_run_keeps_what_is_each_entrys_own)
{
	static const ml_prot protections[] = { ML_RW,
					       ML_READ,
					       ML_RW | ML_USER,
					       ML_READ | ML_SPECIAL,
					       ML_RW | ML_SOFT(0),
					       ML_RW | ML_ACCESSED,
					       ML_RW | ML_PROT_AD,
					       ML_RW | ML_NC | ML_SPECIAL,
					       ML_READ | ML_DIRTY };
	const struct ml_table_config wish = { .track_ad = true };
	const unsigned kinds = sizeof(protections) / sizeof(protections[0]);

	for (unsigned world = 0; world < WORLDS; world++)
		for (unsigned clears = 0; clears < 8; clears++) {
			const ml_prot gone = (clears & 1 ? ML_WRITE : 0) |
					     (clears & 2 ? ML_ACCESSED : 0) |
					     (clears & 4 ? ML_DIRTY : 0);
			const unsigned pages = world == WORLD_TOY ? 16 : 300;
			const ml_va at = worlds[world].low_last ? 0 : worlds[world].high_first;

			put_up((enum world)world, &wish);
			for (unsigned i = 0; i < pages; i++) {
				const ml_prot prot = protections[i % kinds] &
						     worlds[world].format->prot_mask &
						     (world == WORLD_TOY ? ~ML_TYPE_MASK : ~0ull);

				t_eq(ml_map(&first.table, at + i * PAGE, PAGE, 0, prot, NULL),
				     ML_OK);
				*rig_entry(&first, at + i * PAGE, 0) |= residue(&first, i);
			}
			t_eq(ml_copy(&second.table, &first.table, at, pages * PAGE, ML_WRITE, gone,
				     NULL),
			     ML_OK);
			for (unsigned i = 0; i < pages; i++) {
				const ml_pte from = *rig_entry(&first, at + i * PAGE, 0);
				const ml_pte to = *rig_entry(&second, at + i * PAGE, 0);
				const ml_prot prot = protections[i % kinds] &
						     worlds[world].format->prot_mask &
						     (world == WORLD_TOY ? ~ML_TYPE_MASK : ~0ull);

				t_eq(ml_pte_prot(&first.table, from, 0), prot & ~ML_WRITE);
				t_eq(ml_pte_prot(&second.table, to, 0), prot & ~gone);
				t_eq((from ^ to) & ((ml_pte)7 << 59), 0);
				t_eq(from & ((ml_pte)7 << 59), residue(&first, i));
			}
			take_down();
		}
}

/* Nothing, a page, and every kind of software entry, next to each other and at both levels. */
TEST(software_entries_are_copied_as_they_are)
{
	for (unsigned w = 0; w < 3; w++)
		for (unsigned level = 0; level < 2; level++) {
			const uint64_t step = level ? 2 * M : PAGE;
			ml_pte entries[RIG_ENTRIES];

			put_up(wide[w], NULL);
			rig_put_each(&first, AT, level, entries);
			t_eq(ml_copy(&second.table, &first.table, AT, 6 * step, ML_WRITE, 0, NULL),
			     ML_OK);
			for (unsigned i = 0; i < 6; i++)
				t_eq(*rig_entry(&second, AT + i * step, level), entries[i]);
			for (unsigned i = 0; i < 5; i++)
				t_eq(*rig_entry(&first, AT + i * step, level), entries[i]);
			t_eq(ml_copy(&second.table, &first.table, AT + 4 * step, step, 0, 0, NULL),
			     ML_ERR_EXISTS);
			t_eq(ml_unmap(&second.table, AT, 6 * step, NULL), ML_OK);
			if (level)
				t_eq(ml_copy(&second.table, &first.table, AT + M, 4 * M, 0, 0,
					     NULL),
				     ML_ERR_ARGUMENT);
			take_down();
		}
}

/* What the tables of others withhold, the copy has not either. */
TEST(what_others_tables_limit_stays_limited)
{
	const struct ml_table_config wish = { 0 };
	struct ml_translation found;

	for (unsigned w = 0; w < 3; w++) {
		const bool arm = wide[w] == WORLD_ARM_LOW;
		struct ml_table_config config = wish;
		struct ml_table adopted;
		ml_pte *link;

		put_up(wide[w], &wish);
		t_eq(ml_map(&first.table, AT, PAGE, 0, ML_RW | ML_USER | ML_EXEC, NULL), ML_OK);
		link = rig_entry(&first, AT, 1);
		*link = arm ? *link | (ml_pte)5 << 60 : (*link & ~(ml_pte)2) | (ml_pte)1 << 63;
		config.platform = &first.arena->platform;
		config.cookie = first.arena;
		config.levels = first.facts->levels;
		t_eq(ml_table_adopt(&adopted, first.facts->format, &config,
				    ml_table_root(&first.table), 100),
		     ML_OK);
		t_eq(ml_copy(&second.table, &adopted, AT, PAGE, 0, 0, NULL), ML_OK);
		t_eq(ml_translate(&second.table, AT, &found), ML_OK);
		t_eq(ml_translation_prot(&second.table, &found) & (ML_RW | ML_EXEC), ML_READ);
		take_down();
	}
}

/* ---- tables and deposits: S4.10, S4.13 ---------------------------------------------- */

/* Every allocation of a copy fails once, and nothing has changed. */
TEST(the_nth_allocation_fails)
{
	static const struct ml_table_config wishes[] = { { 0 }, { .guaranteed = true } };
	struct picture one = { 0 }, other = { 0 };

	for (unsigned w = 0; w < 3; w++)
		for (unsigned i = 0; i < 2; i++) {
			unsigned nth = 1;

			put_up(wide[w], &wishes[i]);
			t_eq(ml_map(&first.table, AT - M, 8 * M, AT - M, ML_RW, NULL), ML_OK);
			picture_take(&one, &first);
			picture_take(&other, &second);
			for (;; nth++) {
				struct ml_op op = { 0 };
				int error;

				first.arena->fail_nth = nth;
				error = ml_copy(&second.table, &first.table, AT - PAGE, 5 * M,
						ML_WRITE, ML_WRITE, &op);
				first.arena->fail_nth = 0;
				if (!error)
					break;
				t_eq(error, ML_ERR_NO_MEMORY);
				t_ok(op.tables_needed >= nth);
				t_ok(!picture_difference(&one, &first));
				t_ok(!picture_difference(&other, &second));
			}
			t_ok(nth > 4);
			take_down();
		}
	picture_release(&one);
	picture_release(&other);
}

/* Each side owns the tables of its own splits; who goes first does not matter. */
TEST(children_have_deposits_of_their_own)
{
	const struct ml_table_config wish = { .guaranteed = true };

	for (unsigned w = 0; w < 3; w++)
		for (unsigned child_first = 0; child_first < 2; child_first++) {
			struct rig *gone = child_first ? &second : &first;
			struct rig *stays = child_first ? &first : &second;

			put_up(wide[w], &wish);
			t_eq(ml_map(&first.table, AT, 16 * M, AT, ML_RW | ML_SPECIAL, NULL), ML_OK);
			t_eq(ml_copy(&second.table, &first.table, AT, 16 * M, ML_WRITE, ML_WRITE,
				     NULL),
			     ML_OK);
			t_eq(second.table.owed, first.table.owed);
			t_eq(second.table.spare.count, 8);
			t_eq(ml_unmap(&gone->table, AT, 16 * M, NULL), ML_OK);
			t_eq(gone->table.spare.count, 0);
			first.arena->fail_nth = 1;
			t_eq(ml_protect(&stays->table, AT + PAGE, PAGE, ML_WRITE, ML_WRITE, NULL),
			     ML_OK);
			first.arena->fail_nth = 0;
			t_eq(stays->table.spare.count, 7);
			t_eq(rig_bytes(stays), 16 * M);
			take_down();
		}
}

/* ---- hardware that marks: S1.15 ------------------------------------------------------ */

TEST(marks_that_come_meanwhile_stay_in_the_source)
{
	const struct ml_table_config wish = { .live = true, .track_ad = true, .hardware_ad = true };
	static const uint64_t places[] = { 0, 5 * PAGE, 40 * PAGE, 2 * M - PAGE, 3 * M };
	unsigned marks = 0;

	for (unsigned w = 0; w < 3; w++)
		for (unsigned place = 0; place < 15; place++)
			for (uint64_t n = 0; n < 3; n++) {
				const ml_pa pa = AT + (place < 5 ? 0 : place < 10 ? PAGE : GROUP);
				const ml_va va = AT + places[place % 5];
				struct ml_translation found;
				bool marked;

				put_up(wide[w], &wish);
				t_eq(ml_map(&first.table, AT, 4 * M, pa, ML_RW | ML_ACCESSED, NULL),
				     ML_OK);
				strike_begin(&first, va, n);
				t_eq(ml_copy(&second.table, &first.table, AT + 3 * PAGE,
					     4 * M - 5 * PAGE, ML_WRITE, ML_WRITE, NULL),
				     ML_OK);
				marked = strike_end();
				t_eq(ml_translate(&first.table, va, &found), ML_OK);
				if (marked)
					t_ok(ml_translation_prot(&first.table, &found) & ML_DIRTY);
				marks += marked;
				take_down();
			}
	t_ok(marks > 20);
}

/* A walker in another thread that writes one page over and over. */
struct writer {
	atomic_bool stop;
	atomic_uint marks, looks;
	const struct ml_format *format;
	ml_pte *p;
};

static void *write_on(void *cookie)
{
	struct writer *w = cookie;

	while (!atomic_load(&w->stop)) {
		if (strike_entry(w->format, w->p))
			atomic_fetch_add(&w->marks, 1);
		atomic_fetch_add(&w->looks, 1);
	}
	return NULL;
}

/* The marks made so far: what was under way is over. */
static unsigned settled(struct writer *w)
{
	const unsigned looks = atomic_load(&w->looks);

	while (atomic_load(&w->looks) - looks < 2)
		sched_yield();
	return atomic_load(&w->marks);
}

TEST(a_walker_that_writes_all_the_time)
{
	const struct ml_table_config wish = { .live = true, .track_ad = true, .hardware_ad = true };

	for (unsigned w = 0; w < 3; w++) {
		struct writer writer = { .format = worlds[wide[w]].format };
		struct ml_translation found;
		unsigned before = 0;
		pthread_t thread;

		put_up(wide[w], &wish);
		t_eq(ml_map(&first.table, AT, 4 * PAGE, PAGE, ML_READ | ML_ACCESSED, NULL), ML_OK);
		writer.p = rig_entry(&first, AT + PAGE, 0);
		T_REQUIRE(t_eq(pthread_create(&thread, NULL, write_on, &writer), 0));
		for (unsigned round = 0; round < 300; round++) {
			unsigned now;

			t_eq(ml_protect(&first.table, AT, 4 * PAGE, ML_WRITE | ML_DIRTY, ML_WRITE,
					NULL),
			     ML_OK);
			t_eq(ml_copy(&second.table, &first.table, AT, 4 * PAGE, ML_WRITE, ML_WRITE,
				     NULL),
			     ML_OK);
			now = settled(&writer);
			t_eq(ml_translate(&first.table, AT + PAGE, &found), ML_OK);
			if (now != before &&
			    !t_ok(ml_translation_prot(&first.table, &found) & ML_DIRTY))
				break;
			before = now;
			t_eq(ml_unmap(&second.table, AT, 4 * PAGE, NULL), ML_OK);
		}
		atomic_store(&writer.stop, true);
		pthread_join(thread, NULL);
		take_down();
	}
}

/* ---- refused ------------------------------------------------------------------------- */

TEST(tables_that_differ_are_refused)
{
	static const struct ml_table_config others[] = { { .rungs = 1 },
							 { .pa_bits = 40 },
							 { .errata = ML_ERRATUM_SMALL_EXEC } };

	for (unsigned w = 0; w < 3; w++) {
		for (unsigned i = 0; i < 3; i++) {
			t_eq(rig_open(&first, wide[w], NULL), ML_OK);
			t_eq(rig_open(&second, wide[w], &others[i]), ML_OK);
			t_eq(ml_copy(&second.table, &first.table, AT, M, 0, 0, NULL),
			     ML_ERR_CONFIG);
			t_eq(ml_copy(&first.table, &second.table, AT, M, 0, 0, NULL),
			     i ? ML_OK : ML_ERR_CONFIG);
			take_down();
		}
		t_eq(rig_open(&first, wide[w], NULL), ML_OK);
		t_eq(rig_open(&second, WORLD_ARM_HIGH, NULL), ML_OK);
		t_eq(ml_copy(&second.table, &first.table, AT, M, 0, 0, NULL), ML_ERR_CONFIG);
		t_eq(ml_copy(&first.table, &first.table, AT, M, 0, 0, NULL), ML_ERR_ARGUMENT);
		take_down();
	}
}

TEST(what_never_faults_is_not_copied_over_or_cut)
{
	const struct ml_table_config wish = { .live = true };
	struct ml_never_fault range = { AT, 4 * M, 2 * M, NULL };

	for (unsigned w = 0; w < 3; w++) {
		put_up(wide[w], &wish);
		t_eq(ml_never_fault(&first.table, &range), ML_OK);
		t_eq(ml_map(&first.table, AT, 4 * M, AT, ML_RW, NULL), ML_OK);
		t_eq(ml_copy(&second.table, &first.table, AT, 3 * M, ML_WRITE, 0, NULL),
		     ML_ERR_NEVER_FAULT);
		t_eq(ml_copy(&second.table, &first.table, AT, 3 * M, 0, 0, NULL), ML_OK);
		t_eq(ml_copy(&first.table, &second.table, AT, 3 * M, 0, 0, NULL),
		     ML_ERR_NEVER_FAULT);
		t_eq(ml_unmap(&second.table, AT, 4 * M, NULL), ML_OK);
		t_eq(ml_copy(&second.table, &first.table, AT, 4 * M, ML_WRITE, 0, NULL), ML_OK);
		ml_may_fault(&first.table, &range);
		take_down();
	}
}
