/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/*
 * A driver that shows a device's buffer: one call fills a table of entries with raw frames that
 * have no descriptor; the driver names no ISA, no bits and no group. Then one page goes again.
 */
#include <inttypes.h>
#include <stdio.h>

#include <maxleaf/hosted.h>
#include <maxleaf/maxleaf.h>

#define BUFFER_VA 0x40000000u
#define BUFFER_PA 0x80000000u

/* Map one table's worth of the buffer. Nobody reads accessed and dirty of device frames. */
static int map_buffer(struct ml_table *table)
{
	const unsigned count = ml_pte_room(table, BUFFER_VA, 0);
	const uint64_t bytes = (uint64_t)count << table->format->page_shift;
	ml_pte pte;
	int error = ml_pte_make(table, BUFFER_PA, ML_RW | ML_NC | ML_SPECIAL, 0, &pte);

	if (!error)
		error = ml_pte_ensure(table, BUFFER_VA, bytes, 0, NULL);
	if (!error)
		ml_set_ptes(table, BUFFER_VA, ml_pte_pointer(table, BUFFER_VA, 0), 0, pte, count);
	return error;
}

static void print_leaves(const struct ml_table *table, const char *when)
{
	struct ml_stats stats;

	ml_table_stats(table, &stats);
	printf("%s, %s:", table->format->name, when);
	for (unsigned rung = 0; rung < table->format->rung_count; rung++)
		if (stats.leaves[rung])
			printf(" %" PRIu64 " x %u KiB", stats.leaves[rung],
			       1u << (table->format->rungs[rung].shift - 10));
	printf("\n");
}

int main(void)
{
	static const struct ml_format *const formats[] = { &ml_format_x86_64, &ml_format_arm64_4k };
	const struct ml_table_config config = { .platform = &ml_malloc_platform,
						.cookie = &(struct ml_malloc){ 0 },
						.fold = ML_FOLD_COMPLETE };
	struct ml_table t;

	for (unsigned i = 0; i < 2; i++) {
		if (ml_table_init(&t, formats[i], &config) || map_buffer(&t))
			return 2;
		print_leaves(&t, "mapped");
		ml_pte_clear(&t, BUFFER_VA, ml_pte_pointer(&t, BUFFER_VA, 0), 0);
		print_leaves(&t, "a page less");
		ml_table_fini(&t, NULL);
	}
	return 0;
}
