/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* Error names, texts and errno numbers, and the version. */
#include <errno.h>
#include <string.h>

#include <maxleaf/maxleaf.h>

#include "t.h"

struct error_case {
	int error;
	const char *name;
	int number;
	int want_errno;
};

#define CASE(error, number, want_errno)           \
	{                                         \
		error, #error, number, want_errno \
	}

/* The numbers are the library's ABI: they never change. */
static const struct error_case cases[] = {
	CASE(ML_OK, 0, 0),
	CASE(ML_ERR_ALIGN, -1, EINVAL),
	CASE(ML_ERR_EMPTY, -2, EINVAL),
	CASE(ML_ERR_WRAP, -3, EOVERFLOW),
	CASE(ML_ERR_CANONICAL, -4, EINVAL),
	CASE(ML_ERR_PA_RANGE, -5, ERANGE),
	CASE(ML_ERR_PROT, -6, EOPNOTSUPP),
	CASE(ML_ERR_CONFIG, -7, EINVAL),
	CASE(ML_ERR_EXISTS, -8, EEXIST),
	CASE(ML_ERR_NOT_MAPPED, -9, ENOENT),
	CASE(ML_ERR_SHARED, -10, EPERM),
	CASE(ML_ERR_SIZE, -11, EINVAL),
	CASE(ML_ERR_ARGUMENT, -12, EINVAL),
	CASE(ML_ERR_BAD_TABLE, -20, EUCLEAN),
	CASE(ML_ERR_BAD_ENTRY, -21, EUCLEAN),
	CASE(ML_ERR_BAD_COUNT, -22, EUCLEAN),
	CASE(ML_ERR_NO_MEMORY, -30, ENOMEM),
	CASE(ML_ERR_SHORT, -31, ENOMEM),
	CASE(ML_ERR_CONTENDED, -32, EAGAIN),
	CASE(ML_ERR_NO_SPACE, -33, ENOMEM),
	CASE(ML_ERR_REFUSED, -40, EPERM),
	CASE(ML_ERR_UNTRACKED, -41, ENODATA),
	CASE(ML_ERR_NEVER_FAULT, -42, EBUSY),
	CASE(ML_ERR_ACCESS, -43, EACCES),
	CASE(ML_ERR_FAULT, -44, EFAULT),
	CASE(ML_ERR_BUG, -50, EIO),
};

#define CASE_COUNT (sizeof(cases) / sizeof(cases[0]))

static const struct error_case *find(int error)
{
	for (size_t i = 0; i < CASE_COUNT; i++)
		if (cases[i].error == error)
			return &cases[i];
	return NULL;
}

TEST(numbers_names_and_errno)
{
	for (size_t i = 0; i < CASE_COUNT; i++) {
		T_CONTEXT(cases[i].name, i);
		t_eq(cases[i].error, cases[i].number);
		t_str(ml_error_name(cases[i].error), cases[i].name);
		t_eq(ml_errno(cases[i].error), cases[i].want_errno);
	}
}

/* A name for a number that is not listed above would be an error nobody tests. */
TEST(no_other_error_has_a_name)
{
	for (int error = -1000; error <= 1000; error++) {
		T_CONTEXT("error", error);
		if (!find(error)) {
			t_str(ml_error_name(error), "ML_ERR_?");
			t_ok(ml_errno(error) > 0);
		}
	}
}

TEST(texts_are_distinct_sentences_without_stop)
{
	const char *unknown = ml_error_text(-999);

	for (size_t i = 0; i < CASE_COUNT; i++) {
		const char *text = ml_error_text(cases[i].error);

		T_CONTEXT(cases[i].name, i);
		t_ok(strlen(text) > 3);
		t_ok(text[strlen(text) - 1] != '.');
		t_ok(strcmp(text, unknown) != 0);
		for (size_t j = 0; j < i; j++)
			t_ok(strcmp(text, ml_error_text(cases[j].error)) != 0);
	}
}

TEST(version_agrees_with_its_parts)
{
	char version[32];

	snprintf(version, sizeof(version), "%d.%d.%d", ML_VERSION_MAJOR, ML_VERSION_MINOR,
		 ML_VERSION_PATCH);
	t_str(ml_version(), version);
	t_str(ML_VERSION_STRING, version);
}
