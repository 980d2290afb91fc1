/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* Section A: contiguous groups. */
#include <maxleaf/pte.h>

#include "catalogue.h"
#include "support/entries.h"

static struct entries entries;
static struct order order;

static const struct setting folding = { .fold = ML_FOLD_COMPLETE };
static const struct setting small = { .rungs = 3 }; /* pages and their groups */
static const struct setting marking = { .fold = ML_FOLD_COMPLETE,
					.track_ad = true,
					.hardware_ad = true };

/* One entry as a walker reads it that looks at no other. */
static struct ml_entry literal(unsigned index)
{
	struct ml_entry entry = { .kind = ML_KIND_EMPTY };

	t_eq(ml_format_decode(entries.rig.facts->format, &entries.rig.table.types, entries.p[index],
			      entries.level, &entry),
	     ML_OK);
	return entry;
}

/* A folded group as the first of two in a table, that nobody has accessed yet. */
static bool put_group(enum world world, ml_prot prot)
{
	const struct ml_table_config wish = {
		.live = true, .track_ad = true, .hardware_ad = true, .fold = ML_FOLD_COMPLETE
	};
	ml_pte pte = 0;

	T_REQUIRE_VALUE(entries_open(&entries, world, &wish, 0, &order), false);
	t_eq(ml_pte_make(&entries.rig.table, 0, prot, 0, &pte), ML_OK);
	ml_set_ptes(&entries.rig.table, entries.va, entries.p, 0, pte, entries.size);
	return t_eq(entries_folded(&entries), entries.size);
}

static void take_down(void)
{
	t_eq(ml_unmap(&entries.rig.table, entries.va, entries.count * entries.step, NULL), ML_OK);
	t_ok(!order.failed);
	t_ok(entries_close(&entries, &order));
}

/* Member `marked` was written through; somebody faults on the member after it. */
static void fault_beside(unsigned marked)
{
	const unsigned other = (marked + 1) % entries.size;
	const ml_va va = entries_va(&entries, other);
	struct ml_model_result seen;
	ml_pte gathered;

	t_ok(rig_touch(&entries.rig, entries_va(&entries, marked), true, &seen));
	gathered = ml_ptep_get(&entries.rig.table, va, entries.p + other, 0);
	t_ok(ml_pte_prot(&entries.rig.table, gathered, 0) & ML_DIRTY);
	t_ok(ml_ptep_set_access_flags(&entries.rig.table, va, entries.p + other, 0, gathered,
				      true));
	for (unsigned i = 0; i < entries.size; i++)
		t_eq(literal(i).prot & (ML_RW | ML_PROT_AD), ML_RW | ML_PROT_AD);
	t_eq(entries.rig.arena->pending, 0);
}

TEST(b_01_one_member_was_marked_and_the_others_kept_faulting)
{
	for (unsigned marked = 0; marked < 16; marked++)
		FOR_EACH_WORLD_WITH_GROUPS(world)
		{
			T_REQUIRE(put_group(world, ML_RW | ML_USER));
			fault_beside(marked % entries.size);
			take_down();
		}
}

TEST(b_02_a_folded_group_was_edited_in_place)
{
	static const ml_prot masks[] = { ML_USER, ML_WRITE, ML_TYPE_MASK, ML_GLOBAL };

	for (unsigned i = 0; i < 4; i++)
		FOR_EACH_WORLD_WITH_GROUPS(world)
		{
			const ml_prot mask = masks[i] & worlds[world].format->prot_mask;
			const bool type = mask == ML_TYPE_MASK;

			if (!mask)
				continue;
			T_REQUIRE(fine(scene_open(world, &folding)));
			fine(scene_map(scene.va, scene.group, 0,
				       ML_RW | ML_USER | (type ? 0 : mask)));
			fine(scene_protect(scene.va, scene.group, mask, type ? ML_NC : 0));
			t_ok(!scene.refused);
			t_eq(scene_leaf(scene.va), scene.group);
			fine(scene_close());
		}
}

/* In the last call, the group's first entry is made valid only after a completed invalidation. */
static void made_after_the_break(void)
{
	const ml_pte *first = scene_entry(scene.va, 0);
	const size_t complete = scene_next(0, ML_EVENT_COMPLETE);
	bool broken = false;

	t_ok(scene_next(0, ML_EVENT_INVALIDATE) < complete && complete < scene.count);
	for (size_t i = 0; i < scene.count; i++) {
		const struct ml_event *event = &scene.events[i];

		if (event->kind > ML_EVENT_EXCHANGE || event->pointer != first)
			continue;
		broken = broken || !(event->value & 1);
		t_ok(!(event->value & 1) || (broken && i > complete));
	}
	t_ok(broken);
}

TEST(b_03_a_clean_up_took_the_invalidation_out_of_the_break)
{
	FOR_EACH_WORLD_WITH_GROUPS(world)
	{
		ml_va page;

		T_REQUIRE(fine(scene_open(world, &folding)));
		page = scene.va + scene.group - scene.page;
		fine(scene_map(scene.va, scene.group, 0, ML_RW));
		fine(scene_unmap(page, scene.page)); /* unfolds */
		made_after_the_break();
		fine(scene_map(page, scene.page, page - scene.va, ML_RW)); /* folds */
		t_eq(scene_leaf(scene.va), scene.group);
		made_after_the_break();
		fine(scene_close());
	}
}

TEST(b_04_software_entries_told_how_many_members_there_are)
{
	FOR_EACH_WORLD_WITH_GROUPS(world)
	{
		const uint64_t payload = ~(uint64_t)0;
		ml_pte swap = 0, leaf = 0;
		unsigned bits;

		T_REQUIRE(put_group(world, ML_RW));
		bits = ml_software_bits(&entries.rig.table);
		ml_get_and_clear_full_ptes(&entries.rig.table, entries.va, entries.p, 0,
					   entries.size);
		ml_flush_range(&entries.rig.table, entries.va, entries.size * entries.step, 0,
			       true);
		t_eq(ml_software_make(&entries.rig.table, ML_SOFTWARE_SWAP, payload >> (64 - bits),
				      &swap),
		     ML_OK);
		t_eq(ml_pte_make(&entries.rig.table, 0, ML_RW, 0, &leaf), ML_OK);
		ml_set_ptes(&entries.rig.table, entries.va, entries.p, 0, swap, entries.count);
		t_eq(ml_pte_batch_hint(&entries.rig.table, entries.va, 0, swap), 1);
		t_eq(ml_ptep_get_and_clear(&entries.rig.table, entries.va, entries.p, 0), swap);
		t_eq(entries.p[1], swap);
		t_eq(ml_get_and_clear_full_ptes(&entries.rig.table, entries_va(&entries, 1),
						entries.p + 1, 0, entries.size - 1),
		     swap);
		for (unsigned i = 0; i < entries.count; i++)
			t_eq(entries.p[i], i < entries.size ? 0 : swap);
		take_down();
	}
}

/* Take entry k out in one of the ways there are. */
static void clear_one(unsigned way, unsigned k)
{
	struct ml_table *t = &entries.rig.table;
	const ml_va va = entries_va(&entries, k);

	switch (way) {
	case 0:
		ml_pte_clear(t, va, entries.p + k, 0);
		break;
	case 1:
		ml_ptep_get_and_clear(t, va, entries.p + k, 0);
		break;
	case 2:
		ml_get_and_clear_full_ptes(t, va, entries.p + k, 0, 1);
		break;
	case 3:
		ml_set_pte_at(t, va, entries.p + k, 0, 0);
		break;
	default:
		t_eq(ml_unmap(t, va, entries.step, NULL), ML_OK);
	}
	ml_flush_range(t, va, entries.step, 0, true);
}

TEST(b_05_one_of_sixteen_was_wiped)
{
	for (unsigned i = 0; i < 5 * 16; i++)
		FOR_EACH_WORLD_WITH_GROUPS(world)
		{
			T_REQUIRE(put_group(world, ML_RW | ML_PROT_AD));
			for (unsigned n = 0; n < entries.size; n++)
				entries.flat[n] = (struct flat){ .pa = n * entries.step,
								 .prot = ML_RW | ML_PROT_AD };
			clear_one(i / 16, i % entries.size);
			entries.flat[i % entries.size] = (struct flat){ 0 };
			fine(entries_differ(&entries));
			fine(entries_groups(&entries, true));
			t_eq(entries_folded(&entries), 0);
			t_ok(order_settled(&order));
			take_down();
		}
}

TEST(b_06_the_level_hint_of_a_group_was_wrong)
{
	static const uint64_t sizes[] = { 4 * K, 64 * K, 2 * M, 32 * M, 1 * G };
	static const unsigned levels[] = { 3, 3, 2, 2, 1 }; /* as the manual counts */
	const struct ml_tlb_arm64 space = { .page_shift = 12, .asid = 1, .has_ttl = true };

	for (unsigned i = 0; i < 5; i++) {
		struct ml_tlb_arm64_cursor cursor;
		struct ml_tlb_arm64_op op;
		unsigned hint;

		T_CONTEXT("size", i);
		T_REQUIRE(fine(scene_open(WORLD_ARM_LOW, NULL)));
		fine(scene_map(4 * G, sizes[i], 0, ML_RW));
		t_eq(scene_leaf(4 * G), sizes[i]);
		fine(scene_map(4 * G + sizes[i], sizes[i], sizes[i], ML_RW)); /* the table stays */
		fine(scene_unmap(4 * G, sizes[i]));
		t_eq(scene_events(ML_EVENT_INVALIDATE), 1);
		t_ok(ml_tlb_arm64_start(&cursor, &space, scene_invalidation(0)) > 0);
		while (ml_tlb_arm64_next(&cursor, &op)) {
			hint = op.operand >> 44 & 0xf;
			t_ok(!hint || hint == (1 << 2 | levels[i])); /* 4K granule, level */
		}
		fine(scene_close());
	}
	/* several at once: each its own */
	T_REQUIRE(fine(scene_open(WORLD_ARM_LOW, NULL)));
	fine(scene_map(4 * G, 2 * M, 0, ML_RW));
	fine(scene_unmap(4 * G, 2 * M - 4 * K)); /* a page is left */
	fine(scene_map(4 * G + 2 * M, 2 * M, 0, ML_RW));
	fine(scene_map(4 * G, 4 * K, 0, ML_RW)); /* the table stays */
	fine(scene_unmap(4 * G + 2 * M - 4 * K, 2 * M + 4 * K));
	t_eq(scene_events(ML_EVENT_INVALIDATE), 2);
	for (unsigned i = 0; i < 2; i++) {
		t_eq(scene_invalidation(i)->level, i);
		t_eq(scene_invalidation(i)->stride_shift, i ? 21 : 12);
	}
	fine(scene_close());
}

TEST(b_07_what_another_member_was_marked_with_was_lost)
{
	FOR_EACH_WORLD_WITH_GROUPS(world)
	{
		T_REQUIRE(fine(scene_open(world, &marking)));
		fine(scene_map(scene.va, scene.group, 0, ML_RW | ML_ACCESSED));
		fine(scene_touch(scene.va + (scene.group > 9 * scene.page ? 9 : 1) * scene.page,
				 true));
		fine(scene_unmap(scene.va, scene.page));
		t_eq(scene.judge.removed_count, 1);
		t_ok(scene.judge.removed[0].prot & ML_DIRTY);
		fine(scene_unmap(scene.va + scene.page, scene.group - scene.page));
		t_ok(scene.judge.removed[0].prot & ML_DIRTY);
		fine(scene_close());
	}
}

/* How often the lock was asserted, and whether something was stored before. */
static struct {
	unsigned asserted;
	bool late;
} lock;

static void assert_locked(void *cookie, struct ml_op *op)
{
	(void)cookie;
	(void)op;
	lock.asserted++;
	lock.late |= ml_doors.stores + ml_doors.exchanges + ml_doors.links > 0;
}

static void locked_once(int error)
{
	t_eq(error, ML_OK);
	t_eq(lock.asserted, 1);
	t_ok(!lock.late);
	lock.asserted = 0;
	ml_doors.stores = ml_doors.exchanges = ml_doors.links = 0;
}

TEST(b_08_the_lock_of_the_wrong_level_was_taken)
{
	FOR_EACH_WORLD_WITH_GROUPS(world)
	{
		struct ml_platform platform = rig_arena(world)->platform;
		struct ml_table_config config = { .platform = &platform,
						  .cookie = rig_arena(world),
						  .levels = worlds[world].levels,
						  .high = worlds[world].high,
						  .live = true };
		const struct ml_format *f = worlds[world].format;
		const ml_va va = worlds[world].low_last ? 0 : worlds[world].high_first;
		struct ml_table t;

		platform.assert_locked = assert_locked;
		t_eq(ml_table_init(&t, f, &config), ML_OK);
		for (unsigned rung = 1; rung < f->rung_count; rung++) {
			const uint64_t leaf = (uint64_t)1 << f->rungs[rung].shift;

			if (!(ml_format_default_rungs(f) >> rung & 1))
				continue;
			lock.asserted = 0;
			lock.late = false;
			ml_doors.stores = ml_doors.exchanges = ml_doors.links = 0;
			locked_once(ml_map(&t, va, leaf, 0, ML_RW, NULL));
			locked_once(ml_protect(&t, va, leaf / 2, ML_WRITE, 0, NULL));
			locked_once(ml_protect(&t, va, leaf / 2, ML_WRITE, ML_WRITE, NULL));
			locked_once(ml_fold(&t, va, leaf, rung, NULL));
			locked_once(ml_split(&t, va, leaf, 0, NULL));
			locked_once(ml_unmap(&t, va, leaf / 2, NULL));
			locked_once(ml_unmap(&t, va, leaf, NULL));
		}
		ml_table_fini(&t, NULL);
	}
}

/* Two groups, without [from, to) of their pages. */
static void unmap_part(enum world world, unsigned from, unsigned to)
{
	T_REQUIRE(fine(scene_open(world, &small)));
	fine(scene_map(scene.va, 2 * scene.group, 0, ML_RW));
	t_eq(scene_leaf(scene.va), scene.group);
	fine(scene_unmap(scene.va + from * scene.page, (to - from) * scene.page));
	fine(scene_close());
}

TEST(b_09_the_hint_stayed_where_a_part_was_unmapped)
{
	FOR_EACH_WORLD_WITH_GROUPS(world)
	{
		const unsigned pages = 1u << worlds[world].format->rungs[1].lg2_entries;

		for (unsigned from = 0; from < pages; from++)
			for (unsigned to = from + 1; to <= 2 * pages; to++)
				unmap_part(world, from, to);
	}
}

TEST(b_10_a_group_was_replaced_without_break_and_fence)
{
	FOR_EACH_WORLD_WITH_GROUPS(world)
	{
		T_REQUIRE(fine(scene_open(world, &folding)));
		fine(scene_map(scene.va, scene.group, 0, ML_RW));
		fine(scene_replace(scene.va, scene.group, 2 * scene.group, ML_RW));
		made_after_the_break();
		t_eq(scene_invalidation(0)->va, scene.va);
		t_eq(scene_invalidation(0)->length, scene.group);
		t_eq(scene_invalidation(0)->stride_shift, 12); /* each page may be cached alone */
		t_eq(scene_leaf(scene.va), scene.group);
		fine(scene_close());
	}
}

TEST(b_11_the_size_of_a_group_was_told_as_that_of_a_page)
{
	FOR_EACH_WORLD(world)
	{
		const struct ml_format *f = worlds[world].format;

		for (unsigned rung = 0; rung < f->rung_count; rung++) {
			const uint64_t leaf = (uint64_t)1 << f->rungs[rung].shift;
			const uint64_t step = leaf > 16 * M ? leaf / 64 : 4 * K;

			if (!(ml_format_default_rungs(f) >> rung & 1))
				continue;
			T_REQUIRE(fine(scene_open(world, NULL)));
			fine(scene_map(scene.va, leaf, 0, ML_RW));
			for (ml_va va = scene.va; va - scene.va < leaf; va += step) {
				struct ml_cursor cursor = { va, va + (4 * K - 1), false };
				struct ml_translation found;
				struct ml_run run = { 0 };

				t_eq(scene_leaf(va), leaf);
				t_eq(ml_translate(&scene.judge.rig.table, va, &found), ML_OK);
				t_eq(ml_translation_rung(&scene.judge.rig.table, &found), rung);
				t_ok(ml_run_next(&scene.judge.rig.table, &cursor, &run));
				t_eq(run.rung, rung);
				t_eq(ml_pte_rung(&scene.judge.rig.table, found.pte, found.level),
				     rung);
			}
			fine(scene_close());
		}
	}
}

/* At every event: members that are valid agree, and if they have the hint, all of them have. */
static void look_at_members(struct scene *s, const struct ml_event *event)
{
	const unsigned count = (unsigned)(s->group / s->page);
	const struct rig *rig = &s->judge.rig;
	struct ml_entry first = { .kind = ML_KIND_EMPTY };
	const ml_pte *members;
	struct ml_walk walk;
	const struct ml_walk_entry *last;

	if (event->kind > ML_EVENT_EXCHANGE || ml_walk(&rig->table, s->va, &walk))
		return;
	last = &walk.entries[walk.count - 1];
	if (last->level)
		return;
	members = ml_arena_pointer(rig->arena, last->table + 8 * last->index, 8);
	for (unsigned i = 0; i < count; i++) {
		struct ml_entry one;

		if (ml_format_decode(rig->facts->format, &rig->table.types, members[i], 0, &one) ||
		    one.kind != ML_KIND_LEAF)
			continue;
		one.pa -= i * s->page;
		one.prot &= ~(ML_PROT_AD | ML_WRITE); /* facts 4.6: walkers bear it */
		if (first.kind != ML_KIND_LEAF)
			first = one;
		if (one.group != first.group ||
		    (one.group && (one.pa != first.pa || one.prot != first.prot)))
			s->seen = "members of a group differ at some instant";
	}
}

TEST(b_12_a_group_was_seen_half_folded)
{
	FOR_EACH_WORLD_WITH_GROUPS(world)
	{
		T_REQUIRE(fine(scene_open(world, &folding)));
		scene.look = look_at_members;
		for (uint64_t at = 0; at < scene.group; at += scene.page) /* from behind */
			fine(scene_map(scene.va + scene.group - scene.page - at, scene.page,
				       scene.group - scene.page - at, ML_RW));
		t_eq(scene_leaf(scene.va), scene.group);
		fine(scene_protect(scene.va, scene.group, ML_WRITE, 0));
		fine(scene_protect(scene.va, scene.page, ML_WRITE, ML_WRITE));
		fine(scene_protect(scene.va, scene.group, ML_WRITE, ML_WRITE));
		fine(scene_fold(scene.va, scene.group, scene.group));
		t_eq(scene_leaf(scene.va), scene.group);
		/* parts of two at once */
		fine(scene_map(scene.va + scene.group, scene.group, 2 * scene.group, ML_RW));
		fine(scene_protect(scene.va + scene.page, scene.group, ML_WRITE, 0));
		t_eq(scene_leaf(scene.va), scene.page);
		t_eq(scene_leaf(scene.va + scene.group), scene.page);
		fine(scene_unmap(scene.va + scene.page, scene.group - scene.page));
		fine(scene_close());
	}
}
