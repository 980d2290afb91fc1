/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/*
 * What `maxleaf plan` was asked: between its options (cmd_plan.c) and its report (plan_report.c).
 * The checks of a range serve other commands, too.
 */
#ifndef MAXLEAF_CLI_PLAN_H
#define MAXLEAF_CLI_PLAN_H

#include "cli.h"

/* A checked request: aligned, not wrapping, inside what the format translates. */
struct plan_request {
	const struct ml_format *format;
	ml_va va;
	ml_pa pa;
	uint64_t size;
	uint32_t rungs;
	unsigned levels;
};

/* Whether `levels` levels of the format translate every byte of [va, va + size). */
bool plan_covers(const struct ml_format *format, unsigned levels, ml_va va, uint64_t size);

/* Die unless [va, va + size) does not wrap and is all translated. size is not 0. */
void plan_check_va(const char *where_va, const char *where_size, const struct plan_request *r);

void plan_report_text(const struct plan_request *request);
void plan_report_json(const struct plan_request *request);

#endif
