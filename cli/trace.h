/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/*
 * What passes between the parts of maxleaf trace: a script (trace_script.c) runs on a table whose
 * stores are heard (trace_run.c); what was heard is sorted into steps (trace_steps.c), which are
 * told as text or as records (trace_text.c, trace_json.c).
 */
#ifndef MAXLEAF_CLI_TRACE_H
#define MAXLEAF_CLI_TRACE_H

#include <maxleaf/hosted.h>

#include "cli.h"

#define TRACE_RANGES_MAX 8

struct trace_request {
	const struct ml_format *format;
	uint32_t rungs;
	unsigned levels;
	unsigned fold; /* enum ml_fold_policy */
	bool guaranteed, track_ad, hardware_ad;
	/* how a table changes while it is walked */
	unsigned bbm;
	unsigned errata; /* ML_ERRATUM_* */
	bool each_member;
	struct ml_never_fault ranges[TRACE_RANGES_MAX];
	unsigned ranges_count;
	bool each; /* a step for every entry: no runs */
	bool json;
};

/* The names of enum ml_fold_policy. */
extern const char *const trace_folds[3];

/* --- trace_policy.c: the live policy --------------------------------------------------------- */

/* The names of ML_ERRATUM_*, ended by NULL. */
struct trace_erratum {
	const char *name;
	unsigned bit;
};

extern const struct trace_erratum trace_errata[];

/* The options as they were written; NULL: not given. */
struct trace_policy_text {
	const char *bbm, *errata;
	const char *ranges[TRACE_RANGES_MAX];
	unsigned ranges_count;
};

/* One --never-fault more, or die. */
void trace_policy_add_range(struct trace_policy_text *text, const char *range);

/* Read them into a request that has its format and levels, or die. */
void trace_policy_parse(struct trace_request *request, const struct trace_policy_text *text);

struct tracer;

/* Declare the request's ranges to its table, or die. */
void trace_policy_declare(struct tracer *t);

/* --- trace_script.c: the script ------------------------------------------------------------ */

enum trace_verb {
	TRACE_MAP,
	TRACE_REPLACE,
	TRACE_UNMAP,
	TRACE_PROTECT,
	TRACE_SPLIT,
	TRACE_FOLD,
	TRACE_TOUCH,
	TRACE_LIVE
};

/* One operation; what its verb has no use for is 0. */
struct trace_operation {
	enum trace_verb verb;
	unsigned line;
	char *text; /* as it was written */
	ml_va va;
	uint64_t bytes;
	ml_pa pa;
	ml_prot prot;  /* map: all of it; protect: what `mask` gets */
	ml_prot mask;  /* protect */
	unsigned rung; /* split, fold */
	enum ml_model_access access;
	bool user; /* touch */
	bool live;
};

struct trace_script {
	struct trace_operation *operations;
	size_t count;
};

/* The text of a file, or of stdin for "-", ended by 0; or die. The caller frees it. */
char *trace_read(const char *name);

/*
 * Read operations out of text, which is changed; or die naming the line. Whatever gets past this
 * is aligned, and inside what the table translates.
 */
void trace_parse(const struct trace_request *request, char *text, struct trace_script *script);

void trace_script_free(struct trace_script *script);

/* --- trace_run.c: the table, and what is heard of it ---------------------------------------- */

/* What is heard of beside the library's own events. */
enum { TRACE_MARK = ML_EVENT_KINDS, TRACE_RELEASE };

#define TRACE_NO_LEVEL 0xff

/* Something that happened, in the order in which it did. */
struct trace_event {
	unsigned kind; /* enum ml_event_kind, TRACE_MARK: by hardware, TRACE_RELEASE: the sink */
	uint64_t address;
	ml_pte value, old; /* in CPU order; ALLOC, FREE: bytes */
	union {
		struct ml_invalidation what;
		struct ml_run run;
	};
	/* found out afterwards, by trace_sort(): of an entry */
	uint8_t phase; /* enum trace_phase */
	uint8_t level; /* TRACE_NO_LEVEL: of a table that nothing links */
	uint32_t index;
	ml_pa table;
	ml_va va;
};

/* Where a table stands. */
struct trace_place {
	ml_va va;
	uint8_t level;
	bool known;
	size_t until; /* known from a link ahead, which is this event */
};

struct tracer {
	const struct trace_request *request;
	struct ml_arena arena;
	struct ml_table table;
	struct ml_never_fault ranges[TRACE_RANGES_MAX]; /* the table's */
	struct ml_trace trace;
	struct trace_event *events;
	size_t count, room;
	bool lost;                  /* no memory for an event */
	struct trace_place *places; /* of the arena's tables below the root */
	uint8_t *marks;             /* a byte for each entry of the arena */
	ml_va origin;               /* the first address of the half that a table translates */
};

/* What came of one operation. */
struct trace_outcome {
	int error;                 /* the library's */
	enum ml_model_fault fault; /* touch */
	ml_pa pa;                  /* touch, where it led */
};

/* Make an empty table, live; or die. high: that of the upper half. */
void trace_open(struct tracer *t, const struct trace_request *request, bool high);

/* Run one operation; its events replace those of the one before. */
struct trace_outcome trace_run(struct tracer *t, const struct trace_operation *operation);

void trace_close(struct tracer *t);

/* --- trace_steps.c: events into steps ------------------------------------------------------- */

enum trace_phase {
	TRACE_TAKE,
	TRACE_FILL,
	TRACE_LINK,
	TRACE_NEW,
	TRACE_ANNOUNCE,
	TRACE_BREAK,
	TRACE_HOLD,
	TRACE_MAKE,
	TRACE_CHANGE,
	TRACE_REMOVE,
	TRACE_BARRIER,
	TRACE_INVALIDATE,
	TRACE_WAIT,
	TRACE_FREED,
	TRACE_RELEASED,
	TRACE_MARKED,
	TRACE_PHASES
};

/* "break", and one sentence on what it is for. */
const char *trace_phase_name(enum trace_phase phase);
const char *trace_phase_text(enum trace_phase phase);

/* A run of events that continue each other: `count` from `first` on, `stride` apart. */
struct trace_step {
	enum trace_phase phase;
	const struct trace_event *first;
	size_t count;
	size_t stride; /* 2: in turn with those of the step before or after it */
	bool second;   /* ... before it */
};

/* Find out where every entry stands and why it changes. trace_run() does so at its end. */
void trace_sort(struct tracer *t);

/* Where the next step begins; zero at first. */
struct trace_cursor {
	size_t at;
	size_t pairs; /* of events in turn, the second step of which is to come */
	bool second;
};

/* The next step; moves the cursor past it. Returns false at the end. */
bool trace_step_next(const struct tracer *t, struct trace_cursor *cursor, struct trace_step *step);

/* Whether an event is a store to an entry. */
bool trace_is_entry(const struct trace_event *event);

/* --- trace_text.c, trace_json.c: the reports ------------------------------------------------- */

/* What a report is told, in this order: opened, each operation, closed. */
struct trace_sums {
	uint64_t operations;
	uint64_t refused;
	uint64_t faults;
	uint64_t kinds[ML_EVENT_KINDS];
	uint32_t phases; /* seen: a bit for each */
};

void trace_text_operation(const struct tracer *t, const struct trace_operation *operation,
			  const struct trace_outcome *outcome, struct trace_sums *sums);
void trace_text_close(const struct trace_sums *sums);

void trace_json_open(const struct tracer *t);
void trace_json_operation(const struct tracer *t, const struct trace_operation *operation,
			  const struct trace_outcome *outcome, const struct trace_sums *sums);
void trace_json_close(const struct trace_sums *sums);

#endif
