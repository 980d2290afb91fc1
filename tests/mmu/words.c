/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* Reading the board's command line. */
#include "board.h"
#include "words.h"

/* Where the word at `at` ends if it is `word`, alone or before '='; else NULL. */
static const char *match(const char *at, const char *word)
{
	while (*word && *at == *word)
		at++, word++;
	return !*word && (!*at || *at == ' ' || *at == '=') ? at : NULL;
}

static const char *find(const char *word)
{
	const char *at = isa_command_line();
	const char *end = NULL;

	while (*at && !(end = match(at, word))) {
		while (*at && *at != ' ')
			at++;
		while (*at == ' ')
			at++;
	}
	return end;
}

bool word_is_given(const char *word)
{
	return find(word) != NULL;
}

uint64_t word_number(const char *name, uint64_t fallback)
{
	const char *at = find(name);
	uint64_t number = 0;

	if (!at || *at != '=')
		return fallback;
	while (*++at >= '0' && *at <= '9')
		number = number * 10 + (uint64_t)(*at - '0');
	return number;
}

int words_alone(char *words[WORDS_MOST])
{
	static char copy[1024];
	const char *from = isa_command_line();
	int count = 0;
	size_t at = 0;

	while (*from) {
		const size_t start = at;
		bool has_value = false;

		if (count == WORDS_MOST)
			board_die("more than %u words on the command line", WORDS_MOST);
		for (; *from && *from != ' '; from++) {
			if (at >= sizeof(copy) - 1)
				board_die("the words are too long");
			has_value |= *from == '=';
			copy[at++] = *from;
		}
		copy[at++] = 0;
		if (has_value || at == start + 1)
			at = start;
		else
			words[count++] = copy + start;
		while (*from == ' ')
			from++;
	}
	return count;
}
