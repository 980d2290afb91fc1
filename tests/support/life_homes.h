/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* A life.h program lived in address spaces of the library: a home for each process. */
#ifndef TESTS_LIFE_HOMES_H
#define TESTS_LIFE_HOMES_H

#include "home.h"
#include "life_model.h"

struct life_homes {
	enum world world;
	struct life_rules rules;
	struct ml_space_config wish;
	bool alive[LIFE_PROCESSES];
	struct home homes[LIFE_PROCESSES];
	struct ml_mapping file, device;
	ml_pa file_pa;
	uint64_t file_bytes;
	const char *what; /* the first thing that was wrong */
};

/* The rules that fit the memory of a world's homes. */
struct life_rules life_rules_of(enum world world);

/* Put up the first home, the file and the device; their bytes are drawn from `s`. */
bool life_homes_open(struct life_homes *l, enum world world, const struct ml_space_config *wish,
		     struct source *s);

/* The bytes of the file, and of the device. */
uint8_t *life_homes_file(struct life_homes *l);
uint8_t *life_homes_device(struct life_homes *l);

/* The same answers as life_model_do(). */
int life_homes_do(struct life_homes *l, const struct life_action *a, uint32_t *to, uint8_t *byte);

/* Whether regions and bytes are the model's, in every process; l->what says what is not. */
bool life_homes_agree(struct life_homes *l, struct life_model *m);

/* Whether every space is sound, and every page has the references that leaves hold. */
bool life_homes_sound(const struct life_homes *l);

/* A number of all regions and leaves of every process: alike if nothing has changed. */
uint64_t life_homes_picture(const struct life_homes *l);

/* Take everything down; true if all memory came back. */
bool life_homes_close(struct life_homes *l);

#endif
