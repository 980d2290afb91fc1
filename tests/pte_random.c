/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/*
 * Random calls of the entry-level contract, on every format and at every level that has leaves,
 * beside a flat model that is told of every entry singly (S0.7, S1.1, S1.4, S1.8, S1.24), and
 * beside hardware that marks leaves between any two accesses of a call. After each: every entry,
 * every group, every mark, the order of events, the table's own accounts, what had to fold, and, on
 * live tables, the adversarial TLB, for which a call ends when its caller has flushed. ML_TEST_OPS=
 * says how many calls, SEED= repeats a run.
 */
#include <inttypes.h>
#include <string.h>

#include "support/entries.h"
#include "support/entries_hardware.h"
#include "support/entries_watch.h"
#include "support/source.h"
#include "t.h"

#define CALLS 300000
#define CASE_LENGTH 60

/* One case: the entries, and what they are drawn from. */
struct run {
	struct source s;
	struct entries e;
	struct order order;
	struct entries_watch watch;
	struct entries_hardware hardware;
	const char *lost; /* what was wrong with marks; NULL: nothing */
	bool track_ad;
	uint64_t calls;
	uint64_t folded; /* of them, after which some group was folded */
};

static struct run run; /* the judge is large */

/* Room for every group of the window, anywhere else: frames in sequence, or somewhat beside. */
static ml_pa draw_pa(struct run *r, unsigned index)
{
	const struct entries *e = &r->e;
	const unsigned pa_bits = e->rig.facts->format->pa_bits;
	const uint64_t frames = ((uint64_t)1 << (pa_bits > 40 ? 40 : pa_bits)) / e->step;
	const unsigned group = index & ~(e->size - 1);
	uint64_t frame = index;

	if (source_chance(&r->s, 1, 6))
		frame = group + source_below(&r->s, e->size);
	if (source_chance(&r->s, 1, 12))
		frame += source_below(&r->s, 2 * e->size);
	return frame % frames * e->step;
}

static ml_prot draw_prot(struct run *r)
{
	static const ml_prot prots[] = {
		ML_RW,
		ML_RW,
		ML_RW,
		ML_READ,
		ML_RW | ML_USER,
		ML_READ | ML_SPECIAL,
		ML_RW | ML_SOFT(0),
		ML_RW | ML_NC,
		ML_RW | ML_USER,
		ML_RW | ML_GLOBAL,
	};
	const uint64_t count = sizeof(prots) / sizeof(prots[0]);
	const ml_prot prot = prots[source_below(&r->s, source_chance(&r->s, 3, 4) ? 3 : count)];

	if (prot & ~r->e.rig.facts->format->prot_mask)
		return ML_RW;
	return prot | (source_chance(&r->s, 1, 3) ? ML_ACCESSED : 0) |
	       (source_chance(&r->s, 1, 3) ? ML_DIRTY : 0);
}

static bool fail(struct run *r, const char *what)
{
	return t_ok_at(false, what, __FILE__, __LINE__) && r;
}

/* The library is called, beside hardware. */
static struct ml_table *calling(struct run *r)
{
	entries_hardware_call(&r->hardware);
	return &r->e.rig.table;
}

/* The call is over, and told of these marks of each entry, or may lose them. */
static void called_each(struct run *r, const ml_prot *told)
{
	const char *wrong = entries_hardware_settle(&r->hardware, told);

	r->lost = r->lost ? r->lost : wrong;
}

/* The same of a run. */
static void called(struct run *r, unsigned from, unsigned count, ml_prot told)
{
	ml_prot each[ENTRIES_MOST] = { 0 };

	for (unsigned i = from; i < from + count; i++)
		each[i] = told;
	called_each(r, each);
}

/* The call says that leaves of a run had these marks: all they had, and what may have come. */
static void had(struct run *r, unsigned from, unsigned count, ml_prot marks, ml_prot before)
{
	const ml_prot came = entries_hardware_came(&r->hardware, from, count);

	t_eq(before & ~marks, 0);
	t_eq(marks & ~(before | came), 0);
}

/* What the model says after an entry was made a leaf. */
static void flat_leaf(struct run *r, unsigned i, ml_pa pa, ml_prot prot)
{
	if (!r->track_ad)
		prot |= ML_ACCESSED | (prot & ML_WRITE ? ML_DIRTY : 0);
	r->e.flat[i] = (struct flat){ .pa = pa, .prot = prot };
}

static void empty(struct run *r, unsigned from, unsigned count)
{
	for (unsigned i = from; i < from + count; i++)
		r->e.flat[i] = (struct flat){ 0 };
}

/* The A/D of the leaves of a run, hidden ones aside. */
static ml_prot flat_marks(const struct run *r, unsigned from, unsigned count)
{
	ml_prot marks = 0;

	for (unsigned i = from; i < from + count; i++)
		if (!r->e.flat[i].hidden)
			marks |= r->e.flat[i].prot & ML_PROT_AD;
	return marks;
}

/* ---- the calls ----------------------------------------------------------------------- */

static void clear_run(struct run *r, unsigned from, unsigned count)
{
	struct entries *e = &r->e;
	const struct flat first = e->flat[from];
	const ml_prot marks = flat_marks(r, from, count);
	const ml_pte pte = ml_get_and_clear_full_ptes(calling(r), entries_va(e, from), e->p + from,
						      e->level, count);
	ml_prot prot = ML_PROT_AD; /* nobody hears of those of a run that begins with none */

	if (first.prot && !first.hidden) {
		prot = ml_pte_prot(&e->rig.table, pte, e->level);
		t_eq(ml_pte_pa(&e->rig.table, pte, e->level), first.pa);
		t_eq(prot & ~ML_PROT_AD, first.prot & ~ML_PROT_AD);
		had(r, from, count, prot & ML_PROT_AD, marks);
	} else if (!first.hidden) {
		t_eq(pte, first.absent);
	}
	empty(r, from, count);
	called(r, from, count, prot);
}

/* Set leaves and tell the model; what that completes has to fold, here or never. */
static void set_leaves_to(struct run *r, unsigned from, unsigned count, ml_pa pa, ml_prot prot)
{
	struct entries *e = &r->e;
	ml_pte pte = 0;

	t_eq(ml_pte_make(&e->rig.table, pa, prot, e->level, &pte), ML_OK);
	if (source_chance(&r->s, 1, 4))
		pte |= entries_hint(e); /* as if fed back: C3 */
	ml_set_ptes(calling(r), entries_va(e, from), e->p + from, e->level, pte, count);
	for (unsigned i = from; i < from + count; i++)
		flat_leaf(r, i, pa + (i - from) * e->step, prot);
	called(r, from, count, count == 1 ? ML_PROT_AD : 0);
	for (unsigned i = from; i < from + count; i++)
		if (e->rig.table.fold != ML_FOLD_MAP && entries_complete(e, i) &&
		    !entries_hinted(e, i))
			fail(r, "a group was completed and did not fold");
}

static void set_leaves(struct run *r, unsigned from, unsigned count)
{
	const unsigned pa_bits = r->e.rig.facts->format->pa_bits;
	ml_pa pa = draw_pa(r, from);

	if (pa + count * r->e.step > (uint64_t)1 << pa_bits)
		pa = 0;
	if (count > 1) { /* a run goes where nothing is */
		clear_run(r, from, count);
		ml_flush_range(&r->e.rig.table, entries_va(&r->e, from), count * r->e.step,
			       r->e.level, true);
	}
	set_leaves_to(r, from, count, pa, draw_prot(r));
}

/* Every entry of one group, singly, in some order: the last one folds it. */
static void complete_group(struct run *r, unsigned i)
{
	const unsigned first = i & ~(r->e.size - 1);
	const unsigned turn = (unsigned)source_next(&r->s);

	for (unsigned k = 0; k < r->e.size; k++) {
		const unsigned at = first + ((k * 7 + turn) & (r->e.size - 1));

		set_leaves_to(r, at, 1, at * r->e.step, ML_RW);
		entries_share(&r->e);
		ml_flush_range(&r->e.rig.table, r->e.va, r->e.count * r->e.step, r->e.level, true);
	}
}

/* Whatever ml_ptep_get() returned may be set again: nothing changes but marks that spread. */
static void set_again(struct run *r, unsigned i)
{
	struct entries *e = &r->e;
	const ml_pte pte = ml_ptep_get(calling(r), entries_va(e, i), e->p + i, e->level);

	ml_set_pte_at(&e->rig.table, entries_va(e, i), e->p + i, e->level, pte);
	called(r, i, 1, ML_PROT_AD);
}

static void set_software(struct run *r, unsigned i)
{
	struct entries *e = &r->e;
	const enum ml_software kind = ML_SOFTWARE_SWAP + (unsigned)source_below(&r->s, 3);
	const uint64_t payload = source_next(&r->s) >> (64 - ml_software_bits(&e->rig.table));
	ml_pte pte = 0;

	t_eq(ml_software_make(&e->rig.table, kind, payload, &pte), ML_OK);
	ml_set_pte_at(calling(r), entries_va(e, i), e->p + i, e->level, pte);
	e->flat[i] = (struct flat){ .absent = pte };
	called(r, i, 1, ML_PROT_AD);
}

static void clear(struct run *r, unsigned i)
{
	struct entries *e = &r->e;

	ml_pte_clear(calling(r), entries_va(e, i), e->p + i, e->level);
	empty(r, i, 1);
	called(r, i, 1, ML_PROT_AD);
}

/* Hide a leaf, or bring it back, as a protection of nothing does: take out, change, put back. */
static void toggle_hidden(struct run *r, unsigned i)
{
	struct ml_table *t = &r->e.rig.table;
	struct entries *e = &r->e;
	const bool hidden = e->flat[i].hidden;
	ml_prot marks;
	ml_pte pte;

	if (!e->flat[i].prot)
		return;
	pte = ml_ptep_get_and_clear(calling(r), entries_va(e, i), e->p + i, e->level);
	marks = ml_pte_prot(t, pte, e->level) & ML_PROT_AD;
	had(r, i, 1, marks, e->flat[i].prot & ML_PROT_AD);
	e->flat[i].prot |= marks;
	called(r, i, 1, marks);
	ml_flush_range(t, entries_va(e, i), e->step, e->level, true);
	if (hidden)
		pte = ml_pte_restore(t, pte);
	else
		t_eq(ml_pte_prot_none(t, pte, e->level, &pte), ML_OK);
	ml_set_pte_at(calling(r), entries_va(e, i), e->p + i, e->level, pte);
	e->flat[i].hidden = !hidden;
	called(r, i, 1, 0);
}

static void age(struct run *r, unsigned i, bool flush)
{
	struct ml_table *t = &r->e.rig.table;
	struct entries *e = &r->e;
	const unsigned size = entries_hinted(e, i) ? e->size : 1, first = i & ~(size - 1);
	const bool leaf = e->flat[i].prot && !e->flat[i].hidden;
	const ml_prot before = leaf ? e->flat[i].prot & ML_ACCESSED : 0;
	int young;

	calling(r);
	young = flush ? ml_ptep_clear_flush_young(t, entries_va(e, i), e->p + i, e->level)
		      : ml_ptep_test_and_clear_young(t, entries_va(e, i), e->p + i, e->level);
	if (leaf && !t->ad_unit) {
		t_eq(young, ML_ERR_UNTRACKED);
		called(r, i, 1, 0);
		return;
	}
	t_ok(young == 0 || young == 1);
	had(r, i, 1, young ? ML_ACCESSED : 0, before);
	for (unsigned k = first; leaf && k < first + size; k++)
		e->flat[k].prot &= ~ML_ACCESSED;
	called(r, first, size, young ? ML_ACCESSED : 0);
}

static void protect(struct run *r, unsigned from, unsigned count)
{
	struct entries *e = &r->e;

	if (count == 1)
		ml_ptep_set_wrprotect(calling(r), entries_va(e, from), e->p + from, e->level);
	else
		ml_wrprotect_ptes(calling(r), entries_va(e, from), e->p + from, e->level, count);
	for (unsigned i = from; i < from + count; i++)
		if (!e->flat[i].hidden)
			e->flat[i].prot &= ~ML_WRITE;
	called(r, from, count, 0);
}

static void grant(struct run *r, unsigned i)
{
	struct entries *e = &r->e;
	const ml_prot more = (draw_prot(r) & (ML_WRITE | ML_PROT_AD)) | ML_READ;
	const bool same = !((e->flat[i].prot ^ more) & ML_WRITE);
	const unsigned size = entries_hinted(e, i) && same ? e->size : 1;
	ml_pte pte = 0;

	if (!e->flat[i].prot || e->flat[i].hidden)
		return;
	t_eq(ml_pte_make(&e->rig.table, e->flat[i].pa, more, e->level, &pte), ML_OK);
	ml_ptep_set_access_flags(calling(r), entries_va(e, i), e->p + i, e->level, pte,
				 source_chance(&r->s, 1, 2));
	for (unsigned k = i & ~(size - 1); k < (i & ~(size - 1)) + size; k++)
		e->flat[k].prot |=
			more | (r->track_ad ? 0 : ML_ACCESSED | (more & ML_WRITE ? ML_DIRTY : 0));
	called(r, i, 1, 0);
}

/* Hardware marks one member. */
static void touch(struct run *r, unsigned i)
{
	struct entries *e = &r->e;
	struct ml_model_result result;
	const bool write = source_chance(&r->s, 1, 2);

	if (!e->flat[i].prot || e->flat[i].hidden)
		return;
	if (e->rig.table.each_member && !e->rig.table.hardware_ad)
		return; /* software marks, and each member */
	if (rig_touch(&e->rig, entries_va(e, i), write, &result))
		e->flat[i].prot |=
			ML_ACCESSED | (write && e->flat[i].prot & ML_WRITE ? ML_DIRTY : 0);
	entries_share(e);
}

#define HARVEST_WORDS ((uint64_t)1 << 14)

/* One mark of the pages of a run, as harvested. */
struct harvested {
	uint64_t bits[HARVEST_WORDS];
	uint64_t count, pages; /* all of them; of one entry */
};

/* What is told of each entry; every page of it is told the same. */
static void judge_harvested(struct run *r, unsigned from, unsigned count,
			    const struct harvested *found, ml_prot mark, ml_prot *told)
{
	uint64_t sum = 0, bits = 0;

	for (unsigned i = from; i < from + count; i++) {
		const struct flat *flat = &r->e.flat[i];
		const uint64_t first = (i - from) * found->pages, last = first + found->pages - 1;
		const bool is = found->bits[first / 64] >> (first & 63) & 1;

		t_eq(found->bits[last / 64] >> (last & 63) & 1, is);
		had(r, i, 1, is ? mark : 0, flat->hidden ? 0 : flat->prot & mark);
		sum += is ? found->pages : 0;
		told[i] |= is ? mark : 0;
	}
	for (uint64_t i = 0; i < HARVEST_WORDS; i++)
		bits += (uint64_t)__builtin_popcountll(found->bits[i]);
	t_eq(found->count, sum);
	t_eq(bits, sum);
}

/* Marks are cleared of leaves and groups that lie wholly inside. */
static void harvest(struct run *r, unsigned from, unsigned count)
{
	static const ml_prot clears[] = { 0, ML_ACCESSED, ML_DIRTY, ML_PROT_AD };
	static struct harvested accessed, dirty;
	struct entries *e = &r->e;
	struct ml_harvest all = { .accessed = accessed.bits,
				  .dirty = dirty.bits,
				  .clear = clears[source_below(&r->s, 4)] };
	ml_prot told[ENTRIES_MOST] = { 0 };
	int error;

	accessed.pages = dirty.pages = e->step >> e->rig.facts->format->page_shift;
	if (count > HARVEST_WORDS * 64 / accessed.pages)
		count = (unsigned)(HARVEST_WORDS * 64 / accessed.pages);
	memset(accessed.bits, 0, sizeof(accessed.bits));
	memset(dirty.bits, 0, sizeof(dirty.bits));
	error = ml_harvest(calling(r), entries_va(e, from), count * e->step, &all, NULL);
	t_eq(error, e->rig.table.ad_unit ? ML_OK : ML_ERR_UNTRACKED);
	if (!error) {
		accessed.count = all.accessed_pages;
		dirty.count = all.dirty_pages;
		judge_harvested(r, from, count, &accessed, ML_ACCESSED, told);
		judge_harvested(r, from, count, &dirty, ML_DIRTY, told);
	}
	for (unsigned i = from; !error && i < from + count; i++) {
		const unsigned size = entries_hinted(e, i) ? e->size : 1, first = i & ~(size - 1);

		if (first >= from && first + size <= from + count && !e->flat[i].hidden)
			e->flat[i].prot &= ~all.clear;
	}
	called_each(r, told);
}

static void call(struct run *r)
{
	struct entries *e = &r->e;
	const unsigned i = (unsigned)source_below(&r->s, e->count);
	const unsigned room = e->count - i;
	const unsigned most = room < 2 * e->size + 2 ? room : 2 * e->size + 2;
	const unsigned count = 1 + (unsigned)source_below(&r->s, most);

	const uint64_t kind = source_below(&r->s, 22);
	const bool keeps = kind == 8 || kind == 10 || kind == 11 || kind == 12 || kind > 16;

	entries_watch_operation(&r->watch, keeps ? 0 : ML_PROT_AD);
	switch (kind) {
	case 0:
	case 1:
	case 2:
	case 3:
		set_leaves(r, i, count);
		break;
	case 4:
	case 5:
	case 6:
		set_leaves(r, i, 1);
		break;
	case 7:
		set_software(r, i);
		break;
	case 8:
		clear_run(r, i, source_chance(&r->s, 1, 2) ? count : 1);
		break;
	case 9:
		clear(r, i);
		break;
	case 10:
		age(r, i, source_chance(&r->s, 1, 2));
		break;
	case 11:
		protect(r, i, source_chance(&r->s, 1, 2) ? count : 1);
		break;
	case 12:
		grant(r, i);
		break;
	case 13:
		toggle_hidden(r, i);
		break;
	case 14:
		set_again(r, i);
		break;
	case 15:
	case 16:
		complete_group(r, i);
		break;
	case 17:
	case 18:
	case 19:
	case 20:
		harvest(r, i, count);
		break;
	default:
		touch(r, i);
	}
}

/* ---- judging ------------------------------------------------------------------------- */

static bool judge(struct run *r)
{
	struct ml_table *t = &r->e.rig.table;
	struct ml_fault fault = { .what = "" };
	const char *wrong;

	entries_share(&r->e);
	wrong = r->e.mixed ? r->e.mixed : entries_groups(&r->e, true);
	if (!wrong)
		wrong = r->lost ? r->lost : entries_differ(&r->e);
	if (wrong)
		return fail(r, wrong);
	if (ml_table_check(t, &fault))
		return fail(r, fault.what);
	ml_flush_range(t, r->e.va, r->e.count * r->e.step, r->e.level, true);
	if (!order_settled(&r->order))
		return fail(r, r->order.message);
	wrong = entries_watch_settled(&r->watch);
	if (wrong)
		return fail(r, wrong);
	return order_operation(&r->order);
}

static uint64_t whole_unit(void *cookie, ml_pa pa)
{
	(void)cookie;
	(void)pa;
	return (uint64_t)1 << 40;
}

static struct ml_table_config draw_config(struct run *r, const struct ml_format *f)
{
	struct ml_table_config config = {
		.fold = source_chance(&r->s, 1, 6)   ? ML_FOLD_MAP
			: source_chance(&r->s, 1, 2) ? ML_FOLD_COMPLETE
						     : ML_FOLD_BLOCK,
		.live = source_chance(&r->s, 3, 4),
		.track_ad = source_chance(&r->s, 3, 4),
		.hardware_ad = source_chance(&r->s, 1, 2),
		.ad_unit = source_chance(&r->s, 3, 4) ? whole_unit : NULL,
		.bbm = (uint8_t)source_below(&r->s, f->bbm_most + 1u),
		.errata = source_chance(&r->s, 1, 8) ? ML_ERRATUM_REPEAT : 0,
		.each_member = source_chance(&r->s, 1, 4),
		.ops = source_chance(&r->s, 1, 4) ? &ml_table_ops_any : NULL,
	};

	if (config.fold == ML_FOLD_BLOCK) {
		config.deposit_one = source_chance(&r->s, 1, 2);
		config.refaultable = source_chance(&r->s, 1, 2) ? ML_SOFT(0) : 0;
	}
	return config;
}

static void one_case(struct run *r, enum world world, unsigned level, uint64_t seed)
{
	const struct ml_format *f = worlds[world].format;
	struct ml_table_config config;
	const uint64_t tables = level && f->block_rung[level] ? ENTRIES_MOST : 0;

	r->s = source_seeded(seed * 3 * WORLDS + 3 * world + level);
	config = draw_config(r, f);
	r->track_ad = config.track_ad;
	config.rungs = ((uint32_t)1 << f->rung_count) - 1;
	if (config.fold == ML_FOLD_BLOCK && !config.deposit_one && level > 1) {
		config.fold = ML_FOLD_COMPLETE; /* deposits of 1 GiB leaves are too many */
		config.refaultable = 0;
	}
	T_REQUIRE(t_ok(entries_open(&r->e, world, &config, level, &r->order)));
	order_operation(&r->order);
	T_REQUIRE(t_eq(ml_pte_deposit(&r->e.rig.table, level, tables, NULL), ML_OK));
	order_operation(&r->order);
	entries_watch_begin(&r->watch, &r->e, &r->order, &config);
	entries_hardware_begin(&r->hardware, &r->e, seed);
	r->lost = NULL;
	for (unsigned n = 0; n < CASE_LENGTH; n++, r->calls++) {
		call(r);
		r->folded += entries_folded(&r->e) != 0;
		if (!judge(r)) {
			printf("# %s, level %u: call %u of the case with SEED=%" PRIu64 "\n",
			       worlds[world].name, level, n, seed);
			break;
		}
	}
	entries_hardware_end(&r->hardware);
	entries_watch_end(&r->watch);
	t_ok(entries_close(&r->e, &r->order));
}

TEST(random_calls_agree_with_entries_set_singly)
{
	const uint64_t seed = t_seed(20261120), amount = source_amount(CALLS);

	for (uint64_t number = 0; run.calls < amount && !t_state.complaints; number++)
		for (unsigned world = 0; world < WORLDS; world++)
			for (unsigned level = 0; level < 3; level++)
				if (level < worlds[world].levels &&
				    (!level || worlds[world].format->block_rung[level]))
					one_case(&run, world, level, seed + number);
	printf("# %" PRIu64 " calls, after %" PRIu64 " of them some group was folded; %" PRIu64
	       " marks were made inside of calls\n",
	       run.calls, run.folded, run.hardware.marks);
	t_ok(t_state.complaints || run.folded > run.calls / 5);
	t_ok(t_state.complaints || run.hardware.marks > run.calls / 5);
}
