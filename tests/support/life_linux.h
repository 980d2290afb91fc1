/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/*
 * A life.h program lived in processes of the kernel below us, by its own calls: mmap, munmap,
 * mprotect, mremap, madvise, fork. Anonymous memory and a file; no raw frames.
 */
#ifndef TESTS_LIFE_LINUX_H
#define TESTS_LIFE_LINUX_H

#include <sys/types.h>

#include "life_model.h"

struct life_linux {
	struct life_rules rules;
	int file;
	int sockets[LIFE_PROCESSES][2]; /* ours, and the process's */
	pid_t pids[LIFE_PROCESSES];     /* 0: none */
};

/* Start the first process; file: rules->pages pages of bytes. False: not here. */
bool life_linux_open(struct life_linux *l, const struct life_rules *rules, const uint8_t *file);
void life_linux_close(struct life_linux *l);

/*
 * Do it. 0 or the number of the error; load and store answer as life_model_do() does. A move that
 * may choose goes to `to`, where another one went. *byte is what was loaded.
 */
int life_linux_do(struct life_linux *l, const struct life_action *a, uint32_t to, uint8_t *byte);

/* Whether the kernel keeps all of the range in one region, which its mremap asks for. */
bool life_linux_one_region(struct life_linux *l, const struct life_action *a);

/* NULL, or what of regions or bytes is not as in the model. */
const char *life_linux_differs(struct life_linux *l, const struct life_model *m);

#endif
