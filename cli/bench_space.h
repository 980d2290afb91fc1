/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/*
 * What the files of `maxleaf bench space` share. The experiment: the life of a piece of memory in
 * 2M leaves - map, fork, move, protect 4K, unmap - in spaces of the library, and by the same calls
 * to the kernel below, in turns.
 */
#ifndef MAXLEAF_CLI_BENCH_SPACE_H
#define MAXLEAF_CLI_BENCH_SPACE_H

#include "bench.h"

#define SPACE_LEAF ((uint64_t)2 << 20)
#define SPACE_ROUNDS_MOST 1001

/* In the order in which they are done. */
enum space_call {
	SPACE_MAP,
	SPACE_FORK,
	SPACE_MOVE,
	SPACE_PROTECT, /* one base page in the middle of a leaf */
	SPACE_UNMAP,
	SPACE_CALLS
};

/* Whose life it is: memory of the library's spaces, and what its leaves own. */
struct space_kind {
	const char *memory; /* "raw" or "anonymous" */
	const char *policy; /* of deposits: "none" or "all" */
	bool raw, guaranteed;
};

#define SPACE_KINDS 4
extern const struct space_kind space_kinds[SPACE_KINDS];

/* One call of the library. */
struct space_sample {
	double ns;
	uint64_t invalidations; /* calls of the platform */
	uint64_t completions;
	uint64_t table_bytes; /* of the space, or of the child, when the call is done; with */
	uint64_t deposits;    /* these tables, which its leaves own */
};

/* One life in the kernel. */
struct space_life {
	double ns[SPACE_CALLS];
	double fork_alone_ns; /* a fork of this process without the memory */
	double zeroing_ns;    /* memset() of the memory */
	bool huge_known;
	uint64_t huge_bytes; /* in 2M leaves */
};

/* --- bench_space_library.c --------------------------------------------------------- */

/* Memory for tables and counts; returns an exit status. */
int space_library_open(uint64_t bytes);
void space_library_close(void);

/* One life of that kind. Returns an exit status: everything must come back. */
int space_library_live(const struct space_kind *kind, struct space_sample samples[SPACE_CALLS]);

/* --- bench_space_kernel.c ---------------------------------------------------------- */

/* Two places for the memory; returns an exit status. */
int space_kernel_open(uint64_t bytes);
void space_kernel_close(void);
int space_kernel_live(struct space_life *life);

/* --- bench_space_report.c ---------------------------------------------------------- */

struct space_row {
	struct bench_spread library_ns;
	struct bench_spread ratio; /* the kernel's time by the library's, within rounds */
	struct space_sample counts;
};

struct space_report {
	struct bench_machine machine;
	const struct ml_format *format;
	uint64_t bytes;
	unsigned rounds;
	struct space_row rows[SPACE_CALLS][SPACE_KINDS];
	struct bench_spread kernel_ns[SPACE_CALLS];
	struct bench_spread fork_alone_ns, zeroing_ns;
	bool huge_known;
	uint64_t huge_bytes;
};

void space_print_text(const struct space_report *report);
void space_print_json(const struct space_report *report);

/* --- bench_space.c ------------------------------------------------------------------ */

/* The command: argv[0] is "space". */
int bench_space(int argc, char **argv);

#endif
