/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/*
 * The adversarial TLB, inside. What hardware may hold is what it can read now, which is the
 * tables themselves, and what it could read since the last invalidation that covers it, which is
 * kept here: the cost is that of the changes, not of the address space.
 *
 *	oracle.c          events, and the calls of hosted.h
 *	oracle_tables.c   which tables can be reached where; what a store adds and takes away
 *	oracle_held.c     what may be held, what contradicts it, and what an invalidation removes
 *	oracle_judge.c    the end of an operation: what is held and readable against the promise
 *	oracle_actor.c    hardware that marks leaves accessed and dirty whenever it may
 */
#ifndef HOSTED_ORACLE_H
#define HOSTED_ORACLE_H

#include "model.h"

#define ORACLE_VISIBLE (~(uint64_t)0) /* a time: it can be read still */
#define ORACLE_NO_TABLE (~(ml_pa)0)
#define ORACLE_HOLES 512 /* entries of the largest table whose holes are known one by one */

/* What an architecture asks of a change that has not been broken, and what its TLBs do. */
struct oracle_rules {
	const char *name;
	bool size_breaks;    /* two sizes at once are an error; else only if they disagree */
	bool group_breaks;   /* the same of a group and its members alone */
	bool type_breaks;    /* two memory types at once are an error */
	bool global_breaks;  /* an entry that becomes global beside its old self is one */
	bool table_breaks;   /* and a table in the place of another, or of a leaf */
	bool not_translated; /* entries with the nT bit are never held */
	bool ordered;        /* stores are seen in order and without a barrier */
	bool fault_drops;    /* a fault drops what caused it */
	bool holds_holes;    /* invalid entries may be held */
	bool address_tables; /* an instruction by address reaches walk caches */
	bool exact_size;     /* an instruction reaches only leaves of the size it names */
};

/* A table and where walkers can reach it. */
struct oracle_place {
	ml_va va;
	struct model_path path; /* of the entries above */
	uint8_t space;
};

struct oracle_table {
	ml_pa pa;
	uint64_t stored; /* when an entry was stored last, */
	uint64_t left;   /* when it was unlinked last, whole as it has been since; 0: never */
	uint32_t next;   /* of the bucket: index + 1 */
	uint32_t holes;  /* entries of a new table not yet filled */
	uint8_t writer;  /* and by whom */
	uint8_t level;   /* of a table that has places */
	uint8_t place_count;
	struct oracle_place places[ML_ORACLE_SPACES];
	uint64_t hole[ORACLE_HOLES / 64];
};

/* A run of equal leaves that some agents may hold. */
struct oracle_leaf {
	ml_va first, last;
	ml_pa pa; /* of first */
	ml_prot prot;
	uint64_t seen; /* when a linked table held it last, or ORACLE_VISIBLE */
	ml_pa under;   /* the unlinked table it stands in, or ORACLE_NO_TABLE */
	uint8_t level;
	bool group; /* it was cached for the whole group */
	bool hole;  /* not a leaf: "nothing is mapped here" */
	uint8_t space;
	uint8_t agents; /* a bit for each */
	uint8_t writer; /* whose barrier makes it invisible */
};

/* A link to a table that some agents may hold in their walk caches. */
struct oracle_route {
	ml_va first, last;
	ml_pa table;
	uint64_t seen;
	uint8_t level; /* of the entry that was the link */
	uint8_t space;
	uint8_t agents;
	uint8_t writer;
};

struct oracle_pending {
	struct ml_oracle_invalidation what;
	uint64_t at;
	uint8_t cpu;
};

/* An accessed or dirty mark that hardware made in this operation. */
struct oracle_mark {
	ml_va first, last;
	ml_pa pa;
	ml_prot bits; /* not yet told */
};

struct oracle_range {
	ml_va first, last;
};

/* An array that grows. */
#define ORACLE_LIST(type)     \
	struct {              \
		type *items;  \
		size_t count; \
		size_t room;  \
	}

struct oracle_space {
	struct ml_model model;
	bool used, live;
};

struct ml_oracle {
	const struct oracle_rules *rules;
	uint8_t agent_count;
	uint8_t leaf_agents; /* that hold leaves: all but lazy CPUs */
	uint8_t broadcast;   /* that hear broadcasts */
	uint8_t literal;     /* that read accessed and dirty of each entry by itself */
	uint8_t cpu, space;  /* who acts now, and on what */
	bool failed;
	bool operating;   /* between begin and end */
	ml_prot may_lose; /* of accessed and dirty, what nobody asked this operation to keep */
	uint64_t now;     /* counts events */
	uint64_t began;   /* when this operation did */
	uint64_t published[ML_ORACLE_AGENTS];
	uint64_t stored[ML_ORACLE_AGENTS];
	size_t table_bytes;
	struct oracle_range touched; /* addresses whose entries were stored; first > last: none */
	struct ml_oracle_actor actor;
	struct oracle_space spaces[ML_ORACLE_SPACES];
	uint32_t *buckets;
	size_t bucket_count;
	ORACLE_LIST(struct oracle_table) tables;
	ORACLE_LIST(struct oracle_leaf) leaves;
	ORACLE_LIST(struct oracle_route) routes;
	ORACLE_LIST(struct oracle_pending) pending;
	/* of this operation */
	ORACLE_LIST(struct oracle_leaf) appeared;
	ORACLE_LIST(struct oracle_range) broken;
	ORACLE_LIST(struct oracle_mark) marks;
	char message[240];
};

void *ml_oracle_grow(void *items, size_t *room, size_t count, size_t bytes);

/* A new item at the end. */
#define oracle_add(list)                                                             \
	((list)->items = ml_oracle_grow((list)->items, &(list)->room, (list)->count, \
					sizeof(*(list)->items)),                     \
	 &(list)->items[(list)->count++])

/* Note the first fault. */
__attribute__((format(printf, 2, 3))) void ml_oracle_fail(struct ml_oracle *o, const char *format,
							  ...);

/* oracle_tables.c */
struct oracle_table *ml_oracle_table(const struct ml_oracle *o, ml_pa pa);
struct oracle_table *ml_oracle_table_new(struct ml_oracle *o, ml_pa pa, bool filled);
void ml_oracle_table_forget(struct ml_oracle *o, struct oracle_table *table);
void ml_oracle_stored(struct ml_oracle *o, const struct ml_event *event);
void ml_oracle_look(struct ml_oracle *o, unsigned space);
void ml_oracle_unplace(struct ml_oracle *o, unsigned space);

/* The leaf a walker takes from this entry; false: none that it may hold. */
bool ml_oracle_leaf_of(const struct ml_oracle *o, const struct oracle_place *place, ml_va va,
		       uint64_t entry, unsigned level, struct oracle_leaf *leaf);

/* Read an entry, in CPU order; 0 if there is none. */
uint64_t ml_oracle_read(const struct ml_oracle *o, unsigned space, ml_pa pa);

/* oracle_held.c */
void ml_oracle_hold(struct ml_oracle *o, const struct oracle_leaf *leaf);
void ml_oracle_hold_route(struct ml_oracle *o, const struct oracle_route *route);
bool ml_oracle_follows(const struct oracle_leaf *run, const struct oracle_leaf *next);
const char *ml_oracle_clash(const struct ml_oracle *o, const struct oracle_leaf *held,
			    const struct oracle_leaf *made);
void ml_oracle_meet(struct ml_oracle *o, const struct oracle_leaf *made);
void ml_oracle_meet_routes(struct ml_oracle *o, unsigned space, ml_va first, ml_va last,
			   unsigned level, ml_pa table);
const struct oracle_route *ml_oracle_route_to(const struct ml_oracle *o, ml_pa table);
void ml_oracle_published(struct ml_oracle *o);
void ml_oracle_complete(struct ml_oracle *o);
void ml_oracle_drop_space(struct ml_oracle *o, unsigned space);

/* Two leaves look the same to hardware, accessed aside. */
bool ml_oracle_same(const struct oracle_leaf *a, const struct oracle_leaf *b);

/* oracle_actor.c */
void ml_oracle_act(struct ml_oracle *o);
void ml_oracle_check_store(struct ml_oracle *o, const struct ml_event *event,
			   const struct oracle_place *place, ml_va va, unsigned level);
void ml_oracle_check_marks(struct ml_oracle *o, ml_oracle_promise *promise, const void *after);

/* oracle_judge.c */
void ml_oracle_judge(struct ml_oracle *o, ml_oracle_promise *promise, const void *before,
		     const void *after);

#endif
