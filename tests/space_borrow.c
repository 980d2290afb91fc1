/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* A space beside a kernel: what its table borrows is the lender's (ml_table_share()). */
#include "support/home.h"
#include "support/rig.h"
#include "t.h"

#define WORLD WORLD_X86_4
#define LENT_BYTES ((uint64_t)512 << 30) /* a root entry in the upper half, as kernels have it */
#define LENT_VA (0 - 2 * LENT_BYTES)

/* A leaf of the kernel's: no space has a reference on it. */
static void borrow(struct home *home, struct rig *kernel, ml_pa pa)
{
	t_eq(rig_open(kernel, WORLD, NULL), ML_OK);
	t_eq(ml_map(&kernel->table, LENT_VA, home_page(home), pa, ML_RW | ML_GLOBAL, NULL), ML_OK);
	t_eq(ml_table_share(&home->space.table, &kernel->table, LENT_VA, LENT_BYTES, NULL), ML_OK);
}

TEST(what_is_borrowed_is_the_lenders)
{
	static const struct ml_region_spec spec = { .prot = ML_RW, .may = ML_RW };
	const ml_va va = 0x200000;
	struct ml_space_stats stats;
	struct home home, child;
	struct rig kernel;
	uint64_t page;
	ml_pa pa;

	T_REQUIRE(home_open(&home, WORLD, NULL) == ML_OK);
	T_REQUIRE(home_open(&child, WORLD, NULL) == ML_OK);
	page = home_page(&home);
	pa = home_frames(WORLD)->pa - page;
	borrow(&home, &kernel, pa);
	t_eq(ml_space_map(&home.space, va, 4 * page, &spec, 0, NULL), ML_OK);
	t_ok(home_store(&home, va, 7));
	ml_space_stats(&home.space, &stats);
	t_eq(stats.counted_bytes, page);
	t_ok(home_is_sound(&home));
	t_eq(ml_space_map(&home.space, LENT_VA - page, page, &spec, 0, NULL), ML_OK);
	t_ok(home_store(&home, LENT_VA - page, 8));
	t_eq(ml_space_map(&home.space, LENT_VA + LENT_BYTES, page, &spec, 0, NULL), ML_OK);
	t_eq(ml_table_share(&child.space.table, &kernel.table, LENT_VA, LENT_BYTES, NULL), ML_OK);
	t_eq(ml_space_fork(&child.space, &home.space), ML_OK);
	ml_space_stats(&child.space, &stats);
	t_eq(stats.counted_bytes, 2 * page);
	t_ok(home_is_sound(&child));
	t_ok(home_close(&child));
	t_eq(ml_space_map(&home.space, LENT_VA, page, &spec, 0, NULL), ML_ERR_SHARED);
	t_eq(ml_space_map(&home.space, LENT_VA - page, 2 * page, &spec, 0, NULL), ML_ERR_SHARED);
	t_ok(home_close(&home));
	t_ok(rig_maps(&kernel, LENT_VA, page, pa, 0));
	t_ok(rig_close(&kernel));
	t_ok(home_is_empty(WORLD));
}
