/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/*
 * The scripts of maxleaf trace: operations between semicolons or ends of lines, # begins a
 * comment. Everything is read and checked before anything runs. A script is untrusted: it is
 * printable text of a limited length before anything else looks at it.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "plan.h"
#include "trace.h"

#define SCRIPT_MAX ((size_t)1 << 20)
#define WORDS_MAX 16

/* The place in the script, for messages. */
struct where {
	char text[48];
};

static struct where where_of(unsigned line)
{
	struct where where;

	snprintf(where.text, sizeof(where.text), "trace: script line %u", line);
	return where;
}

/* --- reading ------------------------------------------------------------------------------- */

char *trace_read(const char *name)
{
	FILE *file = strcmp(name, "-") == 0 ? stdin : fopen(name, "re");
	char *text = malloc(SCRIPT_MAX + 1);
	size_t length;

	if (!file)
		cli_die("trace", "%s: %s", name, strerror(errno));
	if (!text)
		cli_die("trace", "no memory");
	length = fread(text, 1, SCRIPT_MAX + 1, file);
	if (ferror(file))
		cli_die("trace", "%s: %s", name, strerror(errno));
	if (file != stdin)
		fclose(file);
	if (length > SCRIPT_MAX)
		cli_die("trace", "%s: a script has at most %s", name,
			cli_size_exact(SCRIPT_MAX).text);
	if (memchr(text, 0, length))
		cli_die("trace", "%s: not a text", name);
	text[length] = 0;
	return text;
}

/* Comments become blanks; what is neither printable nor a blank is refused. */
static void clean(char *text)
{
	bool comment = false;
	unsigned line = 1;

	for (; *text; text++) {
		if (*text == '\n') {
			comment = false;
			line++;
			continue;
		}
		comment = comment || *text == '#';
		if (comment || *text == '\t' || *text == '\r')
			*text = ' ';
		else if (*text < ' ' || *text > '~')
			cli_die(where_of(line).text, "byte 0x%02x is no text",
				(unsigned char)*text);
	}
}

/* --- one operation --------------------------------------------------------------------------- */

/* A statement in words. */
struct statement {
	const struct trace_request *request;
	struct where where;
	const struct verb *verb;
	char *words[WORDS_MAX]; /* after the verb */
	unsigned count;
};

static ml_prot mapping_prot(const struct statement *s, unsigned word)
{
	return cli_prot_or_die(s->where.text, word < s->count ? s->words[word] : "rw");
}

static void parse_map(const struct statement *s, struct trace_operation *operation)
{
	operation->pa = cli_number_or_die(s->where.text, s->words[2]);
	cli_check_aligned(s->where.text, operation->pa,
			  UINT64_C(1) << s->request->format->page_shift);
	operation->prot = mapping_prot(s, 3);
}

static void parse_unmap(const struct statement *s, struct trace_operation *operation)
{
	(void)s;
	(void)operation;
}

/* What one word of protect adds to the mask; *value gets what is to be set. */
static ml_prot change_of(const struct statement *s, const char *word, ml_prot *value)
{
	ml_prot named;

	if (strncmp(word, "type=", 5) == 0) {
		*value |= cli_prot_or_die(s->where.text, word);
		return ML_TYPE_MASK;
	}
	if ((*word != '+' && *word != '-') || strstr(word, "type=")) {
		cli_error(s->where.text, "protect: '%s' is none of +PROT, -PROT, type=NAME", word);
		cli_hint("protect 0x200000 4K -w +soft0 type=nc");
		exit(CLI_TROUBLE);
	}
	named = cli_prot_or_die(s->where.text, word + 1);
	if (*word == '+')
		*value |= named;
	return named;
}

static void parse_protect(const struct statement *s, struct trace_operation *operation)
{
	unsigned i;

	for (i = 2; i < s->count; i++) {
		const ml_prot mask = change_of(s, s->words[i], &operation->prot);

		if (mask & operation->mask)
			cli_die(s->where.text, "protect: '%s' repeats or contradicts", s->words[i]);
		operation->mask |= mask;
	}
	if (!operation->mask)
		cli_die(s->where.text, "protect: there is nothing to change");
}

static void parse_split(const struct statement *s, struct trace_operation *operation)
{
	if (s->count > 2)
		operation->rung = cli_rung_or_die(s->where.text, s->request->format, s->words[2]);
}

static void parse_fold(const struct statement *s, struct trace_operation *operation)
{
	operation->rung = s->request->format->rung_count - 1u;
	parse_split(s, operation);
}

static void parse_touch(const struct statement *s, struct trace_operation *operation)
{
	static const char *const accesses[] = { "read", "write", "execute" };
	unsigned i, access;

	for (i = 1; i < s->count; i++) {
		for (access = 0; access < 3 && strcmp(accesses[access], s->words[i]); access++)
			;
		if (access < 3)
			operation->access = access;
		else if (strcmp(s->words[i], "user") == 0)
			operation->user = true;
		else
			cli_die(s->where.text, "touch: '%s' is none of read, write, execute, user",
				s->words[i]);
	}
}

static void parse_live(const struct statement *s, struct trace_operation *operation)
{
	operation->live = strcmp(s->words[0], "on") == 0;
	if (!operation->live && strcmp(s->words[0], "off"))
		cli_die(s->where.text, "live: '%s' is neither on nor off", s->words[0]);
}

static const struct verb {
	const char *name;
	enum trace_verb verb;
	unsigned words_min, words_max;
	bool has_va, has_bytes;
	void (*parse)(const struct statement *s, struct trace_operation *operation);
	const char *usage;
} verbs[] = {
	{ "map", TRACE_MAP, 3, 4, true, true, parse_map, "map VA SIZE PA [PROT]" },
	{ "replace", TRACE_REPLACE, 3, 4, true, true, parse_map, "replace VA SIZE PA [PROT]" },
	{ "unmap", TRACE_UNMAP, 2, 2, true, true, parse_unmap, "unmap VA SIZE" },
	{ "protect", TRACE_PROTECT, 3, WORDS_MAX, true, true, parse_protect,
	  "protect VA SIZE [+PROT] [-PROT] [type=NAME]" },
	{ "split", TRACE_SPLIT, 2, 3, true, true, parse_split, "split VA SIZE [LEAF]" },
	{ "fold", TRACE_FOLD, 2, 3, true, true, parse_fold, "fold VA SIZE [LEAF]" },
	{ "touch", TRACE_TOUCH, 1, 3, true, false, parse_touch,
	  "touch VA [read|write|execute] [user]" },
	{ "live", TRACE_LIVE, 1, 1, false, false, parse_live, "live on|off" },
};

#define VERB_COUNT (sizeof(verbs) / sizeof(verbs[0]))

static const struct verb *verb_or_die(const char *where, const char *name)
{
	size_t i;

	for (i = 0; i < VERB_COUNT; i++) {
		if (strcmp(verbs[i].name, name) == 0)
			return &verbs[i];
	}
	cli_error(where, "unknown operation '%s'", name);
	cli_hint("operations: map, replace, unmap, protect, split, fold, touch, live");
	exit(CLI_TROUBLE);
}

static void usage_or_die(const struct statement *s)
{
	if (s->count >= s->verb->words_min && s->count <= s->verb->words_max)
		return;
	cli_error(s->where.text, "%s: too %s words", s->verb->name,
		  s->count < s->verb->words_min ? "few" : "many");
	cli_hint("%s", s->verb->usage);
	exit(CLI_TROUBLE);
}

static void range_or_die(const struct statement *s, const struct trace_operation *operation)
{
	const struct plan_request range = {
		.format = s->request->format,
		.va = operation->va,
		.size = s->verb->has_bytes ? operation->bytes : 1,
		.levels = s->request->levels,
	};
	const uint64_t page = UINT64_C(1) << range.format->page_shift;

	if (!range.size)
		cli_die(s->where.text, "%s: the range is empty", s->verb->name);
	if (s->verb->has_bytes) {
		cli_check_aligned(s->where.text, range.va, page);
		cli_check_aligned(s->where.text, range.size, page);
	}
	plan_check_va(s->where.text, s->where.text, &range);
}

static struct trace_operation operation_of(const struct statement *s)
{
	struct trace_operation operation = { .verb = s->verb->verb };

	if (s->verb->has_va)
		operation.va = cli_number_or_die(s->where.text, s->words[0]);
	if (s->verb->has_bytes)
		operation.bytes = cli_number_or_die(s->where.text, s->words[1]);
	if (s->verb->has_va)
		range_or_die(s, &operation);
	s->verb->parse(s, &operation);
	return operation;
}

/* Blanks at both ends away. */
static char *trimmed(char *text)
{
	size_t length;

	text += strspn(text, " ");
	for (length = strlen(text); length && text[length - 1] == ' '; length--)
		text[length - 1] = 0;
	return text;
}

static void add(struct trace_script *script, const struct trace_operation *operation)
{
	struct trace_operation *operations = script->operations;

	if ((script->count & (script->count - 1)) == 0) { /* full at every power of two */
		const size_t room = script->count ? 2 * script->count : 1;

		operations = realloc(operations, room * sizeof(*operations));
		if (!operations)
			cli_die("trace", "no memory");
		script->operations = operations;
	}
	operations[script->count++] = *operation;
}

static void parse_statement(const struct trace_request *request, char *text, unsigned line,
			    struct trace_script *script)
{
	struct statement s = { .request = request, .where = where_of(line) };
	struct trace_operation operation;
	char *whole, *word;

	text = trimmed(text);
	if (!*text)
		return;
	whole = strdup(text);
	if (!whole)
		cli_die("trace", "no memory");
	s.verb = verb_or_die(s.where.text, strsep(&text, " "));
	while ((word = strsep(&text, " ")) != NULL) {
		if (!*word)
			continue;
		if (s.count == WORDS_MAX)
			cli_die(s.where.text, "%s: too many words", s.verb->name);
		s.words[s.count++] = word;
	}
	usage_or_die(&s);
	operation = operation_of(&s);
	operation.line = line;
	operation.text = whole;
	add(script, &operation);
}

void trace_parse(const struct trace_request *request, char *text, struct trace_script *script)
{
	unsigned line = 1;

	clean(text);
	while (text) {
		const size_t length = strcspn(text, ";\n");
		const char end = text[length];

		text[length] = 0;
		parse_statement(request, text, line, script);
		text = end ? text + length + 1 : NULL;
		line += end == '\n';
	}
}

void trace_script_free(struct trace_script *script)
{
	size_t i;

	for (i = 0; i < script->count; i++)
		free(script->operations[i].text);
	free(script->operations);
}
