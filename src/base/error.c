/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* Names, texts and errno numbers of the errors. */
#include <maxleaf/types.h>

struct error_row {
	int error;
	int number; /* errno, Linux numbering */
	const char *name;
	const char *text;
};

#define ROW(error, number, text)            \
	{                                   \
		error, number, #error, text \
	}

static const struct error_row rows[] = {
	ROW(ML_OK, 0, "success"),
	ROW(ML_ERR_ALIGN, 22, "not a multiple of the page size it must be aligned to"),
	ROW(ML_ERR_EMPTY, 22, "the range is empty"),
	ROW(ML_ERR_WRAP, 75, "the range wraps around the end of the address space"),
	ROW(ML_ERR_CANONICAL, 22, "a virtual address outside what the table translates"),
	ROW(ML_ERR_PA_RANGE, 34, "a physical address beyond the physical width"),
	ROW(ML_ERR_PROT, 95, "the format cannot express this protection or memory type"),
	ROW(ML_ERR_CONFIG, 22, "the configuration contradicts itself or the format"),
	ROW(ML_ERR_EXISTS, 17, "something is mapped in the range already"),
	ROW(ML_ERR_NOT_MAPPED, 2, "nothing is mapped there"),
	ROW(ML_ERR_SHARED, 1, "the range belongs to another table"),
	ROW(ML_ERR_SIZE, 22, "no such leaf size here"),
	ROW(ML_ERR_ARGUMENT, 22, "an argument makes no sense"),
	ROW(ML_ERR_BAD_TABLE, 117, "a table pointer that leads nowhere or round in a loop"),
	ROW(ML_ERR_BAD_ENTRY, 117, "a malformed entry"),
	ROW(ML_ERR_BAD_COUNT, 117, "the accounting does not match the table"),
	ROW(ML_ERR_NO_MEMORY, 12, "no memory for a table"),
	ROW(ML_ERR_SHORT, 12, "the reserve holds too few tables"),
	ROW(ML_ERR_CONTENDED, 11, "a writer kept changing the entries"),
	ROW(ML_ERR_NO_SPACE, 12, "no free addresses that fit"),
	ROW(ML_ERR_REFUSED, 1, "refused by what is below the port"),
	ROW(ML_ERR_UNTRACKED, 61, "accessed and dirty are not tracked there"),
	ROW(ML_ERR_NEVER_FAULT, 16, "it takes a break where nothing may ever fault"),
	ROW(ML_ERR_ACCESS, 13, "a right that the region or the owner of the frames denies"),
	ROW(ML_ERR_FAULT, 14, "memory that cannot be used this way or is not there"),
	ROW(ML_ERR_BUG, 5, "an invariant of the library is broken"),
};

static const struct error_row *find(int error)
{
	size_t i;

	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (rows[i].error == error)
			return &rows[i];
	return NULL;
}

const char *ml_error_name(int error)
{
	const struct error_row *row = find(error);

	return row ? row->name : "ML_ERR_?";
}

const char *ml_error_text(int error)
{
	const struct error_row *row = find(error);

	return row ? row->text : "an unknown error";
}

int ml_errno(int error)
{
	const struct error_row *row = find(error);

	return row ? row->number : 22;
}

const char *ml_version(void)
{
	return ML_VERSION_STRING;
}
