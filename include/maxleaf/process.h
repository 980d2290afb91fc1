/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/*
 * The process port: the page tables that Linux keeps for this very process are treated as
 * a TLB of ours. Physical memory is a memfd; a window of this process's addresses is
 * translated by one of our tables. An access to the window that the kernel has no entry
 * for raises SIGSEGV; the handler walks our table and fills the kernel's by mmap(); an
 * invalidation drops the range to PROT_NONE. Loads and stores then run on the real MMU at
 * full speed, with no privilege. Linux builds the hardware tables here: what sizes it truly
 * gave is read back by ml_process_confirm(), never assumed.
 *
 * - Virtual addresses of the table are addresses of this process, unless the window is put
 *   elsewhere (ml_process_config.window_va). The accesses are those of the unprivileged mode: a
 *   leaf without ML_USER allows none. ML_PEXEC and ML_GLOBAL mean nothing here.
 * - Accessed and dirty are not recorded. Where faults are answered (ml_process_config.fault), a
 *   leaf that is not accessed allows nothing, and one that is not dirty no store: whoever answers
 *   sets the marks.
 * - Only ordinary write-back memory can be had: a leaf of another memory type, or of a
 *   physical address outside the memory, is refused when touched or synchronised.
 * - Hosts: Linux on x86-64 and arm64 with 4 KiB pages.
 * - Locking: as <maxleaf/table.h>; faults of any number of threads may run beside one
 *   writer. Init, fini, attach and detach exclude every other call for the same object.
 * - System calls do not fill the window: they return EFAULT where nothing is filled yet.
 *   Call ml_process_sync() before handing them addresses of the window.
 * - A child made by fork() must not use the window: its faults there are not answered.
 */
#ifndef MAXLEAF_PROCESS_H
#define MAXLEAF_PROCESS_H

#include <maxleaf/pool.h>
#include <maxleaf/table.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The one size above a page that Linux maps a memfd with on these hosts. */
#define ML_PROCESS_HUGE_BYTES ((uint64_t)2 << 20)

struct ml_process;

struct ml_process_config {
	uint64_t window_bytes; /* addresses to reserve, a multiple of 2 MiB */
	/*
	 * What the table calls the first address of the window, a multiple of its alignment (see
	 * ml_process_init()): a copy of an address space has another window, and the same
	 * addresses. 0: what this process calls it.
	 */
	ml_va window_va;
	uint64_t memory_bytes; /* memory to create, a multiple of 2 MiB; 0 with memory_of */
	ml_pa memory_pa;       /* its address, a multiple of 2 MiB; ignored with memory_of */
	uint64_t table_bytes;  /* for tables, a multiple of 4 KiB; 0: enough for 4 KiB leaves */
	/*
	 * Use the physical memory of that object instead of creating some: another address space
	 * on the same machine. Borrows: it must be finished last. NULL: create.
	 */
	const struct ml_process *memory_of;
	/*
	 * Asked about an access (ML_READ, ML_WRITE or ML_EXEC) that the table does not allow: true,
	 * if it allows it now (ml_space_fault() under the table's lock, say); false refuses the
	 * access. It runs in the SIGSEGV handler of the thread that faulted, with every signal
	 * blocked and no lock of the port's held: that thread may not hold the table's lock, nor
	 * any other that this takes, while it uses the window. NULL: all are refused.
	 */
	bool (*fault)(void *cookie, ml_va va, ml_prot access);
	void *fault_cookie;
};

/* What the kernel refused. Meaningful after a call returned ML_ERR_REFUSED. */
struct ml_process_refusal {
	const char *what; /* "mmap", "MADV_COLLAPSE", "memory type", ... */
	int error;        /* errno, or 0 where the port itself refused */
	ml_va va;         /* where, */
	uint64_t length;  /* and how much */
};

/* Counted as things happen; read while no other thread uses the window for exact values. */
struct ml_process_stats {
	uint64_t fills;     /* faults answered from the table */
	uint64_t asked;     /* times that ml_process_config.fault was asked */
	uint64_t refused;   /* faults in the window that the table does not allow */
	uint64_t drops;     /* ranges dropped by invalidations */
	uint64_t evictions; /* times all was dropped, the kernel having no mapping left */
};

/* The caller allocates it; the fields are the port's, those under "to read" may be read. */
struct ml_process {
	struct ml_pool pool; /* of table memory: the port's */
	/* to read */
	char *window;    /* the first address of the window, as a pointer, */
	ml_va window_va; /* and as the table has it */
	uint64_t window_bytes;
	int memory_fd; /* the memfd; offset 0 is memory_pa */
	ml_pa memory_pa;
	uint64_t memory_bytes;
	struct ml_process_refusal refusal;
	struct ml_process_stats stats;
	/* the port's */
	const struct ml_table *table;
	char *pool_memory;
	size_t pool_bytes;
	void *spare; /* a mapping to give up where the kernel has none left */
	bool owns_memory;
	bool (*fault)(void *cookie, ml_va va, ml_prot access);
	void *fault_cookie;
	int locked;
	struct ml_process *next;
};

/* The format whose permissions and sizes are those of this machine: x86-64 or arm64-4k. */
ML_API const struct ml_format *ml_process_format(void);

/*
 * Reserve the window, create or borrow the physical memory, and install the SIGSEGV handler if
 * this is the first object. The window is aligned to the largest power of two not above its
 * size, at most 1 GiB. Errors: ML_ERR_EMPTY, ML_ERR_ALIGN, ML_ERR_WRAP (of window_va),
 * ML_ERR_PA_RANGE (memory or table memory beyond 2^48), ML_ERR_CONFIG (memory_bytes together with
 * memory_of), ML_ERR_REFUSED (see p->refusal; *p needs no fini). Memory is allocated by the kernel
 * when it is first filled.
 */
ML_API ML_MUST_CHECK int ml_process_init(struct ml_process *p,
					 const struct ml_process_config *config);

/*
 * Give everything back; with the last object the earlier SIGSEGV handler too, unless somebody
 * replaced ours. The table must be detached and finished. Cannot fail.
 */
ML_API void ml_process_fini(struct ml_process *p);

/* Set what a table configuration needs to run here (platform, cookie, base); leaves the rest. */
ML_API void ml_process_configure(struct ml_process *p, struct ml_table_config *config);

/*
 * From now on t translates the window; t becomes live. Keeps t until ml_process_detach().
 * Errors: ML_ERR_CONFIG (not configured by ml_process_configure() for p, or base pages that are
 * not the kernel's), ML_ERR_EXISTS (a table is attached).
 */
ML_API ML_MUST_CHECK int ml_process_attach(struct ml_process *p, struct ml_table *t);

/* No table translates the window any more: all of it faults. t is no longer live. Cannot fail. */
ML_API void ml_process_detach(struct ml_process *p, struct ml_table *t);

/*
 * Fill [va, va + len) of the window from the table now, without faults, and ask the kernel
 * for the sizes of the leaves: large leaves are populated and collapsed, smaller ones are
 * kept from being merged. Holes stay holes. What is mapped right already is mapped again.
 * Errors: range errors, ML_ERR_CANONICAL (outside the window), ML_ERR_CONFIG (no table attached),
 * ML_ERR_REFUSED (p->refusal tells the first thing refused).
 * The table never changes. A refused size leaves that memory usable in smaller pieces and the
 * rest of the range synchronised; a refused mapping ends the call where it stands. The caller
 * holds the table's lock.
 */
ML_API ML_MUST_CHECK int ml_process_sync(struct ml_process *p, ml_va va, uint64_t len);

/* What the kernel says it has mapped. */
struct ml_process_sizes {
	bool present_known; /* the kernel told how much is mapped */
	uint64_t present;   /* bytes mapped now */
	bool huge_known;    /* the kernel told how much of it is in large leaves */
	uint64_t huge;      /* bytes of it mapped by leaves of ML_PROCESS_HUGE_BYTES */
	const char *source; /* who told: "PAGEMAP_SCAN", "smaps"; or "none" */
};

/*
 * Ask the kernel what it really mapped in [va, va + len) at this moment. Reads only. An answer
 * that no interface gives is marked unknown, which is no error. Errors: range errors,
 * ML_ERR_CANONICAL (outside the window).
 */
ML_API ML_MUST_CHECK int ml_process_confirm(const struct ml_process *p, ml_va va, uint64_t len,
					    struct ml_process_sizes *sizes);

/* The same about any memory of this process; start and len are multiples of a page. Cannot fail. */
ML_API void ml_process_confirm_memory(const void *start, uint64_t len,
				      struct ml_process_sizes *sizes);

enum ml_process_access { ML_PROCESS_LOAD, ML_PROCESS_STORE, ML_PROCESS_FETCH };

/*
 * A real access that may fail: load or store eight bytes at va (a multiple of 8) through
 * *value, or call the code at va as void (*)(void) (value is not used). An access the table
 * does not allow returns ML_ERR_REFUSED and leaves *value alone, instead of raising SIGSEGV.
 * Code that is called must return. Errors: ML_ERR_ALIGN, ML_ERR_CANONICAL (outside the window),
 * ML_ERR_REFUSED (p->refusal is not touched).
 */
ML_API ML_MUST_CHECK int ml_process_probe(const struct ml_process *p, enum ml_process_access access,
					  ml_va va, uint64_t *value);

#ifdef __cplusplus
}
#endif
#endif
