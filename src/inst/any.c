/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* All formats with one copy of the code: the descriptor is read at run time. */
#define INSTANCE_FORMAT(table) ((table)->format)

#include "inst/instance.h"

const struct ml_table_ops ml_table_ops_any = INSTANCE_OPS;
