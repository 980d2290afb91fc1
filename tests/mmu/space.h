/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/*
 * Address spaces on a machine: half of its memory are counted frames of one pool, the other half is
 * raw. Accesses are the machine's; what faults goes to the space, and is tried again.
 */
#ifndef TESTS_MMU_SPACE_H
#define TESTS_MMU_SPACE_H

#include <maxleaf/frames.h>

#include "bodies.h"

#define SPACE_BYTES (48 * MIB) /* of counted frames, and as many of raw ones behind them */
#define SPACE_WINDOW (2 * GIB)

/* Put up the machine and its frames, without any space; take them down. */
bool spaces_begin(struct machine *m, const struct machine_facts *facts);
void spaces_end(struct machine *m);

/* A space at the beginning of the machine's window. `wish` may be NULL; what is a machine's or a
 * pool's is filled in. */
bool space_open(struct machine *m, struct ml_space *s, const struct ml_space_config *wish);

/* What faults bring in may be of any size. */
extern const struct ml_space_config space_of_all_sizes;

/* The body on every machine, which uses a space like this. */
void in_space(const struct ml_space_config *wish,
	      void (*body)(struct machine *m, struct ml_space *s));

/* Check it and take it down; the machine may be using it. */
void space_close(struct machine *m, struct ml_space *s);

/* The address so many bytes into the window. */
ml_va space_va(const struct ml_space *s, uint64_t offset);

/* The CPU whose turn it is with this page of the window. */
unsigned space_cpu(const struct machine *m, uint64_t offset);

/* The size of the leaf there, lg2; 0: none. */
unsigned space_shift(const struct ml_space *s, ml_va va);

/* The first raw frame. */
ml_pa space_raw(const struct machine *m);

/* Anonymous memory, of all rights that this may come to. */
bool space_map(struct ml_space *s, uint64_t offset, uint64_t bytes, ml_prot rights);

/* Let the CPUs translate by it. */
void space_use(struct machine *m, struct ml_space *s);

/*
 * A user access of a word, by the space that the machine uses: walked, faulted, and walked again.
 * What became of the last fault; ML_FAULT_DONE if the access was done.
 */
enum ml_fault_result space_access(struct machine *m, struct ml_space *s, unsigned cpu,
				  enum machine_access access, ml_va va, uint64_t *value);

/* ---- checks: each complains where it does not hold ------------------------------------ */

/* A load on this CPU gives the value; a store is done on it. */
#define t_holds(m, s, cpu, va, value) t_holds_at((m), (s), (cpu), (va), (value), __FILE__, __LINE__)
bool t_holds_at(struct machine *m, struct ml_space *s, unsigned cpu, ml_va va, uint64_t value,
		const char *file, int line);
#define t_stores(m, s, cpu, va, value) \
	t_stores_at((m), (s), (cpu), (va), (value), __FILE__, __LINE__)
bool t_stores_at(struct machine *m, struct ml_space *s, unsigned cpu, ml_va va, uint64_t value,
		 const char *file, int line);

/* On no CPU is the access done, for this reason. */
#define t_denied(m, s, access, va, reason) \
	t_denied_at((m), (s), (access), (va), (reason), __FILE__, __LINE__)
bool t_denied_at(struct machine *m, struct ml_space *s, enum machine_access access, ml_va va,
		 enum ml_fault_result reason, const char *file, int line);

#endif
