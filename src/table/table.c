/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/*
 * The public calls of one table: its life, and the way from each call to the format's algorithms.
 */
#include "table/check.h"
#include "table/map.h"
#include "table/ops.h"

#define ERRATA \
	(ML_ERRATUM_NO_GROUPS | ML_ERRATUM_SMALL_EXEC | ML_ERRATUM_ONE_SIZE | ML_ERRATUM_REPEAT)

/* The rung of lock_unit, or ML_RUNG_MAX. */
static unsigned unit_rung(const struct ml_format *format, uint64_t lock_unit)
{
	unsigned rung;

	for (rung = 0; rung < format->rung_count; rung++)
		if (lock_unit == ML_BIT(format->rungs[rung].shift))
			return rung;
	return ML_RUNG_MAX;
}

/*
 * Deposits and the tables they come from would be shared by all writers; and who finds a table
 * linked could not know that its link has been written back.
 */
static int check_lock_unit(const struct ml_format *format, const struct ml_table_config *config)
{
	const unsigned levels = config->levels ? config->levels : format->levels_default;
	const unsigned rung = unit_rung(format, config->lock_unit);

	if (!config->lock_unit)
		return ML_OK;
	if (rung == ML_RUNG_MAX || format->rungs[rung].level >= levels)
		return ML_ERR_CONFIG;
	if (config->guaranteed || config->fold == ML_FOLD_BLOCK || config->platform->table_sync)
		return ML_ERR_CONFIG;
	return ML_OK;
}

/* Whether leaves own tables, if it is said how many, or which of them do not. */
static bool deposits_make_sense(const struct ml_format *format,
				const struct ml_table_config *config)
{
	const ml_prot mark = config->refaultable;

	if (mark & (mark - 1) || mark & ~(format->prot_mask & ML_SOFT_MASK))
		return false;
	return (!config->deposit_one && !mark) || config->guaranteed ||
	       config->fold == ML_FOLD_BLOCK;
}

/* Whether the configuration makes sense for the format. */
static int check_config(const struct ml_format *format, const struct ml_table_config *config)
{
	const struct ml_platform *platform = config->platform;

	if (!platform || !platform->table_pointer || !platform->table_free)
		return ML_ERR_CONFIG;
	if (config->levels &&
	    (config->levels < format->levels_min || config->levels > format->levels_max))
		return ML_ERR_CONFIG;
	if (config->pa_bits > format->pa_bits ||
	    (config->pa_bits && config->pa_bits <= format->page_shift))
		return ML_ERR_CONFIG;
	if (config->rungs >> format->rung_count || (config->rungs && !(config->rungs & 1)))
		return ML_ERR_CONFIG;
	if (config->fold > ML_FOLD_BLOCK || (config->high && format->sign_extended))
		return ML_ERR_CONFIG;
	if (config->bbm > format->bbm_most || config->errata & ~ERRATA)
		return ML_ERR_CONFIG;
	if (config->live && (!platform->invalidate || !platform->complete))
		return ML_ERR_CONFIG;
	if (!deposits_make_sense(format, config))
		return ML_ERR_CONFIG;
	return check_lock_unit(format, config);
}

/* One writer, or one for each unit: no entry above a unit's level is any one's own. */
static void configure_locking(struct ml_table *t, const struct ml_table_config *config)
{
	const unsigned rung = unit_rung(t->format, config->lock_unit);

	t->top = t->levels - 1;
	t->units = config->lock_unit != 0;
	if (!t->units)
		return;
	t->top = t->format->rungs[rung].level;
	t->rungs &= ((uint32_t)2 << rung) - 1;
}

/* What a live change needs, decided once: of the format, of the walkers, of their errata. */
static void choose_policy(struct ml_table *t, const struct ml_format *f,
			  const struct ml_table_config *config)
{
	const bool one_size = config->errata & ML_ERRATUM_ONE_SIZE;
	unsigned rung;

	t->announces = f->break_size && f->announce_bit && config->bbm == 1 && !one_size;
	t->break_size = one_size || (f->break_size && config->bbm < 2 && !t->announces);
	t->break_group = one_size || (f->break_group && config->bbm < 2);
	t->hitless = !t->announces && !t->break_size && !t->break_group;
	t->repeats = config->errata & ML_ERRATUM_REPEAT;
	t->small_exec = config->errata & ML_ERRATUM_SMALL_EXEC;
	t->careful = t->small_exec;
	t->each_member = config->each_member;
	for (rung = 1; config->errata & ML_ERRATUM_NO_GROUPS && rung < f->rung_count; rung++)
		if (f->rungs[rung].lg2_entries)
			t->rungs &= ~((uint32_t)1 << rung);
}

/* Runs of small leaves, set by the caller, that need no second look. */
static void choose_runs(struct ml_table *t)
{
	const unsigned rung = t->format->group_rung[0];

	if (!rung || t->fold == ML_FOLD_MAP || !(t->rungs >> rung & 1))
		return;
	t->run_mask = ML_BIT(t->format->rungs[rung].lg2_entries) - 1;
	if (t->ad_unit || t->careful)
		t->run_mask = ~(uint64_t)0;
	t->run_hint = codec_group(t->format);
}

/* Everything but the root. */
static void configure(struct ml_table *t, const struct ml_format *format,
		      const struct ml_table_config *config)
{
	const struct ml_table empty = { 0 };
	unsigned top;

	*t = empty;
	t->format = format;
	t->ops = config->ops ? config->ops : format->ops;
	t->platform = config->platform;
	t->cookie = config->cookie;
	t->base = config->base;
	t->levels = config->levels ? config->levels : format->levels_default;
	t->pa_bits = config->pa_bits ? config->pa_bits : format->pa_bits;
	t->rungs = config->rungs ? config->rungs : ml_format_default_rungs(format);
	t->fold = config->fold;
	t->live = config->live;
	t->guaranteed = config->guaranteed || config->fold == ML_FOLD_BLOCK;
	t->deposit_one = config->deposit_one;
	t->track_ad = config->track_ad;
	t->hardware_ad = config->hardware_ad;
	t->ad_unit = config->ad_unit;
	t->memo_prot = ~(ml_prot)0; /* none that can be mapped */
	configure_locking(t, config);
	choose_policy(t, format, config);
	choose_runs(t);
	ml_types_init(&t->types, format, config->types);
	t->refaultable = config->refaultable;
	t->refault_bit = codec_leaf_bits(format, &t->types, ML_READ | t->refaultable, 0) ^
			 codec_leaf_bits(format, &t->types, ML_READ, 0);
	top = t->levels - 1u;
	t->va_bits = (uint8_t)(format->level_shift[top] + format->index_bits[top]);
	if (format->sign_extended)
		t->origin = 0 - ML_BIT(t->va_bits - 1);
	else if (config->high)
		t->origin = 0 - ML_BIT(t->va_bits);
}

/* Which short ways are open: asked again whenever something it depends on changes. */
static void choose_ways(struct ml_table *t)
{
	t->direct = t->base && !t->foreign && t->levels == t->format->levels_default;
	t->plain = t->direct && !t->platform->table_sync && !t->platform->assert_locked &&
		   !t->shared_count && !t->pinned_count && !t->units && !t->never_fault;
}

int ml_table_init(struct ml_table *t, const struct ml_format *format,
		  const struct ml_table_config *config)
{
	int error = check_config(format, config);
	unsigned top;

	if (error)
		return error;
	if (!config->platform->table_alloc)
		return ML_ERR_CONFIG;
	configure(t, format, config);
	top = root_level(t);
	t->root = t->platform->table_alloc(t->cookie, NULL, table_bytes(format, top), &t->root_pa);
	if (!t->root)
		return ML_ERR_NO_MEMORY;
	entry_clear_run(format, t->root, table_entries(format, top));
	publish(t, NULL, t->root, table_entries(format, top));
	t->stats.tables = 1;
	choose_ways(t);
	return ML_OK;
}

/* Whether a leaf found is larger than one writer's unit. */
static bool exceeds_unit(const struct ml_table *t, const struct ml_stats *found, uint64_t lock_unit)
{
	unsigned rung = t->units ? unit_rung(t->format, lock_unit) + 1 : t->format->rung_count;

	for (; rung < t->format->rung_count; rung++)
		if (found->leaves[rung])
			return true;
	return false;
}

int ml_table_adopt(struct ml_table *t, const struct ml_format *format,
		   const struct ml_table_config *config, ml_pa root, uint64_t tables_most)
{
	struct ml_table made;
	struct ml_stats found = { 0 };
	int error = check_config(format, config);

	if (error)
		return error;
	configure(&made, format, config);
	made.foreign = true;
	made.base = NULL; /* tables of others go through the hook that checks bounds */
	made.root_pa = root;
	made.root = made.platform->table_pointer(made.cookie, root,
						 table_bytes(format, root_level(&made)));
	if (!made.root || tables_most == 0)
		return ML_ERR_BAD_TABLE;
	error = made.ops->check(&made, tables_most - 1, &found, NULL);
	if (error)
		return error;
	made.stats.tables = found.tables;
	if (found.reserved || exceeds_unit(&made, &found, config->lock_unit))
		return ML_ERR_CONFIG;
	*t = made;
	return ML_OK;
}

/* What is left when everything is unmapped. */
static void free_root(struct ml_table *t, struct ml_op *op)
{
	ml_supply_trim(t, op, &t->spare, 0);
	t->platform->table_free(t->cookie, op, t->root, t->root_pa,
				table_bytes(t->format, root_level(t)));
	t->root = NULL;
	t->stats.tables = 0;
}

void ml_table_fini(struct ml_table *t, struct ml_op *op)
{
	begin(t, op);
	t->ops->release_all(t, op);
	free_root(t, op);
}

void ml_table_set_live(struct ml_table *t, bool live)
{
	t->live = live;
}

/* Whether leaves stand in the range that are larger than its piece. */
static bool holds_larger(const struct ml_table *t, const struct ml_never_fault *range)
{
	struct ml_cursor cursor = { range->va, range->va + (range->len - 1), false };
	struct ml_run run;

	while (ml_run_next(t, &cursor, &run))
		if (ML_BIT(t->format->rungs[run.rung].shift) > range->piece)
			return true;
	return false;
}

int ml_never_fault(struct ml_table *t, struct ml_never_fault *range)
{
	const uint64_t page = ML_BIT(t->format->page_shift);
	const uint64_t piece = range->piece ? range->piece : page;
	int error = check_change(t->format, t, range->va, range->len);

	if (error)
		return error;
	if (piece & (piece - 1) || piece < page)
		return ML_ERR_SIZE;
	if ((range->va | range->len) & (piece - 1))
		return ML_ERR_ALIGN;
	if (never_fault_in(t, range->va, range->va + (range->len - 1)))
		return ML_ERR_ARGUMENT;
	range->piece = piece;
	if (!t->hitless && holds_larger(t, range))
		return ML_ERR_EXISTS;
	begin(t, NULL);
	range->next = t->never_fault;
	t->never_fault = range;
	t->careful = true;
	choose_ways(t);
	choose_runs(t);
	return ML_OK;
}

void ml_may_fault(struct ml_table *t, struct ml_never_fault *range)
{
	struct ml_never_fault **link = &t->never_fault;

	begin(t, NULL);
	while (*link != range)
		link = &(*link)->next;
	*link = range->next;
	t->careful = t->small_exec || t->never_fault;
	choose_ways(t);
	choose_runs(t);
}

ml_pa ml_table_root(const struct ml_table *t)
{
	return t->root_pa;
}

bool ml_table_covers(const struct ml_table *t, ml_va va, uint64_t len)
{
	return len && va + len - 1 >= va && covers(t, va, va + len - 1);
}

int ml_table_check_range(const struct ml_table *t, ml_va va, uint64_t len)
{
	return check_change(t->format, t, va, len);
}

int ml_table_check_frames(const struct ml_table *t, ml_pa pa, uint64_t len)
{
	return check_pa(t->format, t, pa, len);
}

int ml_map(struct ml_table *t, ml_va va, uint64_t len, ml_pa pa, ml_prot prot, struct ml_op *op)
{
	return t->ops->map(t, va, len, pa, prot, op);
}

int ml_map_extents(struct ml_table *t, ml_va va, const struct ml_extent *extents, size_t count,
		   ml_prot prot, struct ml_op *op)
{
	struct mapping m = { .va = va, .extents = extents, .count = count, .prot = prot };

	if (!count || !extents)
		return ML_ERR_ARGUMENT;
	return t->ops->map_general(t, &m, op);
}

/* Keep len bytes from skip on: whole extents go, then parts of the outermost ones. */
static int narrow(struct mapping *m, uint64_t skip, uint64_t len)
{
	size_t number;

	for (; m->count && skip >= m->extents->length; m->count--)
		skip -= m->extents++->length;
	m->skip = skip;
	for (number = 0; number < m->count; number++, skip = 0) {
		const uint64_t length = m->extents[number].length - skip;

		if (len <= length) {
			m->cut = length - len;
			m->count = number + 1;
			return ML_OK;
		}
		len -= length;
	}
	return ML_ERR_ARGUMENT;
}

int ml_map_extents_part(struct ml_table *t, ml_va va, uint64_t len, const struct ml_extent *extents,
			size_t count, uint64_t skip, ml_prot prot, struct ml_op *op)
{
	struct mapping m = { .va = va, .extents = extents, .count = count, .prot = prot };
	int error = extents ? narrow(&m, skip, len) : ML_ERR_ARGUMENT;

	return error ? error : t->ops->map_general(t, &m, op);
}

/* The tables of a mapping, now or in the worst case. */
static int demand_of(const struct ml_table *t, struct mapping *m, const struct ml_op *op,
		     bool worst, uint64_t *tables)
{
	struct demand demand;
	int error = t->ops->map_prepare(t, m, op, worst, &demand);

	if (!error)
		*tables = demand_sum(&demand);
	return error;
}

int ml_map_tables(const struct ml_table *t, ml_va va, uint64_t len, ml_pa pa, ml_prot prot,
		  const struct ml_op *op, uint64_t *tables)
{
	const struct ml_extent extent = { pa, len };
	struct mapping m = { .va = va, .extents = &extent, .count = 1, .prot = prot };

	return demand_of(t, &m, op, false, tables);
}

int ml_prepare(const struct ml_table *t, ml_va va, uint64_t len, ml_pa pa, ml_prot prot,
	       struct ml_reserve *reserve, struct ml_op *op)
{
	const struct ml_extent extent = { pa, len };
	struct mapping m = { .va = va, .extents = &extent, .count = 1, .prot = prot };
	uint64_t tables = 0;
	int error = demand_of(t, &m, op, true, &tables);

	return error ? error : ml_supply_fill(t, op, reserve, tables);
}

int ml_unmap(struct ml_table *t, ml_va va, uint64_t len, struct ml_op *op)
{
	return t->ops->unmap(t, va, len, op);
}

int ml_protect(struct ml_table *t, ml_va va, uint64_t len, ml_prot mask, ml_prot value,
	       struct ml_op *op)
{
	if (!t->track_ad && mask & value & ML_WRITE && !(mask & ML_DIRTY)) {
		mask |= ML_DIRTY; /* as mapping does: a machine that sets no mark would fault */
		value |= ML_DIRTY;
	}
	return t->ops->protect(t, va, len, mask, value, op);
}

int ml_split(struct ml_table *t, ml_va va, uint64_t len, unsigned rung, struct ml_op *op)
{
	return t->ops->split(t, va, len, rung, op);
}

int ml_fold(struct ml_table *t, ml_va va, uint64_t len, unsigned rung, struct ml_op *op)
{
	return t->ops->fold(t, va, len, rung, op);
}

int ml_table_trim(struct ml_table *t, ml_va va, uint64_t len, struct ml_op *op)
{
	return t->ops->trim(t, va, len, op);
}

int ml_harvest(struct ml_table *t, ml_va va, uint64_t len, struct ml_harvest *harvest,
	       struct ml_op *op)
{
	return t->ops->harvest(t, va, len, harvest, op);
}

int ml_copy(struct ml_table *to, struct ml_table *from, ml_va va, uint64_t len, ml_prot from_clears,
	    ml_prot copy_clears, struct ml_op *op)
{
	return from->ops->copy(to, from, va, len, from_clears, copy_clears, op);
}

int ml_move(struct ml_table *t, ml_va from, ml_va to, uint64_t len, struct ml_op *op)
{
	return t->ops->move(t, from, to, len, op);
}

int ml_translate(const struct ml_table *t, ml_va va, struct ml_translation *translation)
{
	return t->ops->translate(t, va, translation);
}

ml_prot ml_translation_prot(const struct ml_table *t, const struct ml_translation *translation)
{
	return codec_prot(t->format, &t->types, translation->pte, translation->level);
}

unsigned ml_translation_rung(const struct ml_table *t, const struct ml_translation *translation)
{
	return rung_of(t->format, translation->pte, translation->level);
}

int ml_walk(const struct ml_table *t, ml_va va, struct ml_walk *walk)
{
	return t->ops->walk(t, va, walk);
}

bool ml_run_next(const struct ml_table *t, struct ml_cursor *cursor, struct ml_run *run)
{
	return t->ops->run_next(t, cursor, run);
}

/* Whether [va, va + len) are whole root entries of both, and one may borrow from the other. */
static int check_shared_range(const struct ml_table *t, const struct ml_table *lender, ml_va va,
			      uint64_t len)
{
	const unsigned shift = t->format->level_shift[root_level(t)];
	const ml_va last = va + len - 1;
	const uint32_t first = index_of(t->format, va, root_level(t));
	const uint32_t count = index_of(t->format, last, root_level(t)) - first + 1;
	int error = check_range(t->format, t, va, len);

	if (error)
		return error;
	if (!ml_aligned(va | len, shift))
		return ML_ERR_ALIGN;
	if (t == lender || t->format != lender->format || t->levels != lender->levels ||
	    t->origin != lender->origin || t->cookie != lender->cookie ||
	    t->types.type_of_slot != lender->types.type_of_slot || t->shared_count ||
	    lender->shared_count || (t->live && !lender->live))
		return ML_ERR_CONFIG;
	if (lender->pinned_count &&
	    (lender->pinned_first != first || lender->pinned_count != count))
		return ML_ERR_CONFIG;
	return ML_OK;
}

int ml_table_share(struct ml_table *t, struct ml_table *lender, ml_va va, uint64_t len,
		   struct ml_op *op)
{
	const ml_va last = va + len - 1;
	int error = check_shared_range(t, lender, va, len);

	if (error)
		return error;
	begin(t, op);
	begin(lender, op);
	error = t->ops->share(t, lender, va, last, op);
	if (error || is_dry(op))
		return error;
	t->shared_first = lender->pinned_first = index_of(t->format, va, root_level(t));
	t->shared_count = lender->pinned_count =
		index_of(t->format, last, root_level(t)) - t->shared_first + 1;
	if (t->base != lender->base)
		t->base = NULL; /* not all tables are where it says */
	choose_ways(t);
	choose_ways(lender);
	return ML_OK;
}

int ml_table_check(const struct ml_table *t, struct ml_fault *fault)
{
	const struct ml_fault nothing = { 0, t->root_pa, 0, 0, 0, "counts differ" };
	struct ml_stats found = { 0 };
	int error = t->ops->check(t, t->stats.tables, &found, fault);

	if (error)
		return error;
	if (found.tables == t->stats.tables && t->spare.count >= t->owed + t->pledged &&
	    t->owed == found.reserved)
		return ML_OK;
	if (fault)
		*fault = nothing;
	return ML_ERR_BAD_COUNT;
}

void ml_table_stats(const struct ml_table *t, struct ml_stats *stats)
{
	struct ml_stats found = { 0 };
	unsigned rung;

	(void)t->ops->check(t, ~(uint64_t)0, &found, NULL);
	*stats = t->stats;
	for (rung = 0; rung < ML_RUNG_MAX; rung++)
		stats->leaves[rung] = found.leaves[rung];
	stats->reserved = t->spare.count;
	stats->table_bytes = (t->stats.tables - 1 + t->spare.count) * table_bytes(t->format, 0) +
			     table_bytes(t->format, root_level(t));
}
