/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* A program started by the tool, what it prints, and how long it may take. */
#ifndef MAXLEAF_CLI_QEMU_H
#define MAXLEAF_CLI_QEMU_H

#include "cli.h"

/* How a program ended. */
struct qemu_end {
	int error;  /* an errno: it was not started */
	bool late;  /* it was ended because its time was over */
	int signal; /* it was ended by this one; 0: it ended by itself */
	int status; /* its exit status then */
};

/*
 * Run a program that is looked for in PATH, with nothing on its stdin, and its stderr the
 * tool's. `line` is called for every line it prints, without the line's end. After `seconds`
 * (0: never) the program is killed. It does not outlive the tool.
 */
struct qemu_end qemu_run(char *const argv[], unsigned seconds,
			 void (*line)(void *cookie, const char *text), void *cookie);

#endif
