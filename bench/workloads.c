/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/*
 * The workloads as data, and the state of one while it is measured. Offsets decide which
 * leaves fit: PA off by 2M leaves only 2M leaves, off by 64K only 64K groups (4K pages where
 * a format has no groups), off by 4K only pages.
 */
#include <string.h>

#include "work.h"

#define TIB (1024 * GIB)
#define GIB_PAGES (GIB / PAGE)
#define GIB_BLOCKS (GIB / BLOCK)

/* clang-format off */
#define MAPS .library = &map_library, .limit = &map_limit, \
	     .library_check = work_library_mapped, .limit_check = work_limit_mapped
#define UNMAPS .library = &unmap_library, .limit = &unmap_limit, \
	       .library_check = work_library_unmapped, .limit_check = work_limit_unmapped
#define TRANSLATES .library_check = translate_check, .limit_check = translate_check, \
		   .setup = work_map_all
#define PROTECTS .library = &protect_library, .limit = &protect_limit, .setup = work_map_all, \
		 .library_check = protect_check, .limit_check = protect_limit_check
#define MOVES .live = true, .flush_goal = true, .flushes = 1, .setup = work_map_all, \
	      .library = &move_library, .limit = &move_limit, .library_check = move_check, \
	      .limit_check = move_check
#define CHURNS .library = &churn_library, .limit = &churn_limit, \
	       .library_check = churn_check, .limit_check = churn_limit_check

/* Calls of pte.h on a live table of 4K pages; the limit works on the library's own entries. */
#define ENTRIES(name) .live = true, .flush_goal = true, .setup = pte_setup, \
		      .library = &name##_library, .limit = &name##_limit

/* Calls of space.h; the limit is what the table alone does, or what the tables alone cost. */
#define SPACE(kind) .live = true, .space = true, .deposits = DEPOSITS_##kind
#define REMAPS .setup = space_setup, .library = &remap_library, .limit = &remap_limit, \
	       .library_check = remap_check, .limit_check = remap_limit_check
#define FORKS .setup = space_fork_setup, .library = &space_fork_library, \
	      .limit = &space_fork_limit, .library_check = space_fork_check, \
	      .limit_check = space_fork_limit_check
#define PARTS .call = PAGE, .stride = BLOCK, .first = 300 * PAGE, .setup = space_setup, \
	      .library = &part_library, .library_check = part_check
#define STEPS .call = GIB, .longest = true, .setup = space_setup, \
	      .library = &steps_library, .limit = &steps_limit, \
	      .library_check = steps_check, .limit_check = steps_limit_check
#define FINDS .setup = find_setup, .library_check = find_check, .limit_check = find_check
#define FOLDED .fold = ML_FOLD_COMPLETE, .groups_only = true, LEAVES(16)
/* clang-format on */
#define CALLS(bytes) .call = (bytes), .stride = (bytes)
#define LEAVES(shift) .leaf_shift = (shift), .leaf_shift_arm64 = (shift)

const struct workload workloads[] = {
	{ "m1g", "leaf", 64, .range = 64 * GIB, CALLS(GIB), .offset = 0, LEAVES(30), MAPS,
	  .limit_map = limit_map_1g_leaf },
	{ "m2m", "leaf", 16 * GIB_BLOCKS, .range = 16 * GIB, CALLS(GIB), .offset = BLOCK,
	  LEAVES(21), MAPS, .limit_map = limit_map_1g_by_2m },
	{ "m64k", "page", GIB_PAGES, .range = GIB, CALLS(GIB), .offset = 64 * KIB, .leaf_shift = 12,
	  .leaf_shift_arm64 = 16, MAPS, .limit_map = limit_map_1g_by_64k },
	{ "m4k", "page", GIB_PAGES, .range = GIB, CALLS(GIB), .offset = PAGE, LEAVES(12), MAPS,
	  .limit_map = limit_map_1g_by_4k },
	{ "m4kx", "call", GIB_PAGES, .range = GIB, CALLS(PAGE), .offset = PAGE, LEAVES(12), MAPS,
	  .limit_map = limit_map_4k_leaf },
	{ "m4kxf", "call", GIB_PAGES, .range = GIB, CALLS(PAGE), .offset = 0, LEAVES(16), MAPS,
	  .fold = ML_FOLD_COMPLETE, .groups_only = true, .limit_map = limit_map_4k_fold },
	{ "u1g", "leaf", 64, .range = 64 * GIB, CALLS(GIB), .offset = 0, UNMAPS,
	  .limit_map = limit_map_1g_leaf, .limit_unmap = limit_unmap_1g_leaf },
	{ "u2m", "leaf", 16 * GIB_BLOCKS, .range = 16 * GIB, CALLS(GIB), .offset = BLOCK, UNMAPS,
	  .limit_map = limit_map_1g_by_2m, .limit_unmap = limit_unmap_1g },
	{ "u64k", "page", GIB_PAGES, .range = GIB, CALLS(GIB), .offset = 64 * KIB, UNMAPS,
	  .limit_map = limit_map_1g_by_64k, .limit_unmap = limit_unmap_1g },
	{ "u4k", "page", GIB_PAGES, .range = GIB, CALLS(GIB), .offset = PAGE, UNMAPS,
	  .limit_map = limit_map_1g_by_4k, .limit_unmap = limit_unmap_1g },
	{ "u4kd", "page", GIB_PAGES, .range = GIB, CALLS(GIB), .offset = PAGE, UNMAPS, .sink = true,
	  .limit_map = limit_map_1g_by_4k, .limit_unmap = limit_unmap_1g_read },
	{ "split", "split", GIB_BLOCKS, .range = GIB, .call = PAGE, .stride = BLOCK,
	  .first = 300 * PAGE, .offset = BLOCK, .library = &unmap_library, .limit = &unmap_limit,
	  .library_check = work_library_split, .limit_check = work_limit_split,
	  .limit_map = limit_map_1g_by_2m, .limit_unmap = limit_split_2m },
	{ "x4k", "walk", 8192, .range = GIB, .offset = PAGE, LEAVES(12), TRANSLATES,
	  .library = &translate_library, .limit = &translate_limit },
	{ "x4kd", "walk", 8192, .range = GIB, .offset = PAGE, LEAVES(12), TRANSLATES,
	  .library = &translate_dependent_library, .limit = &translate_dependent_limit },
	{ "x2m", "walk", 8192, .range = GIB, .offset = BLOCK, LEAVES(21), TRANSLATES,
	  .library = &translate_library, .limit = &translate_limit },
	{ "x2md", "walk", 8192, .range = GIB, .offset = BLOCK, LEAVES(21), TRANSLATES,
	  .library = &translate_dependent_library, .limit = &translate_dependent_limit },
	{ "c4k", "page", GIB_PAGES, .range = GIB, .offset = PAGE, PROTECTS,
	  .limit_protect = limit_protect_plain },
	{ "c4kl", "page", GIB_PAGES / 8, .range = GIB / 8, .offset = PAGE, PROTECTS, .live = true,
	  .limit_protect = limit_protect_locked },
	{ "ch2m", "pair", 1024, .range = GIB, CALLS(BLOCK), .first = 100 * BLOCK, .offset = BLOCK,
	  CHURNS, .setup = churn_setup_near, .limit_map = limit_map_2m_leaf,
	  .limit_unmap = limit_unmap_2m_leaf },
	{ "ch4k", "pair", 64, .range = GIB, CALLS(BLOCK), .first = 100 * BLOCK, .offset = PAGE,
	  CHURNS, .setup = churn_setup_near, .limit_map = limit_map_2m_by_4k,
	  .limit_unmap = limit_unmap_2m_table },
	{ "ch1", "pair", 1024, .range = GIB, CALLS(PAGE), .first = 300 * PAGE, .offset = PAGE,
	  CHURNS, .setup = churn_setup_near, .limit_map = limit_map_4k_leaf,
	  .limit_unmap = limit_unmap_4k_leaf },
	{ "ch1f", "pair", 1024, .range = GIB, CALLS(PAGE), .first = 300 * PAGE, .offset = PAGE,
	  CHURNS, .setup = churn_setup_far, .limit_map = limit_map_4k_leaf,
	  .limit_unmap = limit_unmap_4k_leaf },
	/*
	 * What must be flushed: nothing for setting what was empty or clearing accessed (S1.11);
	 * once for a group that folds and once for one that unfolds, both of which break (A11);
	 * once for all rights, entries or dirty marks that a batch takes away.
	 */
	{ "s16", "call", GIB_PAGES / 8 / 16, .range = GIB / 8, .call = 16 * PAGE, FOLDED,
	  ENTRIES(set), .library_check = work_library_mapped, .limit_check = set_limit_check },
	{ "s512", "call", GIB_BLOCKS / 8, .range = GIB / 8, .call = BLOCK, FOLDED, ENTRIES(set),
	  .library_check = work_library_mapped, .limit_check = set_limit_check },
	{ "s1f", "call", GIB_PAGES / 8 / 16, .range = GIB / 8, FOLDED, ENTRIES(complete),
	  .flushes = 1, .library_check = work_library_mapped, .limit_check = work_library_mapped },
	{ "refold", "pair", GIB_PAGES / 8 / 16, .range = GIB / 8, FOLDED, ENTRIES(refold),
	  .flushes = 2, .library_check = work_library_mapped, .limit_check = work_library_mapped },
	{ "wp2m", "2M", GIB_BLOCKS / 8, .range = GIB / 8, .call = BLOCK, FOLDED, ENTRIES(wrprotect),
	  .flushes = 1, .library_check = wrprotect_check, .limit_check = wrprotect_check },
	{ "td1g", "1G", 1, .range = GIB, FOLDED, ENTRIES(teardown), .flushes = 1,
	  .library_check = teardown_check, .limit_check = teardown_check },
	{ "y1g", "group", GIB_PAGES / 16, .range = GIB, FOLDED, ENTRIES(young), .tracked = true,
	  .library_check = young_check, .limit_check = young_check },
	{ "fork1g", "1G", 1, .range = GIB, .offset = BLOCK, LEAVES(21), .live = true,
	  .flush_goal = true, .flushes = 1, .setup = fork_setup, .library = &fork_library,
	  .limit = &fork_limit, .library_check = fork_check, .limit_check = fork_check },
	{ "move1g", "1G", 1, .range = GIB, .offset = BLOCK, LEAVES(21), MOVES },
	{ "move4k", "1G", 1, .range = GIB, .offset = PAGE, LEAVES(12), MOVES },
	{ "h1g", "1G", 1, .range = GIB, .offset = PAGE, LEAVES(12), ENTRIES(harvest),
	  .tracked = true, .flushes = 1, .library_check = harvest_check,
	  .limit_check = harvest_check },
	{ "remap", "1G", 1, .range = GIB, .offset = BLOCK, LEAVES(21), SPACE(NONE), REMAPS },
	{ "remapd", "1G", 1, .range = GIB, .offset = BLOCK, LEAVES(21), SPACE(ALL), REMAPS },
	{ "r1t", "1T", 1, .range = TIB, LEAVES(30), SPACE(NONE), REMAPS },
	{ "r1td", "1T", 1, .range = TIB, LEAVES(30), SPACE(ONE), REMAPS },
	{ "r64gd", "64G", 1, .range = 64 * GIB, LEAVES(30), SPACE(ALL), REMAPS },
	{ "sfork", "1G", 1, .range = GIB, LEAVES(21), SPACE(NONE), FORKS },
	{ "sforkd", "1G", 1, .range = GIB, LEAVES(21), SPACE(ALL), FORKS },
	{ "part", "page", GIB_BLOCKS, .range = GIB, .offset = BLOCK, LEAVES(21), SPACE(NONE), PARTS,
	  .limit = &part_limit, .limit_check = part_limit_check },
	{ "partd", "page", GIB_BLOCKS, .range = GIB, .offset = BLOCK, LEAVES(21), SPACE(ALL), PARTS,
	  .limit = &part_limit, .limit_check = part_limit_check },
	{ "parts", "page", GIB_BLOCKS, .range = GIB, .offset = BLOCK, LEAVES(21), SPACE(NONE),
	  PARTS, .limit = &split_limit, .limit_check = split_limit_check },
	{ "find", "find", 8192, SPACE(NONE), FINDS, .library = &find_library,
	  .limit = &find_limit },
	{ "findd", "find", 8192, SPACE(NONE), FINDS, .library = &find_dependent_library,
	  .limit = &find_dependent_limit },
	{ "t1t", "step", 1, .range = TIB, LEAVES(30), SPACE(NONE), STEPS },
	{ "t1td", "step", 1, .range = TIB, LEAVES(30), SPACE(ONE), STEPS },
	{ "t64gd", "step", 1, .range = 64 * GIB, LEAVES(30), SPACE(ALL), STEPS },
	{ "t1t2m", "step", 1, .range = TIB, .offset = BLOCK, LEAVES(21), SPACE(NONE), STEPS },
};

const unsigned workload_count = sizeof(workloads) / sizeof(workloads[0]);

/* The least a sink can do that an embedder would: add up what is gone. */
static void count_bytes(void *cookie, const struct ml_run *run)
{
	struct bench *bench = cookie;

	bench->seen += run->length;
}

static uint64_t block_unit(void *cookie, ml_pa pa)
{
	(void)cookie, (void)pa;
	return BLOCK;
}

struct ml_table_config bench_table_config(const struct workload *work, struct arena *arena,
					  const struct ml_table_ops *ops)
{
	const struct ml_table_config config = {
		.platform = &arena_platform,
		.cookie = arena,
		.base = arena->memory,
		.fold = work->fold,
		.live = work->live,
		.guaranteed = work->deposits != DEPOSITS_NONE,
		.deposit_one = work->deposits == DEPOSITS_ONE,
		.hardware_ad = work->live,
		.track_ad = work->tracked,
		.ad_unit = work->tracked ? block_unit : NULL,
		.ops = ops,
	};

	return config;
}

int bench_init(struct bench *bench, const struct workload *work, const struct ml_format *format,
	       struct arena *arena, const struct ml_table_ops *ops)
{
	const struct ml_table_config config = bench_table_config(work, arena, ops);
	int error;

	memset(bench, 0, sizeof(*bench));
	bench->work = work;
	bench->format = format;
	bench->api = &bench_library;
	bench->arena = arena;
	bench->limit_translate = format->encoding == ML_ENCODING_ARM64 ? limit_translate_arm64
								       : limit_translate_x86_64;
	if (work->sink) {
		bench->op.sink = count_bytes;
		bench->op.sink_cookie = bench;
		bench->op_used = &bench->op;
	}
	error = ml_table_init(&bench->table, format, &config);
	if (error != 0)
		return error;
	error = limit_init(&bench->limit, format, &arena_platform, arena, arena->memory);
	if (error != 0) {
		ml_table_fini(&bench->table, NULL);
		return error;
	}
	limit_view(&bench->view, &bench->limit, bench->table.root);
	if (work->setup)
		work->setup(bench);
	return bench->error;
}

void bench_fini(struct bench *bench)
{
	if (bench->single.format)
		ml_table_fini(&bench->single, NULL);
	if (bench->space.table.format)
		ml_space_fini(&bench->space);
	ml_table_fini(&bench->table, NULL);
	limit_fini(&bench->limit);
}
