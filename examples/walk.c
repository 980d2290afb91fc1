/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/*
 * Follow one address down a table as the hardware does, entry by entry, and decode
 * each; then let the library say the same in one call.
 */
#include <inttypes.h>
#include <stdio.h>

#include <maxleaf/hosted.h>
#include <maxleaf/maxleaf.h>

static const char *const kinds[] = { "empty", "invalid", "table", "leaf" };

static int print_walk(const struct ml_table *table, ml_va va)
{
	struct ml_translation translation;
	struct ml_walk walk;
	int error = ml_walk(table, va, &walk);

	for (unsigned i = 0; !error && i < walk.count; i++) {
		const struct ml_walk_entry *at = &walk.entries[i];
		struct ml_entry entry;

		error = ml_format_decode(table->format, &table->types, at->pte, at->level, &entry);
		printf("  %-4s [%3" PRIu32 "] = %016" PRIx64 "  %s",
		       table->format->level_names[at->level], at->index, at->pte, kinds[at->kind]);
		if (!error && entry.kind == ML_KIND_LEAF)
			printf(" -> %#" PRIx64 "%s", entry.pa, entry.group ? ", of a group" : "");
		printf("\n");
	}
	if (!error)
		error = ml_translate(table, va, &translation);
	if (!error)
		printf("  %#" PRIx64 " is %#" PRIx64 ", in a leaf of %u KiB\n", va, translation.pa,
		       1u << (table->format->rungs[ml_translation_rung(table, &translation)].shift -
			      10));
	return error;
}

int main(void)
{
	struct ml_malloc heap = { 0 };
	struct ml_table_config config = { .platform = &ml_malloc_platform, .cookie = &heap };
	struct ml_table table;
	int error = ml_table_init(&table, &ml_format_arm64_4k, &config);

	if (!error) {
		error = ml_map(&table, 0x40000000, 0x210000, 0x80000000, ML_RW | ML_USER, NULL);
		if (!error)
			error = print_walk(&table, 0x40123456);
		if (!error)
			error = print_walk(&table, 0x40201000);
		ml_table_fini(&table, NULL);
	}
	if (error)
		fprintf(stderr, "maxleaf: walk: %s\n", ml_error_text(error));
	return error ? 2 : 0;
}
