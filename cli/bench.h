/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/*
 * What the files of `maxleaf bench` share. The experiment: the same physical pages, seen
 * through leaves of three kinds, are read along chains of dependent loads and copied; what
 * is compared is always a pair of chunks measured next to each other in time.
 */
#ifndef MAXLEAF_CLI_BENCH_H
#define MAXLEAF_CLI_BENCH_H

#include <maxleaf/kvm.h>
#include <maxleaf/process.h>

#include "cli.h"

#define BENCH_ROWS_MOST 32
#define BENCH_SMALLEST ((uint64_t)16 << 20)
#define BENCH_PAIRS_LEAST 101

/* How the pages are mapped. */
enum bench_view_name {
	BENCH_SMALL,   /* base pages, va equal to pa modulo every size: a small remap_pfn_range */
	BENCH_SHIFTED, /* base pages, off by one page: nothing in the CPU can merge them */
	BENCH_LARGE,   /* the largest leaves */
	BENCH_VIEWS
};

/* What is done with them. */
enum bench_work {
	BENCH_RANDOM, /* dependent loads: every line, each in another page than the one before */
	BENCH_PAGES,  /* dependent loads: one line of every page */
	BENCH_COPY,   /* memcpy from the lower to the upper half */
	BENCH_WORKS
};

extern const char *const bench_view_names[BENCH_VIEWS]; /* for JSON */
extern const char *const bench_work_names[BENCH_WORKS];

struct bench_spread {
	double low, middle, high; /* first quartile, median, third quartile */
};

struct bench_result {
	bool measured;
	uint64_t pairs;                        /* chunks of each view */
	uint64_t amount;                       /* loads or bytes in one chunk */
	struct bench_spread time[BENCH_VIEWS]; /* ns a load, ns a byte */
	/* time the largest leaves save against that view, 0..1 */
	struct bench_spread gain[BENCH_VIEWS];
};

struct bench_row {
	uint64_t bytes; /* the working set */
	struct bench_result results[BENCH_WORKS];
	struct ml_process_sizes sizes[BENCH_VIEWS]; /* what the kernel said when it was measured */
	bool confirmed;                             /* sizes[] is filled in */
};

/* Whether a spread leaves no doubt that there is a difference. */
bool bench_is_sure(const struct bench_spread *gain);

/* --- bench_machine.c -------------------------------------------------------------- */

struct bench_machine {
	char cpu[128];
	char kernel[96];
	char hypervisor[64]; /* "KVM", ...; "" where there is none */
	bool is_virtual;     /* a hypervisor says so; absence of the sign proves nothing off x86 */
	uint64_t usable;     /* bytes of memory this process may still take */
	const char *limit;   /* what sets that: "MemAvailable", "the cgroup's limit", ... */
};

void bench_machine_read(struct bench_machine *machine);

/* --- ports: bench_process.c, bench_kvm.c ------------------------------------------ */

struct bench_view {
	ml_va va;     /* where byte 0 of the memory is seen */
	bool refused; /* the kernel refused something: */
	struct ml_process_refusal refusal;
};

/* One memory, seen three times. */
struct bench_views {
	const struct bench_port *port;
	char *memory; /* for this process, */
	ml_pa pa;     /* and for tables */
	struct bench_view view[BENCH_VIEWS];
	bool shadowed; /* the CPU walks tables that somebody derived from ours */
	bool broken;   /* a chase or copy failed, which was told */
};

/* Who maps the memory, and whose MMU it is that works on it. Offsets are of the memory. */
struct bench_port {
	const char *name;
	const char *about;     /* how its leaves come about */
	const char *confirmed; /* whose leaves confirm() tells */
	const struct ml_format *(*format)(void);

	/* Map `bytes` in all three views, still without memory. Returns an exit status. */
	int (*open)(struct bench_views *views, uint64_t bytes);

	/* Bring in the memory below `bytes` and map it in every view. */
	void (*fill)(struct bench_views *views, uint64_t bytes);

	/* The leaves behind the first `bytes` of a view. */
	void (*confirm)(const struct bench_views *views, unsigned name, uint64_t bytes,
			struct ml_process_sizes *sizes);

	/* Follow a chain as chain_follow() does; copy as memcpy() does. */
	uint64_t (*chase)(struct bench_views *views, unsigned name, uint64_t offset,
			  uint64_t steps);
	void (*copy)(struct bench_views *views, unsigned name, uint64_t to, uint64_t from,
		     uint64_t bytes);
	void (*close)(struct bench_views *views);
};

extern const struct bench_port bench_port_process, bench_port_kvm;

/* --- bench_check.c ---------------------------------------------------------------- */

/*
 * Whether every view leads to the right frames: chains and a copy over `bytes`, read back past
 * the tables. *emulated: why figures would not be those of our tables on an MMU, or NULL. Returns
 * an exit status.
 */
int bench_check(struct bench_views *views, uint64_t bytes, const char **emulated);

/* --- bench_measure.c -------------------------------------------------------------- */

struct bench_budget {
	uint64_t start_ns, end_ns;
	volatile const int *stop; /* set by ^C */
};

/*
 * Measure rows in order of size until the time is used up. The rest stays unmeasured.
 */
void bench_measure(struct bench_views *views, struct bench_row *rows, unsigned count,
		   const struct bench_budget *budget);

/* Sort the samples and take their quartiles. */
struct bench_spread bench_spread_of(double *samples, uint64_t count);

/* --- bench_cost.c ----------------------------------------------------------------- */

/* What one mapping costs in one format, on paper and in time. */
struct bench_cost {
	const struct ml_format *format;
	enum bench_view_name view;
	uint64_t leaves[ML_RUNG_MAX];
	uint64_t tables; /* with the root */
	uint64_t table_bytes;
	struct bench_spread map_ns; /* ml_map() into an empty table */
};

#define BENCH_COSTS_MOST 32

/* The mappings of the three views in every format that covers them. Returns how many. */
unsigned bench_costs(const struct bench_views *views, uint64_t bytes,
		     struct bench_cost costs[BENCH_COSTS_MOST]);

/* --- reports ---------------------------------------------------------------------- */

struct bench_report {
	struct bench_machine machine;
	const struct ml_format *format;
	uint64_t seconds;
	uint64_t largest; /* working set that was asked for */
	bool cut;         /* by memory, below what was asked for */
	struct bench_row rows[BENCH_ROWS_MOST];
	unsigned row_count;
	struct bench_cost costs[BENCH_COSTS_MOST];
	unsigned cost_count;
	const struct bench_views *views;
	bool checked;         /* the first row was, by bench_check(), */
	const char *emulated; /* which found that no figure would be true, and why */
	double elapsed;       /* seconds */
	bool interrupted;
};

void bench_print_text(const struct bench_report *report);
void bench_print_json(const struct bench_report *report);

/* An object of that name: q1, median, q3. */
void bench_json_spread(struct cli_json *json, const char *name, const struct bench_spread *spread);

/* Whether gnuplot can be had, and the file's name is one of a chart; dies if not. */
void bench_plot_check(const char *file);

/* Draw the chart into the file. Returns an exit status. */
int bench_plot(const struct bench_report *report, const char *file);

#endif
