/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/*
 * Names for bits of raw entries: Intel SDM vol. 3A 4.5, AMD APM vol. 2 5.3, Arm ARM D8.3.
 * Only bits the library has no ml_prot for; whether a bit is reserved is the library's to
 * say, what people call it is said here.
 */
#include "bits.h"

#define LEAF (1u << ML_KIND_LEAF)
#define TABLE (1u << ML_KIND_TABLE)
#define INVALID (1u << ML_KIND_INVALID)

struct row {
	uint8_t encoding;
	uint8_t kinds;     /* LEAF, TABLE, INVALID */
	uint8_t level_min; /* and every level above */
	uint8_t high;
	uint8_t low;
	const char *name;
};

static const struct row rows[] = {
	{ ML_ENCODING_X86_64, TABLE, 0, 3, 3, "PWT of the next table" },
	{ ML_ENCODING_X86_64, TABLE, 0, 4, 4, "PCD of the next table" },
	{ ML_ENCODING_X86_64, TABLE, 0, 6, 6, "ignored" },
	{ ML_ENCODING_X86_64, TABLE, 3, 7, 7, "PS: no leaf at this level" },
	{ ML_ENCODING_X86_64, TABLE, 0, 8, 8, "ignored" },
	{ ML_ENCODING_X86_64, TABLE, 0, 11, 9, "software" },
	{ ML_ENCODING_X86_64, TABLE, 0, 58, 52, "software" },
	{ ML_ENCODING_X86_64, TABLE, 0, 62, 59, "ignored" },
	{ ML_ENCODING_X86_64, TABLE, 0, 63, 63, "NX" },
	{ ML_ENCODING_X86_64, LEAF, 0, 11, 11, "software" },
	{ ML_ENCODING_X86_64, LEAF, 2, 29, 13, "address below the leaf's size" },
	{ ML_ENCODING_X86_64, LEAF, 1, 20, 13, "address below the leaf's size" },
	{ ML_ENCODING_X86_64, LEAF, 0, 62, 59, "protection key" },
	{ ML_ENCODING_ARM64, INVALID, 0, 0, 0, "valid, but neither leaf nor table" },
	{ ML_ENCODING_ARM64, TABLE, 0, 11, 2, "ignored" },
	{ ML_ENCODING_ARM64, TABLE, 0, 49, 48, "address beyond 48 bits" },
	{ ML_ENCODING_ARM64, TABLE, 0, 50, 50, "must be zero" },
	{ ML_ENCODING_ARM64, TABLE, 0, 58, 51, "ignored" },
	{ ML_ENCODING_ARM64, TABLE, 0, 59, 59, "PXNTable" },
	{ ML_ENCODING_ARM64, TABLE, 0, 60, 60, "UXNTable" },
	{ ML_ENCODING_ARM64, TABLE, 0, 62, 61, "APTable" },
	{ ML_ENCODING_ARM64, TABLE, 0, 63, 63, "NSTable" },
	{ ML_ENCODING_ARM64, LEAF, 0, 5, 5, "NS" },
	{ ML_ENCODING_ARM64, LEAF, 1, 16, 16, "nT" },
	{ ML_ENCODING_ARM64, LEAF, 1, 15, 12, "address below the leaf's size" },
	{ ML_ENCODING_ARM64, LEAF, 2, 29, 17, "address below the leaf's size" },
	{ ML_ENCODING_ARM64, LEAF, 1, 20, 17, "address below the leaf's size" },
	{ ML_ENCODING_ARM64, LEAF, 0, 49, 48, "address beyond 48 bits" },
	{ ML_ENCODING_ARM64, LEAF, 0, 50, 50, "GP" },
	{ ML_ENCODING_ARM64, LEAF, 0, 62, 59, "PBHA or overlay index" },
	{ ML_ENCODING_TOY, INVALID, 0, 0, 0, "valid, but neither leaf nor table" },
	{ ML_ENCODING_TOY, TABLE, 0, 4, 1, "must be zero" },
	{ ML_ENCODING_TOY, LEAF, 1, 13, 12, "address below the leaf's size" },
	{ ML_ENCODING_TOY, LEAF | TABLE, 0, 62, 20, "address beyond 20 bits" },
	{ ML_ENCODING_TOY, LEAF | TABLE, 0, 63, 63, "software" },
};

#define ROW_COUNT (sizeof(rows) / sizeof(rows[0]))

static uint64_t mask_of(unsigned high, unsigned low)
{
	return (UINT64_MAX >> (63 - high)) & (UINT64_MAX << low);
}

/* The row that names this bit, NULL if none does. */
static const struct row *row_of(const struct ml_format *format, unsigned level, enum ml_kind kind,
				unsigned bit)
{
	size_t i;

	for (i = 0; i < ROW_COUNT; i++) {
		const struct row *row = &rows[i];

		if (row->encoding == format->encoding && row->kinds >> kind & 1 &&
		    level >= row->level_min && bit >= row->low && bit <= row->high)
			return row;
	}
	return NULL;
}

bool bits_next(const struct ml_format *format, unsigned level, enum ml_kind kind, uint64_t *bits,
	       struct bits_field *field)
{
	const struct row *row;

	if (!*bits)
		return false;
	field->low = field->high = (unsigned)__builtin_ctzll(*bits);
	row = row_of(format, level, kind, field->low);
	field->name = row ? row->name : "";
	/* A field ends where its bits or its name end. */
	while (field->high < 63 && *bits >> (field->high + 1) & 1 &&
	       row_of(format, level, kind, field->high + 1) == row)
		field->high++;
	*bits &= ~mask_of(field->high, field->low);
	return true;
}

struct limit {
	uint8_t encoding;
	uint8_t bit;
	uint8_t value; /* of the bit, for the limit to hold */
	const char *text;
};

static const struct limit limits[] = {
	{ ML_ENCODING_X86_64, 1, 0, "not writable" },
	{ ML_ENCODING_X86_64, 2, 0, "not for user mode" },
	{ ML_ENCODING_X86_64, 63, 1, "not executable" },
	{ ML_ENCODING_ARM64, 59, 1, "not executable by privileged mode" },
	{ ML_ENCODING_ARM64, 60, 1, "not executable by user mode" },
	{ ML_ENCODING_ARM64, 61, 1, "not for user mode" },
	{ ML_ENCODING_ARM64, 62, 1, "not writable" },
};

const char *bits_limit(const struct ml_format *format, ml_pte pte, unsigned n)
{
	size_t i;

	for (i = 0; i < sizeof(limits) / sizeof(limits[0]); i++) {
		const struct limit *limit = &limits[i];

		if (limit->encoding == format->encoding &&
		    (pte >> limit->bit & 1) == limit->value && n-- == 0)
			return limit->text;
	}
	return NULL;
}
