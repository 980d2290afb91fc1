/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* A few pages of memory in which a test writes tables by hand for the model MMU to walk. */
#ifndef MODEL_RAM_H
#define MODEL_RAM_H

#include <string.h>

#include <maxleaf/hosted.h>

#include "t.h"

#define RAM_PAGES 6
#define RAM_PA 0x7000u
#define RAM_TABLE(number) (RAM_PA + 0x1000u * (number)) /* the physical address of a page */

static uint64_t ram[RAM_PAGES][512];
static ml_pa ram_hole; /* an address that cannot be read */

static inline bool ram_read(void *cookie, ml_pa pa, uint64_t *memory)
{
	(void)cookie;
	if (pa < RAM_PA || pa - RAM_PA >= sizeof(ram) || pa == ram_hole)
		return false;
	*memory = ram[(pa - RAM_PA) >> 12][(pa & 0xfff) >> 3];
	return true;
}

/* Forget all tables; the root is page 0. */
static inline struct ml_model ram_model(enum ml_model_kind kind, unsigned levels, uint64_t types)
{
	struct ml_model model = {
		.kind = kind,
		.levels = levels,
		.types = types,
		.root = RAM_TABLE(0),
		.read = ram_read,
	};

	memset(ram, 0, sizeof(ram));
	ram_hole = 0;
	return model;
}

struct ram_access {
	enum ml_model_access access;
	bool user;
};

/* The six ways to access memory. */
static const struct ram_access ram_accesses[] = {
	{ ML_MODEL_READ, false }, { ML_MODEL_READ, true },     { ML_MODEL_WRITE, false },
	{ ML_MODEL_WRITE, true }, { ML_MODEL_EXECUTE, false }, { ML_MODEL_EXECUTE, true },
};

/* Bit n is set if ram_accesses[n] is allowed; every other fault than permission is a complaint. */
static inline unsigned ram_rights(const struct ml_model *model, ml_va va)
{
	unsigned rights = 0;

	for (unsigned i = 0; i < 6; i++) {
		struct ml_model_result result;
		enum ml_model_fault fault = ml_model_walk(model, va, ram_accesses[i].access,
							  ram_accesses[i].user, &result);

		t_ok(fault == ML_MODEL_OK || fault == ML_MODEL_PERMISSION);
		rights |= (unsigned)(fault == ML_MODEL_OK) << i;
	}
	return rights;
}

/* The same bits from what should be allowed. */
static inline unsigned ram_rights_of(bool user_read, bool kernel_write, bool user_write,
				     bool kernel_execute, bool user_execute)
{
	return 1u | (unsigned)user_read << 1 | (unsigned)kernel_write << 2 |
	       (unsigned)user_write << 3 | (unsigned)kernel_execute << 4 |
	       (unsigned)user_execute << 5;
}

/* A privileged read, which nothing but a missing or broken entry stops. */
#define ram_fault(model, va) \
	ml_model_walk((model), (va), ML_MODEL_READ, false, &(struct ml_model_result){ 0 })

#endif
