/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* The kernel's own table: the image by sections, all memory, the devices. */
#include <maxleaf/pool.h>

#include "board.h"

/*
 * The direct map is taken apart and put together while page.c allocates, so the tables for that
 * cannot come from there: they are in the image, which nothing ever splits.
 */
#define POOL_BYTES ((size_t)8 << 20) /* every large leaf keeps what its split takes */

extern char image_start[], text_end[], rodata_end[], user_text_start[], user_text_end[];
extern char user_data_start[], user_data_end[], image_end[];

struct ml_table board_kernel;
static char pool_memory[POOL_BYTES] __attribute__((aligned(4096)));
static struct ml_pool pool;

/* The cookie is that of every table of the board: a table lends to those of its own cookie alone. */
static void *kernel_alloc(void *cookie, struct ml_op *op, size_t bytes, ml_pa *pa)
{
	(void)cookie;
	return ml_pool_alloc(&pool, op, bytes, pa);
}

static void kernel_free(void *cookie, struct ml_op *op, void *table, ml_pa pa, size_t bytes)
{
	(void)cookie;
	ml_pool_free(&pool, op, table, pa, bytes);
}

static void *kernel_pointer(void *cookie, ml_pa pa, size_t bytes)
{
	(void)cookie;
	return ml_pool_pointer(&pool, pa, bytes);
}

static const struct ml_platform kernel_platform = {
	.table_alloc = kernel_alloc,
	.table_free = kernel_free,
	.table_pointer = kernel_pointer,
	.invalidate = isa_invalidate,
	.complete = isa_complete,
};

static void map(ml_va va, uint64_t bytes, ml_pa pa, ml_prot prot)
{
	int error = ml_map(&board_kernel, va, bytes, pa, prot | ML_GLOBAL, NULL);

	if (error)
		board_die("kernel table: %lx+%lx: %s", va, bytes, ml_error_name(error));
}

static void map_section(const char *start, const char *end, ml_prot prot)
{
	if (start != end)
		map((uintptr_t)start, (uint64_t)(end - start), (uintptr_t)start - ISA_IMAGE, prot);
}

void board_map_device(ml_pa pa, uint64_t bytes)
{
	map(ISA_DIRECT + pa, bytes, pa, ML_RW | ML_DEV_STRICT);
}

void board_kernel_init(void)
{
	const struct ml_table_config config = {
		.platform = &kernel_platform,
		.base = (char *)ISA_IMAGE, /* NOLINT */
		.levels = (uint8_t)isa_levels(),
		.pa_bits = (uint8_t)isa_pa_bits(),
		.high = !ISA_KERNEL_BYTES,
		.fold = ML_FOLD_BLOCK,
		.hardware_ad = isa_hardware_ad(),
		.live = true,
	};
	int error = ml_pool_init(&pool, pool_memory, (uintptr_t)pool_memory - ISA_IMAGE, POOL_BYTES,
				 ml_format_table_bytes(&ISA_FORMAT, 0));

	if (!error)
		error = ml_table_init(&board_kernel, &ISA_FORMAT, &config);
	if (error)
		board_die("kernel table: %s", ml_error_name(error));
	map_section(image_start, text_end, ML_READ | ML_PEXEC);
	map_section(text_end, rodata_end, ML_READ);
	map_section(rodata_end, user_text_start, ML_RW);
	map_section(user_text_start, user_text_end, ML_READ | ML_USER | ML_EXEC);
	map_section(user_data_start, user_data_end, ML_RW | ML_USER);
	map_section(user_data_end, image_end, ML_RW);
	map(ISA_DIRECT + ISA_RAM_PA, ISA_RAM_BYTES, ISA_RAM_PA, ML_RW);
	isa_map_devices();
}

int board_table_init(struct ml_table *t, const struct ml_table_config *wish)
{
	struct ml_table_config config = wish ? *wish : (struct ml_table_config){ 0 };
	int error;

	if (!config.platform)
		config.platform = &board_platform;
	config.cookie = NULL;
	config.base = (char *)ISA_DIRECT; /* NOLINT */
	config.levels = (uint8_t)isa_levels();
	config.pa_bits = (uint8_t)isa_pa_bits();
	config.hardware_ad = isa_hardware_ad();
	config.live = true;
	error = ml_table_init(t, &ISA_FORMAT, &config);
	if (error || !ISA_KERNEL_BYTES)
		return error;
	error = ml_table_share(t, &board_kernel, ISA_KERNEL, ISA_KERNEL_BYTES, NULL);
	if (error)
		ml_table_fini(t, NULL);
	return error;
}
