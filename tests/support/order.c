/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/*
 * The order of events, from the rules: Arm ARM D8.16 (break-before-make), Intel SDM 4.10
 * (a size change goes through not-present), facts X6, A11 and A14 (what FEAT_BBM 1 and 2 relax),
 * S0.19; catalogue B-02, B-10, B-13, B-51, B-61.
 */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "order.h"

__attribute__((format(printf, 2, 3))) static void fail(struct order *o, const char *format, ...)
{
	va_list arguments;

	if (!o->failed) {
		va_start(arguments, format);
		vsnprintf(o->message, sizeof(o->message), format, arguments);
		va_end(arguments);
	}
	o->failed = true;
}

static const struct ml_format *format_of(const struct order *o)
{
	return o->rig->facts->format;
}

static struct ml_entry decode(const struct order *o, ml_pte pte, unsigned level)
{
	struct ml_entry entry = { .kind = ML_KIND_EMPTY };

	if (ml_format_decode(format_of(o), &o->rig->table.types, pte, level, &entry))
		entry.kind = ML_KIND_EMPTY;
	return entry;
}

/* All tables of a format are of one size. */
static size_t table_bytes(const struct order *o)
{
	return ml_format_table_bytes(format_of(o), 0);
}

static struct order_table *table_at(struct order *o, ml_pa pa)
{
	pa &= ~(ml_pa)(table_bytes(o) - 1);
	for (size_t i = o->table_count; i-- > 0;)
		if (o->tables[i].pa == pa)
			return &o->tables[i];
	return NULL;
}

static struct order_table *table_add(struct order *o, ml_pa pa)
{
	struct order_table *table;

	if (o->table_count == ORDER_TABLES) {
		fail(o, "more than %d tables", ORDER_TABLES);
		return &o->tables[0];
	}
	table = &o->tables[o->table_count++];
	*table = (struct order_table){ .pa = pa };
	return table;
}

/* ---- reaching tables --------------------------------------------------------------- */

static ml_va entry_va(const struct order *o, const struct order_table *table, unsigned index)
{
	const ml_va va = table->va + ((ml_va)index << format_of(o)->level_shift[table->level]);
	const ml_va first = o->rig->facts->high_first;

	/* x86-64: the upper half of the root stands for the end of the space */
	return !table->va && first && va >= 0 - first ? va + 2 * first : va;
}

/* Give every table below this entry its place (or take it away), the whole tree down. */
static void reach(struct order *o, ml_pa pa, unsigned level, ml_va va, bool linked)
{
	struct {
		struct order_table *table;
		unsigned index;
	} stack[ML_LEVEL_MAX + 1];
	unsigned depth = 0;

	for (;;) {
		struct order_table *table = table_at(o, pa);
		const ml_pte *entries = NULL;

		if (!table || (linked && (table->linked || (table->holes && !table->moves))))
			fail(o, "a table at 0x%" PRIx64 " is linked that is %s", pa,
			     !table          ? "not handed out"
			     : table->linked ? "linked already"
					     : "not filled");
		if (!table || o->failed)
			return;
		table->linked = linked;
		table->entered = linked || o->rig->table.live;
		table->moves = !linked && !table->holes;
		table->holes = linked ? 0 : (uint16_t)(table_bytes(o) / sizeof(ml_pte));
		table->level = (uint8_t)level;
		table->va = va;
		stack[depth].table = table;
		stack[depth++].index = 0;
		while (depth) {
			struct ml_entry entry;
			unsigned index;

			table = stack[depth - 1].table;
			entries = ml_arena_pointer(o->rig->arena, table->pa, table_bytes(o));
			index = stack[depth - 1].index++;
			if (index == 1u << format_of(o)->index_bits[table->level]) {
				depth--;
				continue;
			}
			entry = decode(o, entries[index], table->level);
			if (entry.kind != ML_KIND_TABLE)
				continue;
			pa = entry.pa;
			level = table->level - 1u;
			va = entry_va(o, table, index);
			break;
		}
		if (!depth)
			return;
	}
}

/* ---- what walkers may hold --------------------------------------------------------- */

static void add_stale(struct order *o, const struct order_table *table, unsigned index,
		      ml_pte *entry, bool link)
{
	const uint64_t bytes = (uint64_t)1 << format_of(o)->level_shift[table->level];
	const ml_va va = entry_va(o, table, index);

	if (!o->rig->table.live)
		return;
	if (o->stale_count == ORDER_STALE) {
		fail(o, "more than %d stale entries", ORDER_STALE);
		return;
	}
	o->stale[o->stale_count++] =
		(struct order_stale){ va, va + (bytes - 1), entry, table->level, link, false, 0 };
}

static bool is_stale(const struct order *o, const ml_pte *entry)
{
	for (size_t i = o->stale_count; i-- > 0;)
		if (o->stale[i].entry == entry)
			return true;
	return false;
}

/*
 * Whether one of the addresses lies below the link: its entries on the way there are dropped with
 * it (Arm ARM D8.14; Intel SDM 4.10.4.1 even drops those of every address).
 */
static bool reaches_link(const struct ml_invalidation *what, const struct order_stale *stale)
{
	const uint64_t stride = (uint64_t)1 << (what->stride_shift & 63);
	const ml_va last = what->va + what->length - 1;
	ml_va at = what->va;

	if (what->leaves_only || what->level != 0xff)
		return false;
	if (!what->length)
		return true;
	if (at < stale->first) /* the first one not before it */
		at += (stale->first - at + stride - 1) / stride * stride;
	return at >= stale->first && at <= stale->last && at <= last;
}

static bool covers(const struct order *o, const struct ml_invalidation *what,
		   const struct order_stale *stale)
{
	const ml_va last = what->va + what->length - 1;

	(void)o;
	if (stale->table)
		return reaches_link(what, stale);
	if (what->length && (stale->first < what->va || stale->last > last))
		return false;
	if (what->stride_shift > 63 ||
	    (uint64_t)1 << what->stride_shift > stale->last - stale->first + 1)
		return false;
	return what->level == 0xff || what->level == stale->level;
}

static void on_invalidate(struct order *o, const struct ml_invalidation *what)
{
	o->invalidations++;
	if (!o->rig->table.live)
		fail(o, "an invalidation on a table that is not live");
	for (size_t i = 0; i < o->stale_count; i++)
		if (covers(o, what, &o->stale[i]))
			o->stale[i].covered = true;
}

/* Walkers have left the unlinked tables below a link whose invalidation is complete. */
static void leave_tables(struct order *o, const struct order_stale *stale)
{
	for (size_t i = 0; i < o->table_count; i++) {
		struct order_table *table = &o->tables[i];

		if (!table->linked && table->va >= stale->first && table->va <= stale->last)
			table->entered = false;
	}
}

static void on_complete(struct order *o)
{
	size_t kept = 0;

	for (size_t i = 0; i < o->stale_count; i++) {
		struct order_stale *stale = &o->stale[i];

		stale->rounds += stale->covered;
		stale->covered = false;
		if (stale->rounds < (o->repeated ? 2 : 1))
			o->stale[kept++] = *stale;
		else if (stale->table)
			leave_tables(o, stale);
	}
	o->stale_count = kept;
}

/* ---- stores ------------------------------------------------------------------------ */

/* Bits that no walker reads: Intel SDM table 4-20 (11:9, 58:52), Arm ARM D8.3.2 (58:55, 63). */
static ml_pte ignored_bits(const struct order *o)
{
	switch (format_of(o)->encoding) {
	case ML_ENCODING_X86_64:
		return 0x07f0000000000e00;
	case ML_ENCODING_ARM64:
		return 0x8780000000000000;
	default:
		return 0x8000000000000c00;
	}
}

static bool present(const struct ml_entry *entry)
{
	return entry->kind == ML_KIND_LEAF || entry->kind == ML_KIND_TABLE;
}

/* Arm ARM D8.3.2: nT, bit 16 of a block; toy has one, too. */
static bool announced(const struct order *o, ml_pte pte, unsigned level)
{
	switch (format_of(o)->encoding) {
	case ML_ENCODING_ARM64:
		return level && pte >> 16 & 1;
	case ML_ENCODING_TOY:
		return level && pte >> 12 & 1;
	default:
		return false;
	}
}

/* What an entry is but for its marks, its group and whether it announces. */
static bool same_attributes(const struct ml_entry *a, const struct ml_entry *b)
{
	return ((a->prot ^ b->prot) & ~ML_PROT_AD) == 0;
}

/*
 * Whether the table at pa, of this level, translates as the leaf above does: all of it, or what is
 * there of it.
 */
static bool translates_alike(const struct order *o, ml_pa pa, unsigned level,
			     const struct ml_entry *leaf, bool all)
{
	struct {
		ml_pa table;
		ml_pa frame;
		unsigned index;
	} stack[ML_LEVEL_MAX] = { [0] = { 0 } };
	const unsigned top = level;

	stack[level].table = pa;
	stack[level].frame = leaf->pa;
	for (;;) {
		const unsigned index = stack[level].index++;
		const ml_pa frame =
			stack[level].frame + ((ml_pa)index << format_of(o)->level_shift[level]);
		struct ml_entry entry;
		const ml_pte *entries;

		if (index == 1u << format_of(o)->index_bits[level]) {
			if (level++ == top)
				return true;
			continue;
		}
		entries = ml_arena_pointer(o->rig->arena, stack[level].table, table_bytes(o));
		entry = decode(o, entries[index], level);
		if (entry.kind == ML_KIND_TABLE) {
			level--;
			stack[level].table = entry.pa;
			stack[level].frame = frame;
			stack[level].index = 0;
		} else if (entry.kind == ML_KIND_LEAF
				   ? entry.pa != frame || !same_attributes(&entry, leaf)
				   : all) {
			return false;
		}
	}
}

/* Whether a block and the table in its place may pass each other without a break. */
static bool size_may_change(const struct order *o, ml_pte block, unsigned level)
{
	return o->bbm == 2 || (o->bbm == 1 && announced(o, block, level));
}

/* Whether one leaf may become the other without a break: Arm ARM D8.16.1; x86-64 allows more. */
static bool leaf_may_become(const struct order *o, const struct ml_entry *old,
			    const struct ml_entry *new)
{
	if (old->pa != new->pa)
		return false;
	if (old->group != new->group && (o->bbm < 2 || !same_attributes(old, new)))
		return false;
	if (format_of(o)->encoding == ML_ENCODING_X86_64)
		return true;
	return ((old->prot ^ new->prot) & ML_TYPE_MASK) == 0 &&
	       !(new->prot & ~old->prot &ML_GLOBAL);
}

/* Members of the entry's group, at the moment a leaf is stored: none may contradict it (I4). */
static void check_group(struct order *o, const struct order_table *table, unsigned index,
			const struct ml_entry *leaf)
{
	const struct ml_format *f = format_of(o);
	const ml_pte *entries = ml_arena_pointer(o->rig->arena, table->pa, table_bytes(o));
	const uint64_t bytes = (uint64_t)1 << f->level_shift[table->level];
	unsigned size = 1;

	for (unsigned rung = 0; rung < f->rung_count; rung++)
		if (f->rungs[rung].level == table->level)
			size = 1u << f->rungs[rung].lg2_entries;
	for (unsigned i = index & ~(size - 1); i < (index | (size - 1)) + 1; i++) {
		const struct ml_entry member = decode(o, entries[i], table->level);

		if (member.kind != ML_KIND_LEAF || (!member.group && !leaf->group))
			continue;
		if ((member.group != leaf->group &&
		     (o->bbm < 2 || !same_attributes(&member, leaf))) ||
		    member.pa - i * bytes != leaf->pa - index * bytes)
			fail(o, "va 0x%" PRIx64 ": a group has members that contradict each other",
			     entry_va(o, table, index));
	}
}

/*
 * Whether the leaf was marked and is the same otherwise. Without accessed nobody held it (Arm ARM
 * D8.5.1) or its mark is set by who holds it, as x86-64's dirty is, too (Intel SDM 4.8); and what
 * marks a leaf dirty that may not be written is software's alone.
 */
static bool marks_come(const struct order *o, const struct ml_entry *old,
		       const struct ml_entry *new)
{
	const bool x86 = format_of(o)->encoding == ML_ENCODING_X86_64;
	const ml_prot may = ML_ACCESSED | (x86 || !(new->prot &ML_WRITE) ? ML_DIRTY : 0);

	return new->kind == ML_KIND_LEAF && old->pa == new->pa && old->group == new->group &&
	       old->prot != new->prot && !(old->prot & ~new->prot) &&
	       !(new->prot & ~old->prot & ~may);
}

/*
 * Whether nobody minds the old leaf: group membership changed where walkers bear that, or the
 * announcement was taken back; and beyond it marks were added at most.
 */
static bool may_linger(const struct order *o, const struct ml_event *event, unsigned level)
{
	const struct ml_entry old = decode(o, event->old, level);
	const struct ml_entry new = decode(o, event->value, level);
	const bool silent = announced(o, event->old, level) && !announced(o, event->value, level);

	if (announced(o, event->old, level) == announced(o, event->value, level) &&
	    marks_come(o, &old, &new))
		return true;
	return new.kind == ML_KIND_LEAF &&old.pa == new.pa &&same_attributes(&old, &new) &&
	       !(old.prot & ~new.prot &ML_PROT_AD) &&
	       ((o->bbm == 2 && old.group != new.group) || (silent && old.group == new.group));
}

/* A link becomes something else. */
static void on_unlink(struct order *o, struct order_table *table, unsigned index, ml_pte *entry,
		      const struct ml_event *event)
{
	const struct ml_entry old = decode(o, event->old, table->level);
	const struct ml_entry new = decode(o, event->value, table->level);

	if (present(&new) && o->rig->table.live &&
	    (new.kind != ML_KIND_LEAF || !size_may_change(o, event->value, table->level) ||
	     !translates_alike(o, old.pa, table->level - 1u, &new, true)))
		fail(o, "va 0x%" PRIx64 ": a link was replaced without a break",
		     entry_va(o, table, index));
	add_stale(o, table, index, entry, true);
	reach(o, old.pa, table->level - 1u, entry_va(o, table, index), false);
}

/* A leaf becomes something else, or nothing. */
static void on_unmap(struct order *o, struct order_table *table, unsigned index, ml_pte *entry,
		     const struct ml_event *event)
{
	const struct ml_entry old = decode(o, event->old, table->level);
	const struct ml_entry new = decode(o, event->value, table->level);
	bool may = !present(&new) || !o->rig->table.live;

	if (!may && new.kind == ML_KIND_LEAF)
		may = leaf_may_become(o, &old, &new) &&
		      (announced(o, event->value, table->level) ||
		       !announced(o, event->old, table->level) || !is_stale(o, entry));
	else if (!may)
		may = size_may_change(o, event->old, table->level) &&
		      (o->bbm == 2 || !is_stale(o, entry)) &&
		      translates_alike(o, new.pa, table->level - 1u, &old, false);
	if (!may)
		fail(o, "va 0x%" PRIx64 ": 0x%" PRIx64 " became 0x%" PRIx64 " without a break",
		     entry_va(o, table, index), event->old, event->value);
	if (!may_linger(o, event, table->level))
		add_stale(o, table, index, entry, false);
}

/* A store that a walker may see. */
static void on_store(struct order *o, const struct ml_event *event)
{
	struct order_table *table = table_at(o, event->address);
	unsigned index = (unsigned)(event->address & (table_bytes(o) - 1)) / sizeof(ml_pte);
	ml_pte *entry = ml_arena_pointer(o->rig->arena, event->address, sizeof(*entry));
	struct ml_entry old, new;

	o->stored = true;
	if (!table || !table->linked) {
		fail(o, "a store to 0x%" PRIx64 ", which no walker can reach", event->address);
		return;
	}
	if (((event->old ^ event->value) & ~ignored_bits(o)) == 0)
		return;
	old = decode(o, event->old, table->level);
	new = decode(o, event->value, table->level);
	if (old.kind == ML_KIND_TABLE)
		on_unlink(o, table, index, entry, event);
	else if (old.kind == ML_KIND_LEAF)
		on_unmap(o, table, index, entry, event);
	else if (present(&new) && o->rig->table.live && is_stale(o, entry))
		fail(o, "va 0x%" PRIx64 ": made again before the break was complete",
		     entry_va(o, table, index));
	if (new.kind == ML_KIND_TABLE)
		reach(o, new.pa, table->level - 1u, entry_va(o, table, index), true);
	if (new.kind == ML_KIND_LEAF && o->rig->table.live)
		check_group(o, table, index, &new);
}

/* A store into a table that no walker can reach. */
static void on_fill(struct order *o, const struct ml_event *event)
{
	struct order_table *table = table_at(o, event->address);
	const struct ml_entry old = decode(o, event->old, table ? table->level : 0);
	const struct ml_entry new = decode(o, event->value, table ? table->level : 0);

	if (!table || table->linked)
		fail(o, "0x%" PRIx64 " was filled, which walkers can reach", event->address);
	else if (table->entered && (present(&old) || present(&new)))
		fail(o, "0x%" PRIx64 " was filled while walkers may still be in it",
		     event->address);
	else if (table->holes)
		table->holes--;
	if (table)
		table->moves = false;
}

static void on_alloc(struct order *o, const struct ml_event *event)
{
	struct order_table *table = table_add(o, event->address);

	table->holes = (uint16_t)(event->value / sizeof(ml_pte));
	if (o->stored)
		fail(o, "a table was allocated after the first store");
}

static void on_free(struct order *o, const struct ml_event *event)
{
	struct order_table *table = table_at(o, event->address);

	if (!table || table->linked)
		fail(o, "the table at 0x%" PRIx64 " was freed while linked", event->address);
	else if (table->entered)
		fail(o, "the table at 0x%" PRIx64 " was freed while walkers may be in it",
		     event->address);
	else
		*table = o->tables[--o->table_count];
}

/* What walkers are to see is published before a link, before an invalidation, and at the end. */
static void check_published(struct order *o, const char *before)
{
	if (o->unpublished && o->rig->table.live)
		fail(o, "stores were not published before %s", before);
	o->unpublished = false;
}

static void note_store(struct order *o, enum ml_event_kind kind)
{
	if (kind == ML_EVENT_LINK)
		check_published(o, "a link");
	if (kind == ML_EVENT_INVALIDATE)
		check_published(o, "an invalidation");
	if (kind <= ML_EVENT_EXCHANGE)
		o->unpublished = true;
	if (kind == ML_EVENT_PUBLISH)
		o->unpublished = false;
}

/*
 * Whether a group whose members differ for now is all there: what may differ in them, check_group()
 * judges.
 */
static bool group_stands(const struct order *o, const struct ml_model_result *seen)
{
	const struct ml_format *f = format_of(o);
	unsigned size = 1;

	for (unsigned rung = 0; rung < f->rung_count; rung++)
		if (f->rungs[rung].level == seen->level)
			size = 1u << f->rungs[rung].lg2_entries;
	for (unsigned i = 0; i < size; i++) {
		const ml_pa at = (seen->entry_pa & ~(ml_pa)(size * 8 - 1)) + i * 8;
		const ml_pte *member = ml_arena_pointer(o->rig->arena, at, sizeof(*member));

		if (decode(o, *member, seen->level).kind != ML_KIND_LEAF)
			return false;
	}
	return true;
}

/* Every page that must stay translates, as it did, by an entry that cannot fault. */
static void check_kept(struct order *o)
{
	for (size_t i = 0; i < o->kept_count; i++) {
		struct ml_model_result seen;
		enum ml_model_fault fault =
			ml_model_walk(&o->rig->model, o->kept[i].va, ML_MODEL_READ, false, &seen);

		if (fault == ML_MODEL_GROUP && group_stands(o, &seen))
			fault = ML_MODEL_OK;
		if (fault || seen.pa != o->kept[i].pa || announced(o, seen.entry, seen.level))
			fail(o, "va 0x%" PRIx64 ": an access would have faulted (%s)",
			     o->kept[i].va, ml_model_fault_name(fault));
	}
}

static void hear(void *cookie, const struct ml_event *event)
{
	struct order *o = cookie;

	if (o->failed)
		return;
	note_store(o, event->kind);
	switch (event->kind) {
	case ML_EVENT_STORE:
	case ML_EVENT_EXCHANGE:
	case ML_EVENT_LINK:
		on_store(o, event);
		break;
	case ML_EVENT_FILL:
		on_fill(o, event);
		break;
	case ML_EVENT_INVALIDATE:
		on_invalidate(o, &event->what);
		break;
	case ML_EVENT_COMPLETE:
		on_complete(o);
		break;
	case ML_EVENT_ALLOC:
		on_alloc(o, event);
		break;
	case ML_EVENT_FREE:
		on_free(o, event);
		break;
	default:
		break;
	}
	if (event->kind <= ML_EVENT_EXCHANGE && event->kind != ML_EVENT_FILL)
		check_kept(o);
}

void order_keep(struct order *o, ml_va va, ml_va last)
{
	const uint64_t page = rig_page(o->rig), pages = (last - va) / page + 1;
	const uint64_t step = pages > ORDER_KEPT / 2 ? pages / (ORDER_KEPT / 2) + 1 : 1;

	for (uint64_t i = 0; i < pages && o->kept_count < ORDER_KEPT; i += step) {
		/* from both ends in turn */
		const ml_va at = i / step % 2 ? va + i * page : va + (pages - 1 - i) * page;
		struct ml_model_result seen;

		if (ml_model_walk(&o->rig->model, at, ML_MODEL_READ, false, &seen) != ML_MODEL_OK)
			continue;
		o->kept[o->kept_count].va = at;
		o->kept[o->kept_count++].pa = seen.pa;
	}
}

void order_begin(struct order *o, struct rig *rig, const struct ml_table_config *wish)
{
	struct order_table *root;

	o->rig = rig;
	o->bbm = wish && !(wish->errata & ML_ERRATUM_ONE_SIZE) ? wish->bbm : 0;
	o->repeated = wish && wish->errata & ML_ERRATUM_REPEAT;
	o->kept_count = 0;
	o->failed = false;
	o->table_count = 0;
	o->stale_count = 0;
	o->invalidations = 0;
	o->trace = (struct ml_trace){
		.arena = rig->arena, .watch = hear, .cookie = o, .forget = true
	};
	root = table_add(o, ml_table_root(&rig->table));
	root->linked = true;
	root->entered = true;
	root->level = (uint8_t)(rig->table.levels - 1);
	root->va = rig->facts->high ? rig->facts->high_first : 0;
	ml_trace_to(&o->trace);
}

bool order_operation(struct order *o)
{
	o->stored = false;
	o->unpublished = false;
	o->invalidations = 0;
	o->kept_count = 0;
	for (size_t i = 0; i < o->table_count; i++)
		o->tables[i].moves = false;
	return !o->failed;
}

bool order_settled(struct order *o)
{
	if (!o->failed && o->stale_count)
		fail(o, "0x%" PRIx64 "..0x%" PRIx64 " was changed and not invalidated",
		     o->stale[0].first, o->stale[0].last);
	check_published(o, "the end");
	return !o->failed;
}

void order_end(struct order *o)
{
	ml_trace_to(NULL);
	ml_trace_clear(&o->trace);
}
