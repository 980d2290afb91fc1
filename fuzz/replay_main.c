/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/*
 * Runs a fuzz target without libFuzzer over the files named, and over all files of the folders
 * named. One line of TAP for each argument; the target itself ends the program when an
 * input is bad, and the input's name is the last thing said.
 */
#define _DEFAULT_SOURCE
#include <dirent.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fuzzer.h"

#define INPUT_MOST ((size_t)1 << 20)

static const char *input; /* under replay */

static void name_input(int number)
{
	const bool said = write(STDERR_FILENO, "input: ", 7) > 0 &&
			  write(STDERR_FILENO, input, strlen(input)) > 0 &&
			  write(STDERR_FILENO, "\n", 1) > 0;

	(void)said;
	signal(number, SIG_DFL);
	raise(number);
}

static bool replay_file(const char *path)
{
	static uint8_t data[INPUT_MOST];
	FILE *file = fopen(path, "rb");
	size_t size;

	if (!file) {
		perror(path);
		return false;
	}
	size = fread(data, 1, sizeof(data), file);
	fclose(file);
	input = path;
	LLVMFuzzerTestOneInput(data, size);
	return true;
}

/* Every file of a folder; returns how many, or -1. */
static long replay_folder(const char *path)
{
	struct dirent **entries;
	char name[4096];
	int count = scandir(path, &entries, NULL, alphasort);
	long replayed = 0;

	for (int i = 0; i < count; i++) {
		snprintf(name, sizeof(name), "%s/%s", path, entries[i]->d_name);
		if (entries[i]->d_name[0] != '.' && replay_file(name))
			replayed++;
		free(entries[i]);
	}
	if (count >= 0)
		free(entries);
	return count < 0 ? -1 : replayed;
}

static long replay(const char *path)
{
	struct stat status;

	if (stat(path, &status) != 0)
		return -1;
	return S_ISDIR(status.st_mode) ? replay_folder(path) : replay_file(path);
}

int main(int argc, char **argv)
{
	int status = 0;

	setvbuf(stdout, NULL, _IOLBF, 0);
	signal(SIGABRT, name_input);
	printf("1..%d\n", argc - 1);
	for (int i = 1; i < argc; i++) {
		const long count = replay(argv[i]);

		printf("%sok %d - %s: %ld inputs\n", count > 0 ? "" : "not ", i, argv[i], count);
		status |= count <= 0;
	}
	return status;
}
