/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/*
 * A machine that translates by our tables, as the tests of this folder see it: access this
 * address, on this CPU, in this mode, and say what happened. Behind it stand the model MMU with
 * a TLB for each CPU (machine_hosted.c), this process's own MMU (machine_process.c), a virtual
 * CPU (machine_kvm.c) or a board (machine_board.c): the test bodies do not know which.
 */
#ifndef TESTS_MACHINE_H
#define TESTS_MACHINE_H

#include <maxleaf/table.h>

enum machine_access { MACHINE_LOAD, MACHINE_STORE, MACHINE_FETCH };
enum machine_mode { MACHINE_USER, MACHINE_KERNEL };

enum machine_outcome {
	MACHINE_OK,
	MACHINE_NOT_MAPPED,
	MACHINE_PERMISSION,
	MACHINE_ACCESS_FLAG, /* accessed is clear, and this machine does not set it */
	MACHINE_OTHER,       /* a fault that no good table gives */
	MACHINE_FAULT        /* a fault, and this machine does not tell why */
};

struct machine_result {
	enum machine_outcome outcome;
	uint64_t value; /* of a load that succeeded */
	ml_va address;  /* of a fault */
};

/* What a machine can do, and where. Constant while the program runs. */
struct machine_facts {
	const char *name;
	const struct ml_format *format;
	uint8_t levels;
	bool high; /* the tables are those of the upper half */
	unsigned cpus;
	bool kernel_mode;      /* probes in kernel mode, and memory without ML_USER for them */
	bool kernel_runs_user; /* the kernel executes what the user may: no CR4.SMEP */
	bool marks; /* accessed is honoured: set by hardware, or its lack faults; dirty alike */
	bool hardware_ad; /* ... set by hardware */
	bool any_type;    /* all memory types of the format, not write-back alone */
	bool translates;  /* machine_translate() tells */
	uint32_t rungs;   /* leaf sizes that can be mapped around `memory` */
	/* Memory that the tests may map and write: a multiple of 64M, aligned likewise. */
	ml_pa memory;
	uint64_t memory_bytes;
	/* Addresses that the tests may map: the largest leaf of `rungs` fits twice, aligned. */
	ml_va window;
	uint64_t window_bytes;
};

struct machine {
	const struct machine_facts *facts;
	struct ml_table table; /* of machine_open() */
	struct ml_table *used; /* the one that the CPUs translate by */
};

/* The machines of this program, in turn; NULL at the end. */
const struct machine_facts *machine_facts(unsigned number);

#define FOR_EACH_MACHINE(facts)                                                                \
	for (unsigned facts##_number = 0; ((facts) = machine_facts(facts##_number)) != NULL && \
					  (T_CONTEXT((facts)->name, facts##_number), true);    \
	     facts##_number++)

/*
 * Put up an empty live table that every CPU of the machine translates by. `wish` may be NULL;
 * platform, cookie, base, levels, high, live and pa_bits are filled in, and hardware_ad unless
 * the machine has no marks. One machine is open at a time. False, with a complaint, if that failed.
 */
bool machine_open(struct machine *m, const struct machine_facts *facts,
		  const struct ml_table_config *wish);

/* Check the table and take it down; complains if tables were lost. */
void machine_close(struct machine *m);

/* The same for tables of the caller's, of which there may be several: begin, */
bool machine_begin(struct machine *m, const struct machine_facts *facts);

/* fill in what machine_open() fills in, */
void machine_configure(struct machine *m, struct ml_table_config *config);

/*
 * let every CPU translate by t, which was empty when it was used first (NULL: by none); false, with
 * a complaint, if that failed,
 */
bool machine_use(struct machine *m, struct ml_table *t);

/* and when all are finished, end: complains if tables were lost. */
void machine_end(struct machine *m);

/* Where this program has facts->memory. */
void *machine_memory(struct machine *m);

/*
 * One access. A fetch executes the instruction that machine_put_code() wrote there. The kernel
 * reads user memory, writes only what is writable (CR0.WP), and executes only what is ML_PEXEC
 * (CR4.SMEP), but for kernel_runs_user.
 */
struct machine_result machine_probe(struct machine *m, unsigned cpu, enum machine_mode mode,
				    enum machine_access access, ml_va va, uint64_t value);

/* Write code there that a fetch may run, no more than the word at pa. */
void machine_put_code(struct machine *m, ml_pa pa);

/*
 * What the machine itself says about a user load of va: where it leads and in which ML_TYPE of
 * memory; ML_TYPE(ML_TYPE_COUNT) where it tells the address alone. False if it says that nothing
 * is there, and where it does not tell. Needs no memory at the far end.
 */
bool machine_translate(struct machine *m, ml_va va, ml_pa *pa, ml_prot *type);

/*
 * A second table whose root entries others may borrow, live, with `*bytes` of addresses at *va to
 * lend, which are free in it; machine_lend() lets m borrow them. The lender is taken down with m.
 * NULL where the machine has no second table.
 */
struct ml_table *machine_lender(struct machine *m, ml_va *va, uint64_t *bytes);
bool machine_lend(struct machine *m);

/* The n-th table allocation from now fails, once; 0: none. */
void machine_fail_nth(struct machine *m, uint64_t nth);

#endif
