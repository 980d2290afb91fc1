/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* What the calls on a space share: operations on its table, and taking things out of it. */
#ifndef ML_SPACE_SPACE_H
#define ML_SPACE_SPACE_H

#include "space/region.h"

/* An operation on the table; what it removes is put. */
struct ml_op ml_space_op(struct ml_space *s);

/*
 * Several calls on the table that happen together or not at all: run dry, what they take is added
 * up in *tables and put into a reserve of t's; then they are run.
 */
typedef int ml_space_changes(void *what, struct ml_op *op, uint64_t *tables);
int ml_space_together(struct ml_table *t, struct ml_op *op, ml_space_changes *changes, void *what);

/* From the first region to the last; done: there is none. */
struct ml_cursor ml_space_span(const struct ml_space *s);

/* Tell the notifiers. */
void ml_space_begin(struct ml_space *s, ml_va va, ml_va last);
void ml_space_end(struct ml_space *s, ml_va va, ml_va last);

/*
 * Take the entries of [va, last] out, references dropped, regions kept. A refaultable leaf that
 * reaches over an end goes whole where no table for its split is to be had. Errors:
 * ML_ERR_NO_MEMORY.
 */
int ml_space_zap(struct ml_space *s, ml_va va, ml_va last);

/*
 * Whether these raw frames may be mapped in the region: of the machine, and not refused by their
 * owner, who is asked for all rights that the region may ever have: giving it more asks nobody.
 * Errors: ML_ERR_ALIGN, ML_ERR_WRAP, ML_ERR_PA_RANGE, ML_ERR_ACCESS.
 */
int ml_space_check_frames(const struct ml_space *s, const struct ml_region *region, ml_pa pa,
			  uint64_t len, ml_prot type);

/* ml_run_next() without what the table borrows (ml_table_share()). */
bool ml_space_run_next(const struct ml_space *s, struct ml_cursor *cursor, struct ml_run *run);

/* The size of a leaf, as lg2. */
ML_INLINE unsigned leaf_shift(const struct ml_space *s, const struct ml_translation *leaf)
{
	return s->table.format->rungs[ml_translation_rung(&s->table, leaf)].shift;
}

/* A piece of a leaf. */
struct piece {
	ml_va va, last;
	ml_pa pa;
};

/* What of the leaf around va lies in the region. */
struct piece ml_space_piece(const struct ml_space *s, const struct ml_region *region, ml_va va,
			    const struct ml_translation *leaf);

/* The protection of a leaf that a fault or the owner brings into the region. */
ml_prot ml_space_leaf_prot(const struct ml_space *s, const struct ml_region *region, ml_prot type,
			   bool raw);

#endif
