/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/*
 * What the library needs from its embedder at run time: table memory, physical ->
 * pointer, TLB invalidation. One struct of callbacks, constant, kept by reference; every
 * callback gets the table's cookie and the operation's pointer (NULL where the caller
 * passed none). Callbacks must not re-enter the library with the same table.
 */
#ifndef MAXLEAF_PLATFORM_H
#define MAXLEAF_PLATFORM_H

#include <maxleaf/tlb.h>

#ifdef __cplusplus
extern "C" {
#endif

struct ml_op;

struct ml_platform {
	/*
	 * Table memory: `bytes` long and aligned to `bytes` (a power of two from 32 to 64K);
	 * contents are of no matter. Stores its physical address in *pa and returns the
	 * pointer, or returns NULL. Called only before the first store of an operation. Required
	 * unless every operation brings a reserve.
	 */
	void *(*table_alloc)(void *cookie, struct ml_op *op, size_t bytes, ml_pa *pa);

	/* Give table memory back; called after the invalidation that covers it completed. */
	void (*table_free)(void *cookie, struct ml_op *op, void *table, ml_pa pa, size_t bytes);

	/*
	 * A pointer to the table at pa, or NULL if [pa, pa + bytes) is not memory that may
	 * hold tables. Required. Tables that the library did not build itself
	 * (ml_table_adopt) are always reached through this hook, so it must check bounds.
	 */
	void *(*table_pointer)(void *cookie, ml_pa pa, size_t bytes);

	/*
	 * Before a table is linked and after entries changed, for walkers that are not coherent
	 * with the CPU's caches: write the range back. NULL: walkers are coherent.
	 */
	void (*table_sync)(void *cookie, struct ml_op *op, const void *memory, size_t bytes);

	/* Issue an invalidation; it need not be complete on return. Required for live tables. */
	void (*invalidate)(void *cookie, struct ml_op *op, const struct ml_invalidation *what);

	/*
	 * Wait until every invalidation issued so far by this CPU is complete on every CPU.
	 * Required for live tables.
	 */
	void (*complete)(void *cookie, struct ml_op *op);

	/*
	 * Called once by every changing call: assert that the caller holds the table's lock.
	 * NULL: none.
	 */
	void (*assert_locked)(void *cookie, struct ml_op *op);
};

#ifdef __cplusplus
}
#endif
#endif
