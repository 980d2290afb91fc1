/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/*
 * Random operations on a machine's table, with the flat model beside it. What is mapped leads
 * to the machine's memory, every word of which holds its own address.
 */
#ifndef TESTS_RANDOM_OPS_H
#define TESTS_RANDOM_OPS_H

#include "machine.h"
#include "support/reference.h"

struct random_ops {
	struct machine machine;
	struct reference model;
	uint64_t state; /* of t_random() */
	ml_va first;    /* the operations fall into [first, first + bytes) */
	uint64_t bytes;
	uint64_t done, refused;
};

/* How much of the machine's memory they use. */
uint64_t random_ops_memory(const struct machine_facts *facts);

/* Put up a table of a random configuration; false, with a complaint, if that failed. */
bool random_ops_open(struct random_ops *r, const struct machine_facts *facts, uint64_t seed);

/* One operation on table and model; complains if the table's answer is not the model's. */
void random_ops_step(struct random_ops *r);

/* A random word's address in the range or just beyond it, often at an edge of what is mapped. */
ml_va random_ops_address(struct random_ops *r);

void random_ops_close(struct random_ops *r);

#endif
