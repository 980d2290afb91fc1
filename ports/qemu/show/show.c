/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* A board at work, for a person to read: what is called, which leaves there are, what CPUs see. */
#include "board.h"

#define MIB ((uint64_t)1 << 20)
#define PAGE ((uint64_t)4096)
#define USER_RW (ML_RW | ML_USER)

/* Addresses that agree modulo 32 MiB; the range begins and ends 64 KiB off any such multiple. */
#define VA (((ml_va)2048 << 30) + 30 * MIB + 0x10000)
#define PA (BOARD_MEMORY_PA + 30 * MIB + 0x10000)
#define BYTES (66 * MIB)

static struct ml_table table;
static struct ml_stats before;

static void must(int error, const char *what)
{
	if (error)
		board_die("%s: %s", what, ml_error_text(error));
}

/* ---- leaves ------------------------------------------------------------------------------ */

static void print_size(uint64_t bytes)
{
	static const char units[] = "KMGT";
	unsigned unit = 0;

	for (bytes >>= 10; bytes >= 1024 && bytes % 1024 == 0; bytes >>= 10)
		unit++;
	board_printf("%lu%s", bytes, (const char[]){ units[unit], 0 });
}

static void print_run(const struct ml_table *t, const struct ml_run *run)
{
	const uint64_t leaf = (uint64_t)1 << t->format->rungs[run->rung].shift;

	board_printf("    0x%lx -> 0x%lx  %s%s%s%s  %lu x ", run->va, run->pa,
		     run->prot & ML_USER ? "user " : "kernel ", run->prot & ML_READ ? "r" : "-",
		     run->prot & ML_WRITE ? "w" : "-", run->prot & (ML_EXEC | ML_PEXEC) ? "x" : "-",
		     run->length / leaf);
	print_size(leaf);
	board_printf("\n");
}

static void print_runs(const struct ml_table *t, ml_va va, ml_va last)
{
	struct ml_cursor cursor = { .va = va, .last = last };
	struct ml_run run;

	while (ml_run_next(t, &cursor, &run))
		print_run(t, &run);
}

/* ---- steps ------------------------------------------------------------------------------- */

static void begin(const char *text)
{
	before = table.stats;
	board_printf("\n%s\n", text);
}

/* What the step left, and what it cost. */
static void end(void)
{
	const struct ml_stats *now = &table.stats;

	print_runs(&table, VA, VA + BYTES - 1);
	board_printf("    %lu tables; this step: %lu splits, %lu folds, %lu invalidations, "
		     "%lu completions\n",
		     now->tables, now->splits - before.splits, now->folds - before.folds,
		     now->invalidations - before.invalidations,
		     now->completions - before.completions);
}

static void access(unsigned cpu, enum board_access what, ml_va va)
{
	static const char *const names[] = { "loads from", "stores to", "executes" };
	static const char *const causes[] = { "",
					      "not mapped",
					      "not allowed",
					      "access flag clear",
					      "reserved bit",
					      "another fault" };
	const struct board_trap trap = board_probe(cpu, what, true, va, va);

	board_printf("    CPU %u %s 0x%lx: ", cpu, names[what], va);
	if (trap.cause != BOARD_CALL)
		board_printf("fault at 0x%lx, %s\n", trap.address, causes[trap.cause]);
	else if (what == BOARD_LOAD)
		board_printf("0x%lx\n", trap.value);
	else
		board_printf("done\n");
}

static void stamp(void)
{
	for (uint64_t at = 0; at < BYTES; at += PAGE)
		*(uint64_t *)board_pointer(PA + at) = PA + at;
}

/* The kernel reads a table that was freed: page allocation has taken it out of the direct map. */
static void use_after_free(ml_pa freed)
{
	const struct board_trap trap =
		board_probe(0, BOARD_LOAD, false, (uintptr_t)board_pointer(freed), 0);

	begin("The page of that freed table is unmapped from the direct map. A use after free:");
	board_printf("    the kernel loads from 0x%lx: %s\n", (uintptr_t)board_pointer(freed),
		     trap.cause == BOARD_NOT_MAPPED ? "fault, not mapped" : "no fault");
}

/* A page table below the root that is the first page's now. */
static ml_pa lowest_table(void)
{
	struct ml_walk walk;

	must(ml_walk(&table, VA + 40 * MIB, &walk), "walk");
	return walk.entries[walk.count - 1].table;
}

static void show(void)
{
	const ml_va page = VA + 40 * MIB;
	ml_pa small;

	begin("Map 66 MiB of memory, user read and write, in one call.");
	must(ml_map(&table, VA, BYTES, PA, USER_RW, NULL), "map");
	end();
	for (unsigned cpu = 0; cpu < board_cpus; cpu++)
		access(cpu, BOARD_LOAD, VA + cpu * 17 * MIB);
	begin("Take the right to write from one page, 40 MiB into it.");
	must(ml_protect(&table, page, PAGE, ML_WRITE, 0, NULL), "protect");
	end();
	access(board_cpus - 1, BOARD_STORE, page);
	access(board_cpus - 1, BOARD_STORE, page + PAGE);
	small = lowest_table();
	begin("Give it back, and fold: the leaves are as large as they were.");
	must(ml_protect(&table, page, PAGE, ML_WRITE, ML_WRITE, NULL), "protect");
	must(ml_fold(&table, VA, BYTES, table.format->rung_count - 1u, NULL), "fold");
	end();
	access(0, BOARD_STORE, page);
	use_after_free(small);
	begin("Unmap all but the last 64 KiB.");
	must(ml_unmap(&table, VA, BYTES - 16 * PAGE, NULL), "unmap");
	end();
	access(board_cpus - 1, BOARD_LOAD, page);
}

int board_payload(void)
{
	board_printf("maxleaf %s, format %s: %u CPUs, %u levels, %u-bit physical addresses,\n"
		     "accessed and dirty set by %s\n",
		     ml_version(), ISA_FORMAT.name, board_cpus, board_kernel.levels,
		     board_kernel.pa_bits, board_kernel.hardware_ad ? "hardware" : "software");
	board_printf("\nThe kernel's own table, made by the same library and in use now:\n");
	print_runs(&board_kernel, 0, UINT64_MAX);
	stamp();
	must(board_table_init(&table, NULL), "table");
	board_use(&table);
	show();
	board_use(NULL);
	ml_table_fini(&table, NULL);
	board_printf("\nAll unmapped, %lu pages not given back.\n", board_pages_used);
	return board_pages_used != 0;
}
