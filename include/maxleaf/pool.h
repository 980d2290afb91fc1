/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/*
 * A ready-made allocator of table memory: a static pool. The embedder gives one block of
 * memory; the pool hands out tables of one size from it and takes them back. Freestanding; no
 * lock (the table's lock covers it when the pool serves one table).
 *
 * A second one, for hosted programs, allocates with malloc: <maxleaf/hosted.h>.
 */
#ifndef MAXLEAF_POOL_H
#define MAXLEAF_POOL_H

#include <maxleaf/platform.h>

#ifdef __cplusplus
extern "C" {
#endif

struct ml_pool {
	char *memory; /* the block, */
	ml_pa pa;     /* its physical address, */
	size_t bytes; /* its length */
	size_t table_bytes;
	void *free;         /* chain of tables given back */
	size_t next;        /* bytes never handed out yet start here */
	uint64_t used;      /* tables handed out now, */
	uint64_t used_most; /* and at most so far: the high-water mark */
};

/*
 * Borrow [memory, memory + bytes), whose physical address is pa, as tables of table_bytes (a
 * power of two, at least 32). memory and pa must be multiples of table_bytes. Errors: ML_ERR_ALIGN,
 * ML_ERR_EMPTY (not even one table fits).
 */
ML_API ML_MUST_CHECK int ml_pool_init(struct ml_pool *pool, void *memory, ml_pa pa, size_t bytes,
				      size_t table_bytes);

/*
 * The pointer to add a physical address to (ml_table_config.base); valid for the pool's addresses
 * only.
 */
ML_API char *ml_pool_base(const struct ml_pool *pool);

/* Callbacks for struct ml_platform; the cookie is the struct ml_pool. Constant time. */
ML_API void *ml_pool_alloc(void *pool, struct ml_op *op, size_t bytes, ml_pa *pa);
ML_API void ml_pool_free(void *pool, struct ml_op *op, void *table, ml_pa pa, size_t bytes);
ML_API void *ml_pool_pointer(void *pool, ml_pa pa, size_t bytes);

#ifdef __cplusplus
}
#endif
#endif
