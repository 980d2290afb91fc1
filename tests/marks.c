/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/*
 * Hardware that marks leaves accessed and dirty while an operation is under way: between any
 * two stores it may mark what it can reach then, and no mark may be lost. It is in the table
 * afterwards, or the sink heard of it.
 */
#include <inttypes.h>

#include <maxleaf/pte.h>

#include "support/rig.h"
#include "support/source.h"
#include "t.h"
#include "table/edit.h"

#define OPERATIONS 120000
#define CASE_LENGTH 120
#define MARKS_MOST 4096
#define HEARD_MOST 16384

/* A page that hardware wrote. */
struct mark {
	ml_va va;
	ml_pa pa;
};

static struct {
	struct rig rig;
	struct source source;
	const struct action *action; /* under way; NULL: hardware rests */
	size_t mark_count, heard_count;
	uint64_t marks_in_all;
	struct mark marks[MARKS_MOST];
	struct ml_run heard[HEARD_MOST];
} now;

/* A page near the ends of the range under way, where leaves are taken apart, or anywhere in it. */
static ml_va draw_page(void)
{
	const struct action *a = now.action;
	const uint64_t page = rig_page(&now.rig);
	const uint64_t pages = a->len / page;

	switch (source_below(&now.source, 4)) {
	case 0:
		return a->va - source_below(&now.source, 20) * page;
	case 1:
		return a->va + a->len + source_below(&now.source, 20) * page;
	default:
		return a->va + source_below(&now.source, pages ? pages : 1) * page;
	}
}

static void mark_something(void)
{
	struct ml_model_result seen;
	const ml_va va = draw_page();

	if (!rig_touch(&now.rig, va, true, &seen) || !(seen.prot & ML_WRITE))
		return;
	if (now.mark_count < MARKS_MOST)
		now.marks[now.mark_count++] = (struct mark){ va, seen.pa };
	now.marks_in_all++;
}

static void watch(void *cookie, const struct ml_event *event)
{
	(void)cookie;
	if (now.action && event->kind <= ML_EVENT_EXCHANGE && source_chance(&now.source, 1, 3))
		mark_something();
}

static void hear(void *cookie, const struct ml_run *run)
{
	(void)cookie;
	if (now.heard_count < HEARD_MOST)
		now.heard[now.heard_count++] = *run;
}

static bool mark_at(const struct mark *mark, ml_va va)
{
	struct ml_translation found;

	return ml_translate(&now.rig.table, va, &found) == ML_OK && found.pa == mark->pa &&
	       ml_translation_prot(&now.rig.table, &found) & ML_DIRTY;
}

/* Where it was made, or where that page has moved. */
static bool mark_in_table(const struct mark *mark, const struct action *a)
{
	const bool moved = a->kind == ACTION_MOVE && mark->va - a->va < a->len;

	return mark_at(mark, mark->va) || (moved && mark_at(mark, mark->va - a->va + a->to));
}

static bool mark_was_heard(const struct mark *mark)
{
	for (size_t i = 0; i < now.heard_count; i++) {
		const struct ml_run *run = &now.heard[i];

		if (mark->va >= run->va && mark->va - run->va < run->length &&
		    run->pa + (mark->va - run->va) == mark->pa && run->prot & ML_DIRTY)
			return true;
	}
	return false;
}

static bool judge(const struct setting *setting, const struct action *a)
{
	for (size_t i = 0; i < now.mark_count; i++) {
		if (t_ok(mark_in_table(&now.marks[i], a) || mark_was_heard(&now.marks[i])))
			continue;
		printf("# the mark at 0x%" PRIx64 " was lost\n", now.marks[i].va);
		sequence_print_setting(setting);
		sequence_print_action(0, a);
		return false;
	}
	return true;
}

static void act(const struct action *a)
{
	struct ml_step step = { a->va, a->len, a->pa, a->prot, a->rung };
	struct ml_op op = { .sink = hear, .flags = a->replace ? ML_OP_REPLACE : 0 };
	int error = ML_OK;

	now.mark_count = 0;
	now.heard_count = 0;
	now.action = a;
	if (a->kind == ACTION_UNMAP_STEP)
		error = ml_unmap_step(&now.rig.table, &step, &op);
	else if (a->kind <= ACTION_MOVE)
		error = rig_call(&now.rig, a, &op);
	now.action = NULL;
	t_ok(error != ML_ERR_BUG);
}

static bool run_case(uint64_t number)
{
	struct setting setting = sequence_setting(&now.source);
	bool good = true;

	setting.live = setting.track_ad = setting.hardware_ad = true;
	T_CONTEXT(worlds[setting.world].name, number);
	if (!t_eq(rig_open_setting(&now.rig, &setting), ML_OK))
		return false;
	for (unsigned i = 0; good && i < CASE_LENGTH; i++) {
		const struct action a = sequence_action(&now.source, &setting);

		act(&a);
		/* a protection change of the dirty bit itself may come after the mark */
		if (a.kind != ACTION_PROTECT || !(a.mask & ML_DIRTY))
			good = judge(&setting, &a);
	}
	return t_ok(rig_close(&now.rig)) && good;
}

TEST(no_mark_is_lost)
{
	const uint64_t cases = source_amount(OPERATIONS * 2) / 2 / CASE_LENGTH + 1;
	struct ml_trace trace = { .watch = watch, .forget = true };
	uint64_t number = 0;

	now.source = source_seeded(t_seed(20251205));
	now.marks_in_all = 0;
	ml_trace_to(&trace);
	while (number < cases && run_case(number))
		number++;
	ml_trace_to(NULL);
	printf("# %" PRIu64 " sequences of %d operations, %" PRIu64 " marks\n", number, CASE_LENGTH,
	       now.marks_in_all);
	t_ok(now.marks_in_all > cases);
}

static ml_va late; /* hardware writes there at the first store */

static void mark_late(void *cookie, const struct ml_event *event)
{
	struct ml_model_result seen;
	const ml_va va = late;

	(void)cookie;
	if (!va || event->kind > ML_EVENT_EXCHANGE)
		return;
	late = 0;
	t_ok(rig_touch(&now.rig, va, true, &seen));
}

/* A leaf that was as asked when tables were counted is marked before its turn: it was not cut. */
TEST(a_mark_after_the_count_finds_a_table)
{
	const ml_prot clean = ML_RW | ML_ACCESSED, dirty = clean | ML_DIRTY;
	const struct ml_table_config wish = { .live = true, .track_ad = true, .hardware_ad = true };
	struct ml_trace trace = { .watch = mark_late, .forget = true };
	const uint64_t block = (uint64_t)2 << 20, page = 4096;

	for (unsigned w = 0; w < 2; w++) {
		struct ml_op op = { 0 };
		struct rig *rig = &now.rig;

		T_CONTEXT("arm64", w);
		t_eq(rig_open(rig, w ? WORLD_ARM_LOW : WORLD_X86_4, &wish), ML_OK);
		t_eq(ml_map(&rig->table, 0, block, 0, dirty, NULL), ML_OK);
		t_eq(ml_map(&rig->table, block, block, block, clean, NULL), ML_OK);
		late = block + 2 * page;
		ml_trace_to(&trace);
		t_eq(ml_protect(&rig->table, 0, block + page, ML_DIRTY, 0, &op), ML_OK);
		ml_trace_to(NULL);
		t_eq(late, 0);
		t_eq(op.tables_needed, 1);
		t_ok(mark_at(&(struct mark){ block + 2 * page, block + 2 * page },
			     block + 2 * page));
		t_ok(!mark_at(&(struct mark){ 0, 0 }, 0));
		t_ok(rig_close(rig));
	}
}

/* Between the load of an entry and its exchange there is no event: this is that moment. */
TEST(a_mark_after_the_load_stays)
{
	for (unsigned w = 0; w < 2; w++) {
		const enum world world = w ? WORLD_ARM_LOW : WORLD_X86_4;
		const struct ml_format *f = worlds[world].format;
		const struct ml_edit edit = edit_make(f, ML_WRITE, 0);
		struct editor editor;
		ml_pte loaded, marked;
		struct rig rig;

		T_CONTEXT(f->name, w);
		t_eq(rig_open(&rig, world, NULL), ML_OK);
		editor = editor_at(f, &rig.table, &edit, 0);
		loaded = codec_leaf_bits(f, &rig.table.types, ML_RW, 0);
		marked = codec_leaf_bits(f, &rig.table.types, ML_RW | ML_DIRTY, 0);
		t_ok(edit_entry(f, &rig.table, &editor, &marked, loaded, true) != 0);
		t_eq(codec_prot(f, &rig.table.types, marked, 0) & (ML_WRITE | ML_DIRTY), ML_DIRTY);
		t_ok(rig_close(&rig));
	}
}

/* A group that comes apart, member by member, under the eyes of walkers that bear it. */
static struct {
	const struct rig *rig;
	ml_pte *first, *last;
	ml_pte hint;
	bool made;
} parting;

/* The last is marked when the first is a member no more. */
static void mark_the_last(const void *entry, bool writes)
{
	(void)entry;
	(void)writes;
	if (parting.made || *parting.first & parting.hint || !(*parting.last & parting.hint))
		return;
	rig_mark(parting.rig, parting.last, true);
	parting.made = true;
}

TEST(a_mark_of_a_member_is_that_of_those_which_were)
{
	static const enum world world[] = { WORLD_ARM_LOW, WORLD_TOY };
	static const ml_pte hints[] = { (ml_pte)1 << 52, 4 };
	const struct ml_table_config wish = {
		.live = true, .track_ad = true, .hardware_ad = true, .bbm = 2
	};

	for (unsigned w = 0; w < 2; w++) {
		const struct ml_format *f = worlds[world[w]].format;
		const uint64_t bytes = (uint64_t)1 << f->rungs[f->group_rung[0]].shift;
		const unsigned members = 1u << f->rungs[f->group_rung[0]].lg2_entries;
		struct ml_translation found;
		struct rig rig;

		T_CONTEXT(f->name, w);
		t_eq(rig_open(&rig, world[w], &wish), ML_OK);
		t_eq(ml_map(&rig.table, 0, bytes, 0, ML_RW | ML_ACCESSED, NULL), ML_OK);
		t_eq(rig_leaves(&rig, f->group_rung[0]), 1);
		parting.first = ml_pte_pointer(&rig.table, 0, 0);
		parting.last = parting.first + members - 1;
		parting.hint = hints[w];
		parting.rig = &rig;
		parting.made = false;
		ml_doors.turn = mark_the_last;
		t_eq(ml_split(&rig.table, 0, bytes, 0, NULL), ML_OK);
		ml_doors.turn = NULL;
		t_ok(parting.made);
		for (unsigned i = 0; i < members; i++) {
			t_eq(ml_translate(&rig.table, i * rig_page(&rig), &found), ML_OK);
			t_ok(ml_translation_prot(&rig.table, &found) & ML_DIRTY);
		}
		t_ok(rig_close(&rig));
	}
}

/* ---- a leaf of 1G, marked while tables over two levels take its place ------------------- */

#define GIB ((uint64_t)1 << 30)
#define PART (GIB + (GIB >> 1) + 0x7000) /* a page in its middle */

static struct {
	struct rig rig;
	bool marked;
} gigabyte;

static void mark_once(void *cookie, const struct ml_event *event)
{
	struct ml_model_result seen;

	(void)cookie;
	if (event->kind <= ML_EVENT_EXCHANGE && !gigabyte.marked)
		gigabyte.marked = rig_touch(&gigabyte.rig, GIB, true, &seen);
}

static ml_prot prot_of_page(ml_va va)
{
	const struct ml_table *t = &gigabyte.rig.table;
	struct ml_translation found;

	return ml_translate(t, va, &found) ? 0 : ml_translation_prot(t, &found);
}

TEST(marks_that_come_before_two_levels_break)
{
	struct ml_trace trace = { .watch = mark_once, .forget = true };

	for (unsigned i = 0; i < 6; i++) {
		const enum world world = i % 2 ? WORLD_ARM_LOW : WORLD_X86_4;
		const struct ml_table_config wish = { .live = true,
						      .track_ad = true,
						      .hardware_ad = true };
		struct ml_table *t = &gigabyte.rig.table;
		const uint64_t page = (uint64_t)1 << worlds[world].format->page_shift;
		int error;

		T_CONTEXT(worlds[world].name, i);
		t_eq(rig_open(&gigabyte.rig, world, &wish), ML_OK);
		t_eq(ml_map(t, GIB, GIB, GIB, ML_RW, NULL), ML_OK);
		gigabyte.marked = false;
		ml_trace_to(&trace);
		error = i < 2   ? ml_protect(t, PART, page, ML_WRITE, 0, NULL)
			: i < 4 ? ml_unmap(t, PART, page, NULL)
				: ml_split(t, PART, page, 0, NULL);
		ml_trace_to(NULL);
		t_eq(error, ML_OK);
		t_ok(gigabyte.marked);
		t_eq(prot_of_page(PART) & (ML_RW | ML_DIRTY), i < 2   ? ML_READ | ML_DIRTY
							      : i < 4 ? 0
								      : ML_RW | ML_DIRTY);
		t_eq(prot_of_page(PART - page) & (ML_RW | ML_DIRTY), ML_RW | ML_DIRTY);
		t_eq(prot_of_page(PART + page) & (ML_RW | ML_DIRTY), ML_RW | ML_DIRTY);
		t_eq(prot_of_page(2 * GIB - page) & (ML_RW | ML_DIRTY), ML_RW | ML_DIRTY);
		t_ok(rig_close(&gigabyte.rig));
	}
}
