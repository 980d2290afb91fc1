/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* What a board is told on its command line: words, and numbers as name=value. */
#ifndef TESTS_WORDS_H
#define TESTS_WORDS_H

#include <stdbool.h>
#include <stdint.h>

#define WORDS_MOST 16

/* Whether the word stands there, alone or with a value. */
bool word_is_given(const char *word);

/* The number of name=NUMBER, decimal; `fallback` if there is none. */
uint64_t word_number(const char *name, uint64_t fallback);

/* The words without a value, in a copy; how many, at most WORDS_MOST. */
int words_alone(char *words[WORDS_MOST]);

#endif
