/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/*
 * Map 3 GiB and 68 KiB of memory and see which leaves it became, in two formats; then make
 * one page of it read-only and see what that took.
 */
#include <inttypes.h>
#include <stdio.h>

#include <maxleaf/hosted.h>
#include <maxleaf/maxleaf.h>

#define VA 0x7f0040000000u
#define PA 0x100000000u
#define LENGTH (0xc0000000u + 0x11000u)

static void print_leaves(const struct ml_table *table)
{
	struct ml_cursor cursor = { .va = VA, .last = VA + LENGTH - 1 };
	struct ml_run run;

	while (ml_run_next(table, &cursor, &run)) {
		uint64_t leaf = (uint64_t)1 << table->format->rungs[run.rung].shift;

		printf("  %#" PRIx64 " -> %#" PRIx64 ": %" PRIu64 " x %" PRIu64 " KiB%s\n", run.va,
		       run.pa, run.length / leaf, leaf >> 10,
		       run.prot & ML_WRITE ? "" : ", read-only");
	}
}

static int show(const struct ml_format *format)
{
	struct ml_malloc heap = { 0 };
	struct ml_table_config config = { .platform = &ml_malloc_platform, .cookie = &heap };
	struct ml_table table;
	int error = ml_table_init(&table, format, &config);

	if (error)
		return error;
	error = ml_map(&table, VA, LENGTH, PA, ML_RW, NULL);
	printf("%s: mapped with %" PRIu64 " tables\n", format->name, heap.in_use);
	print_leaves(&table);
	if (!error)
		error = ml_protect(&table, VA + 0x5000, 0x1000, ML_WRITE, 0, NULL);
	printf("one page read-only: %" PRIu64 " tables\n", heap.in_use);
	print_leaves(&table);
	ml_table_fini(&table, NULL);
	return error;
}

int main(void)
{
	int error = show(&ml_format_x86_64);

	if (!error)
		error = show(&ml_format_arm64_4k);
	if (error)
		fprintf(stderr, "maxleaf: map: %s\n", ml_error_text(error));
	return error ? 2 : 0;
}
