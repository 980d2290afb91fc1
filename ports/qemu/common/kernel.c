/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* The kernel's own table: the image by sections, all memory, the device; and its users. */
#include <maxleaf/pool.h>

#include "board.h"

/*
 * The direct map is taken apart and put together while page.c allocates, so the tables for that
 * cannot come from there: they are in the image, which nothing ever splits.
 */
#define POOL_BYTES ((size_t)8 << 20) /* every large leaf keeps what its split takes */

extern char image_start[], text_end[], user_text_end[], rodata_end[], data_end[], user_data_end[];
extern char image_end[];

struct ml_table board_kernel;
static char pool_memory[POOL_BYTES] __attribute__((aligned(4096)));
static struct ml_pool pool;

static const struct ml_platform kernel_platform = {
	.table_alloc = ml_pool_alloc,
	.table_free = ml_pool_free,
	.table_pointer = ml_pool_pointer,
	.invalidate = isa_invalidate,
	.complete = isa_complete,
};

/* The pool is every table's cookie: a table lends to those of its own cookie alone. */
void board_configure(struct ml_table_config *config)
{
	if (!config->platform)
		config->platform = &board_platform;
	config->cookie = &pool;
	config->base = (char *)ISA_DIRECT; /* NOLINT */
	config->live = true;
	isa_config(config);
}

void board_kernel_map(ml_va va, uint64_t bytes, ml_pa pa, ml_prot prot)
{
	int error = ml_map(&board_kernel, va, bytes, pa, prot | ML_GLOBAL, NULL);

	if (error)
		board_die("kernel table: %lx+%lx: %s", va, bytes, ml_error_name(error));
}

static void map_section(const char *start, const char *end, ml_prot prot)
{
	if (start != end)
		board_kernel_map((uintptr_t)start, (uint64_t)(end - start),
				 (uintptr_t)start - ISA_IMAGE, prot);
}

void board_kernel_init(void)
{
	struct ml_table_config config = { .platform = &kernel_platform,
					  .high = !ISA_KERNEL_BYTES,
					  .fold = ML_FOLD_BLOCK };

	board_configure(&config);
	config.base = (char *)ISA_IMAGE; /* NOLINT */
	if (ml_pool_init(&pool, pool_memory, (uintptr_t)pool_memory - ISA_IMAGE, POOL_BYTES,
			 ml_format_table_bytes(&ISA_FORMAT, 0)) ||
	    ml_table_init(&board_kernel, &ISA_FORMAT, &config))
		board_die("the kernel has no table");
	map_section(image_start, text_end, ML_READ | ML_PEXEC);
	map_section(text_end, user_text_end, ML_READ | ML_USER | ML_EXEC);
	map_section(user_text_end, rodata_end, ML_READ);
	map_section(rodata_end, data_end, ML_RW);
	map_section(data_end, user_data_end, ML_RW | ML_USER);
	map_section(user_data_end, image_end, ML_RW);
	board_kernel_map(ISA_DIRECT + ISA_RAM_PA, ISA_RAM_BYTES, ISA_RAM_PA, ML_RW);
	board_kernel_map(ISA_DIRECT + ISA_DEVICE_PA, 4096, ISA_DEVICE_PA, ML_RW | ML_DEV_STRICT);
}

void board_borrow_kernel(struct ml_table *t)
{
	if (ISA_KERNEL_BYTES &&
	    ml_table_share(t, &board_kernel, ISA_KERNEL, ISA_KERNEL_BYTES, NULL))
		board_die("the kernel's table cannot be lent");
}

int board_table_init(struct ml_table *t, const struct ml_table_config *wish)
{
	struct ml_table_config config = wish ? *wish : (struct ml_table_config){ 0 };
	int error;

	board_configure(&config);
	error = ml_table_init(t, &ISA_FORMAT, &config);
	if (!error)
		board_borrow_kernel(t);
	return error;
}
