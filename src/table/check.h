/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* Reading a whole table and judging it: pointers, reserved bits, groups, empty tables, counts. */
#ifndef ML_TABLE_CHECK_H
#define ML_TABLE_CHECK_H

#include "table/deposit.h"
#include "table/run.h"

struct checker {
	const struct ml_table *t;
	bool foreign;           /* built by others: look for tables linked twice */
	struct ml_stats *found; /* leaves and tables counted, and what leaves own as reserved */
	struct ml_fault *fault;
	uint64_t most; /* tables there may be; every one below a root entry of its own */
};

/* One table on the way. */
struct check_frame {
	const ml_pte *table;
	ml_pa pa;
	ml_va va;
	unsigned index;
	unsigned used; /* entries not empty so far */
};

ML_INLINE int check_fault(const struct checker *c, const struct check_frame *frame, unsigned level,
			  ml_pte pte, ml_va va, const char *what, int error)
{
	if (c->fault) {
		c->fault->va = va;
		c->fault->table = frame->pa;
		c->fault->pte = pte;
		c->fault->index = frame->index;
		c->fault->level = (uint8_t)level;
		c->fault->what = what;
	}
	return error;
}

/*
 * A member of a group: the whole group is uniform, its frames aligned. Counts at the first
 * member.
 */
ML_INLINE const char *check_group(const struct ml_format *f, const struct checker *c,
				  const struct check_frame *frame, ml_pte pte, unsigned level)
{
	const unsigned rung = f->group_rung[level];
	const unsigned count = rung ? 1u << f->rungs[rung].lg2_entries : 0;
	ml_pte merged;

	if (!rung)
		return "contiguous hint where no group exists";
	if (frame->index & (count - 1))
		return NULL;
	if (!ml_aligned(codec_leaf_pa(f, pte, level), f->rungs[rung].shift))
		return "contiguous group of misaligned frames";
	if (run_length(f, frame->table + frame->index, pte, count, level, &merged) != count)
		return "contiguous group not uniform";
	c->found->leaves[rung]++;
	return NULL;
}

/* A member that is not its group's first: the first says the rest, if it is a member too. */
ML_INLINE const char *check_member(const struct ml_format *f, const struct check_frame *frame,
				   unsigned level)
{
	const unsigned rung = f->group_rung[level];
	const unsigned first = rung ? frame->index & ~((1u << f->rungs[rung].lg2_entries) - 1) : 0;
	const ml_pte pte = entry_load(f, frame->table + first);

	if (codec_is_leaf(f, pte, level) && pte & codec_group(f))
		return NULL;
	return "contiguous group not uniform";
}

ML_PART const char *check_leaf(const struct ml_format *f, const struct checker *c,
			       const struct check_frame *frame, ml_pte pte, unsigned level)
{
	const ml_pa pa = codec_leaf_pa(f, pte, level);
	const char *what;

	c->found->reserved += tables_owed(f, c->t, pte, level);
	if ((pa + (ML_BIT(f->level_shift[level]) - 1)) >> c->t->pa_bits)
		return "frame beyond the physical width";
	if (level && !f->block_rung[level])
		return "leaf at a level that has none";
	if (pte & codec_group(f)) {
		what = check_group(f, c, frame, pte, level);
		return what ? what : check_member(f, frame, level);
	}
	c->found->leaves[rung_of(f, pte, level)]++;
	return NULL;
}

/* One table on the way of counting links. */
struct link_frame {
	const ml_pte *table;
	unsigned index;
};

/*
 * Whether more than one entry links the table at pa: it would be freed twice. Reads tables only,
 * and no more of them than `most`: what is shared or loops is found before it can multiply.
 */
ML_PART bool linked_twice(const struct ml_format *f, const struct ml_table *t, ml_pa pa,
			  uint64_t most)
{
	struct link_frame frames[ML_LEVEL_MAX];
	unsigned level = root_level(t), links = pa == t->root_pa;

	frames[level].table = t->root;
	frames[level].index = 0;
	for (;;) {
		struct link_frame *frame = frames + level;
		ml_pte pte;

		if (frame->index == table_entries(f, level)) {
			if (level == root_level(t))
				return false;
			level++;
			continue;
		}
		if (level == root_level(t) && is_borrowed(t, frame->index)) {
			frame->index++;
			continue;
		}
		pte = entry_load(f, frame->table + frame->index++);
		if (!codec_is_table(f, pte, level))
			continue;
		if ((codec_table_pa(f, pte) == pa && ++links > 1) || !most--)
			return true;
		if (level > 1) {
			const ml_pte *below = table_below(f, t, pte, level--);

			frames[level].table = below;
			if (!below)
				return false; /* the check itself comes to that */
			frames[level].index = 0;
		}
	}
}

/* Go into the table that pte links. */
ML_INLINE const char *check_enter(const struct ml_format *f, struct checker *c,
				  struct check_frame *frame, ml_pte pte, ml_va va, unsigned level)
{
	frame->pa = codec_table_pa(f, pte);
	frame->table = NULL;
	frame->va = va;
	frame->index = 0;
	frame->used = 0;
	if (!(frame->pa >> c->t->pa_bits) && !(frame->pa & (table_bytes(f, level - 1) - 1)))
		frame->table = c->t->platform->table_pointer(c->t->cookie, frame->pa,
							     table_bytes(f, level - 1));
	if (!frame->table)
		return "table pointer that leads nowhere";
	if (!c->most--)
		return "more tables than there may be, or a loop";
	if (c->foreign && linked_twice(f, c->t, frame->pa, c->found->tables + c->most))
		return "table linked twice";
	c->found->tables++;
	return NULL;
}

/*
 * Only the root, what others built, what waits for entries to come, tables that several writers
 * use, and those that a lender keeps for its borrowers.
 */
ML_INLINE bool may_be_empty(const struct ml_table *t, const struct check_frame *frame,
			    unsigned level)
{
	if (level >= t->top || t->foreign || t->hollow)
		return true;
	return level + 1 == root_level(t) && is_lent(t, frame[1].index);
}

ML_INLINE int table_check(const struct ml_format *f, const struct ml_table *t, uint64_t most,
			  struct ml_stats *found, struct ml_fault *fault)
{
	struct checker c = { t, t->foreign, found, fault, most };
	struct check_frame frames[ML_LEVEL_MAX + 1], *frame = frames + root_level(t);
	unsigned level = root_level(t);
	const struct check_frame root = { t->root, t->root_pa, 0, 0, 0 };

	*frame = root;
	found->tables = 1;
	for (;;) {
		const bool top = level == root_level(t);
		const ml_va va =
			top ? root_va(f, t, frame->index)
			    : frame->va + ((uint64_t)frame->index << f->level_shift[level]);
		const char *what = NULL;
		ml_pte pte;

		if (frame->index == table_entries(f, level)) {
			if (!frame->used && !may_be_empty(t, frame, level))
				return check_fault(&c, frame, level, 0, frame->va, "empty table",
						   ML_ERR_BAD_COUNT);
			if (top)
				return ML_OK;
			frame = frames + ++level;
			frame->index++;
			continue;
		}
		if (top && is_borrowed(t, frame->index)) {
			frame->index++;
			continue;
		}
		pte = entry_load(f, frame->table + frame->index);
		frame->used += pte != 0;
		if (codec_reserved(f, pte, level))
			return check_fault(&c, frame, level, pte, va, "reserved bit set",
					   ML_ERR_BAD_ENTRY);
		if (codec_is_table(f, pte, level)) {
			what = check_enter(f, &c, frame - 1, pte, va, level);
			if (what)
				return check_fault(&c, frame, level, pte, va, what,
						   ML_ERR_BAD_TABLE);
			frame = frames + --level;
			continue;
		}
		if (codec_is_leaf(f, pte, level))
			what = check_leaf(f, &c, frame, pte, level);
		if (what)
			return check_fault(&c, frame, level, pte, va, what, ML_ERR_BAD_ENTRY);
		frame->index++;
	}
}

#endif
