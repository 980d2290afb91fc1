/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/*
 * The one door for entries: every load and store of a page-table entry goes through here,
 * and from here through the port. Nothing else dereferences a ml_pte.
 */
#ifndef ML_TABLE_ENTRY_H
#define ML_TABLE_ENTRY_H

#include "base/bits.h"
#include <maxleaf/table.h>

#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
#define ML_HOST_BIG_ENDIAN 1
#else
#define ML_HOST_BIG_ENDIAN 0
#endif

/* Between CPU order and the format's order in memory. */
ML_INLINE ml_pte entry_order(const struct ml_format *f, ml_pte pte)
{
	return f->big_endian == ML_HOST_BIG_ENDIAN ? pte : ml_swap(pte);
}

ML_INLINE ml_pte entry_load(const struct ml_format *f, const ml_pte *p)
{
	return entry_order(f, ML_PORT_LOAD(p));
}

/* A store that a walker may see at once. */
ML_INLINE void entry_store(const struct ml_format *f, ml_pte *p, ml_pte pte)
{
	ML_PORT_STORE(p, entry_order(f, pte));
}

/* A store into a table that nothing walks yet. */
ML_INLINE void entry_fill(const struct ml_format *f, ml_pte *p, ml_pte pte)
{
	ML_PORT_FILL(p, entry_order(f, pte));
}

/* Link a table: its contents are visible to whoever sees the link. */
ML_INLINE void entry_link(const struct ml_format *f, ml_pte *p, ml_pte pte)
{
	ML_PORT_LINK(p, entry_order(f, pte));
}

ML_INLINE ml_pte entry_exchange(const struct ml_format *f, ml_pte *p, ml_pte pte)
{
	return entry_order(f, ML_PORT_EXCHANGE(p, entry_order(f, pte)));
}

/* Replace *old by pte; on failure *old is what stands there. */
ML_INLINE bool entry_replace(const struct ml_format *f, ml_pte *p, ml_pte *old, ml_pte pte)
{
	ml_pte expected = entry_order(f, *old);
	const bool done = ML_PORT_COMPARE_EXCHANGE(p, &expected, entry_order(f, pte));

	*old = entry_order(f, expected);
	return done;
}

ML_INLINE void entry_put(const struct ml_format *f, ml_pte *p, ml_pte pte, bool fresh)
{
	if (fresh)
		entry_fill(f, p, pte);
	else
		entry_store(f, p, pte);
}

/*
 * count leaves from pte on, step apart. Four chains, so that no addition waits for the one
 * before.
 */
ML_INLINE void entry_put_run(const struct ml_format *f, ml_pte *p, uint64_t count, ml_pte pte,
			     uint64_t step, bool fresh)
{
	ml_pte second = pte + step, third = second + step, fourth = third + step;

#pragma GCC unroll 2 /* the exit of a loop of 64 turns is predicted, of 128 it is not */
	for (; count >= 4; count -= 4, p += 4) {
		entry_put(f, p, pte, fresh);
		entry_put(f, p + 1, second, fresh);
		entry_put(f, p + 2, third, fresh);
		entry_put(f, p + 3, fourth, fresh);
		pte += 4 * step;
		second += 4 * step;
		third += 4 * step;
		fourth += 4 * step;
	}
	for (; count; count--, p++, pte += step)
		entry_put(f, p, pte, fresh);
}

ML_INLINE void entry_clear_run(const struct ml_format *f, ml_pte *p, uint64_t count)
{
	for (; count; count--, p++)
		entry_fill(f, p, 0);
}

#endif
