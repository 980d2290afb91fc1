/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/*
 * The test harness: tests that register themselves, TAP on standard output. A program is one
 * file, or several of which all but one define T_NO_MAIN. Bare metal defines T_PRINTF,
 * T_NO_MAIN and, for t_seed(), T_OPTION(name, fallback): a number by name; and needs a linker
 * that keeps the section "t_tests". It calls t_main().
 *
 *	TEST(name) { t_eq(2 + 2, 4); }
 *
 * A failed check prints where and what, and the test goes on; T_REQUIRE leaves the test.
 * Arguments of the program are names of the tests to run; none: all. SEED= sets t_seed().
 */
#ifndef T_H
#define T_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <maxleaf/format.h>

#ifndef T_PRINTF
#include <stdio.h>
#include <stdlib.h>
#define T_PRINTF printf
#define T_OPTION t_environment

static inline uint64_t t_environment(const char *name, uint64_t fallback)
{
	const char *text = getenv(name);

	return text ? strtoull(text, NULL, 0) : fallback;
}
#endif

#define T_COMPLAINTS_MOST 20 /* of one test; the rest are counted */

struct t_test {
	const char *name;
	void (*run)(void);
	const char *file;
	int line;
};

extern const struct t_test *const __start_t_tests[];
extern const struct t_test *const __stop_t_tests[];

#define TEST(test_name)                                                                      \
	static void test_##test_name(void);                                                  \
	static const struct t_test t_##test_name = { #test_name, test_##test_name, __FILE__, \
						     __LINE__ };                             \
	static const struct t_test *const t_entry_##test_name                                \
		__attribute__((section("t_tests"), used)) = &t_##test_name;                  \
	static void test_##test_name(void)

/* What the test that runs now has come to; one for all files of a program. */
__attribute__((weak)) struct t_state {
	uint64_t complaints;
	const char *skipped;
	const char *context; /* printed with each complaint, see T_CONTEXT */
	uint64_t context_number;
} t_state;

/* Count a complaint; whether there is room to print it. */
static inline bool t_complain(const char *file, int line)
{
	if (++t_state.complaints > T_COMPLAINTS_MOST)
		return false;
	T_PRINTF("# %s:%d: ", file, line);
	if (t_state.context)
		T_PRINTF("(%s %llu) ", t_state.context, (unsigned long long)t_state.context_number);
	return true;
}

static inline bool t_ok_at(bool good, const char *what, const char *file, int line)
{
	if (!good && t_complain(file, line))
		T_PRINTF("not true: %s\n", what);
	return good;
}

static inline bool t_eq_at(uint64_t got, uint64_t want, const char *what, const char *file,
			   int line)
{
	if (got != want && t_complain(file, line))
		T_PRINTF("%s: got 0x%llx (%lld), want 0x%llx (%lld)\n", what,
			 (unsigned long long)got, (long long)got, (unsigned long long)want,
			 (long long)want);
	return got == want;
}

static inline bool t_str_at(const char *got, const char *want, const char *what, const char *file,
			    int line)
{
	const char *a = got, *b = want;

	while (a && b && *a && *a == *b)
		a++, b++;
	if (a && b && *a == *b)
		return true;
	if (t_complain(file, line))
		T_PRINTF("%s: got \"%s\", want \"%s\"\n", what, got ? got : "(null)",
			 want ? want : "(null)");
	return false;
}

/* Each is true if the check held. */
#define t_ok(condition) t_ok_at((condition), #condition, __FILE__, __LINE__)
#define t_eq(got, want) \
	t_eq_at((uint64_t)(got), (uint64_t)(want), #got " == " #want, __FILE__, __LINE__)
#define t_str(got, want) t_str_at((got), (want), #got, __FILE__, __LINE__)

/* Leave the test if the check did not hold. */
#define T_REQUIRE(check)        \
	do {                    \
		if (!(check))   \
			return; \
	} while (0)

/* Say with every complaint from now on where a loop stands; text NULL: no more. */
#define T_CONTEXT(text, number) \
	(t_state.context = (text), t_state.context_number = (uint64_t)(number))

#define T_REQUIRE_VALUE(check, value)   \
	do {                            \
		if (!t_ok(check))       \
			return (value); \
	} while (0)

/* Mark the test as skipped, and leave it. */
#define T_SKIP(reason)                      \
	do {                                \
		t_state.skipped = (reason); \
		return;                     \
	} while (0)

/* Every built-in format, in turn. */
static inline const struct ml_format *t_format(unsigned number)
{
	static const struct ml_format *const formats[] = {
		&ml_format_x86_64,
		&ml_format_arm64_4k,
		&ml_format_toy,
		NULL,
	};

	return formats[number];
}

#define FOR_EACH_FORMAT(format)                                                                \
	for (unsigned format##_number = 0; ((format) = t_format(format##_number)) != NULL &&   \
					   (T_CONTEXT((format)->name, format##_number), true); \
	     format##_number++)

/* A stream of random numbers (splitmix64): every state is a good seed. */
static inline uint64_t t_random(uint64_t *state)
{
	uint64_t mixed = *state += 0x9e3779b97f4a7c15;

	mixed = (mixed ^ (mixed >> 30)) * 0xbf58476d1ce4e5b9;
	mixed = (mixed ^ (mixed >> 27)) * 0x94d049bb133111eb;
	return mixed ^ (mixed >> 31);
}

/* Whether a stands before b: by file, then by line. NULL stands before all. */
static inline bool t_before(const struct t_test *a, const struct t_test *b)
{
	const char *one, *other;

	if (!a || !b)
		return !a;
	for (one = a->file, other = b->file; *one && *one == *other; one++, other++)
		;
	return *one == *other ? a->line < b->line : *one < *other;
}

/* The test after `test`, or NULL: compilers and linkers reorder what they emit. */
static inline const struct t_test *t_next(const struct t_test *test)
{
	const struct t_test *next = NULL;

	for (const struct t_test *const *entry = __start_t_tests; entry < __stop_t_tests; entry++)
		if (t_before(test, *entry) && (!next || t_before(*entry, next)))
			next = *entry;
	return next;
}

/* Run one test and print its line. */
static inline bool t_run(const struct t_test *test, unsigned number)
{
	t_state.complaints = 0;
	t_state.skipped = NULL;
	T_CONTEXT(NULL, 0);
	test->run();
	if (t_state.complaints > T_COMPLAINTS_MOST)
		T_PRINTF("# %s: %llu complaints in all\n", test->name,
			 (unsigned long long)t_state.complaints);
	T_PRINTF("%sok %u - %s", t_state.complaints ? "not " : "", number, test->name);
	if (t_state.skipped)
		T_PRINTF(" # SKIP %s", t_state.skipped);
	T_PRINTF("\n");
	return !t_state.complaints;
}

/* Whether the test was asked for by name, or no test was. */
static inline bool t_wanted(const struct t_test *test, int count, char **names)
{
	bool wanted = count == 0;

	for (int i = 0; i < count && !wanted; i++) {
		const char *a = names[i], *b = test->name;

		while (*a && *a == *b)
			a++, b++;
		wanted = *a == *b;
	}
	return wanted;
}

/* Run the tests named, or all; 0 if all held, 1 if not. */
static inline int t_main(int count, char **names)
{
	unsigned number = 0;
	int status = 0;

	for (const struct t_test *test = t_next(NULL); test; test = t_next(test)) {
		if (!t_wanted(test, count, names))
			continue;
		if (!t_run(test, ++number))
			status = 1;
	}
	T_PRINTF("1..%u\n", number);
	return status;
}

#ifdef T_OPTION
/* The number of SEED, or `fallback`; always printed, so that a run can be repeated. */
static inline uint64_t t_seed(uint64_t fallback)
{
	const uint64_t seed = T_OPTION("SEED", fallback);

	T_PRINTF("# SEED=%llu\n", (unsigned long long)seed);
	return seed;
}
#endif

#ifndef T_NO_MAIN
int main(int argc, char **argv)
{
	setvbuf(stdout, NULL, _IOLBF, 0);
	return t_main(argc - 1, argv + 1);
}
#endif

#endif
