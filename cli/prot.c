/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/*
 * Protections as text, both ways. Owns the letters, the words and the names of the
 * memory types; what a format can express is the library's to say.
 */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "cli.h"

#define ACCESS_LETTERS 5

const struct cli_prot_word cli_prot_words[] = {
	{ 'r', "read", ML_READ },
	{ 'w', "write", ML_WRITE },
	{ 'x', "execute", ML_EXEC },
	{ 'u', "user", ML_USER },
	{ 'k', "privileged-execute", ML_PEXEC },
	{ 'a', "accessed", ML_ACCESSED },
	{ 'd', "dirty", ML_DIRTY },
	{ 'g', "global", ML_GLOBAL },
	{ 's', "special", ML_SPECIAL },
	{ 'v', "device-mark", ML_DEVICE_MARK },
	{ 0, "soft0", ML_SOFT(0) },
	{ 0, "soft1", ML_SOFT(1) },
	{ 0, "soft2", ML_SOFT(2) },
	{ 0, "soft3", ML_SOFT(3) },
	{ 0, "soft4", ML_SOFT(4) },
	{ 0, "soft5", ML_SOFT(5) },
	{ 0, "soft6", ML_SOFT(6) },
	{ 0, "soft7", ML_SOFT(7) },
	{ 0, NULL, 0 },
};

struct cli_text cli_prot_access(ml_prot prot)
{
	struct cli_text out = { "" };
	unsigned i;

	for (i = 0; i < ACCESS_LETTERS; i++)
		out.text[i] = prot & cli_prot_words[i].bit ? cli_prot_words[i].letter : '-';
	return out;
}

static const char *const type_names[ML_TYPE_COUNT] = { "WB",  "WT",         "WP",    "NC",
						       "DEV", "DEV-STRICT", "TAGGED" };

const char *cli_type_name(unsigned type)
{
	return type < ML_TYPE_COUNT ? type_names[type] : "unknown";
}

static bool type_of_name(const char *name, ml_prot *prot)
{
	unsigned type;

	for (type = 0; type < ML_TYPE_COUNT; type++) {
		if (strcasecmp(type_names[type], name) == 0) {
			*prot = (*prot & ~ML_TYPE_MASK) | ML_TYPE(type);
			return true;
		}
	}
	return false;
}

static bool add_word(const char *item, ml_prot *prot)
{
	const struct cli_prot_word *word;

	for (word = cli_prot_words; word->word; word++) {
		if (strcmp(word->word, item) == 0) {
			*prot |= word->bit;
			return true;
		}
	}
	return false;
}

/* Letters may stand in any order; '-' holds a place, as the short form prints it. */
static bool add_letters(const char *item, ml_prot *prot)
{
	const struct cli_prot_word *word;

	for (; *item; item++) {
		for (word = cli_prot_words; word->word && word->letter != *item; word++)
			;
		if (word->word)
			*prot |= word->bit;
		else if (*item != '-')
			return false;
	}
	return true;
}

static bool add_item(const char *item, ml_prot *prot)
{
	if (strncmp(item, "type=", 5) == 0)
		return type_of_name(item + 5, prot);
	return *item && (add_word(item, prot) || add_letters(item, prot));
}

ml_prot cli_prot_or_die(const char *where, const char *text)
{
	char *copy = strdup(text);
	char *rest = copy;
	const char *item;
	ml_prot prot = 0;

	if (!copy)
		cli_die(where, "no memory");
	while ((item = strsep(&rest, ",")) != NULL) {
		if (add_item(item, &prot))
			continue;
		cli_error(where, "cannot read '%s' in '%s'", item, text);
		cli_hint("letters r w x u k a d g s v, words read write execute user "
			 "privileged-execute accessed dirty global special device-mark "
			 "soft0..soft7, type=wb|wt|wp|nc|dev|dev-strict|tagged");
		exit(CLI_TROUBLE);
	}
	free(copy);
	return prot;
}
