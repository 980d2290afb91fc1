/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/*
 * A streaming writer of JSON records, one object a line. Owns quoting, commas and
 * closing; holds nothing of what it wrote, so a million rows cost no memory.
 */
#include <assert.h>
#include <inttypes.h>
#include <math.h>

#include "cli.h"

static void put_quoted(FILE *stream, const char *text)
{
	fputc('"', stream);
	for (; *text; text++) {
		unsigned char c = (unsigned char)*text;

		if (c == '"' || c == '\\')
			fprintf(stream, "\\%c", c);
		else if (c < 0x20)
			fprintf(stream, "\\u%04x", c);
		else
			fputc(c, stream);
	}
	fputc('"', stream);
}

/* The comma before an item and the item's name. */
static void put_name(struct cli_json *json, const char *name)
{
	if (json->comma)
		fputc(',', json->stream);
	json->comma = true;
	if (!name)
		return;
	put_quoted(json->stream, name);
	fputc(':', json->stream);
}

static void go_down(struct cli_json *json, char opener, char closer)
{
	assert(json->depth < sizeof(json->closers));
	fputc(opener, json->stream);
	json->closers[json->depth++] = closer;
	json->comma = false;
}

void cli_json_open(struct cli_json *json, FILE *stream)
{
	*json = (struct cli_json){ .stream = stream };
	go_down(json, '{', '}');
}

void cli_json_schema(struct cli_json *json, FILE *stream, const char *command)
{
	cli_json_open(json, stream);
	put_name(json, "schema");
	fprintf(stream, "\"maxleaf.%s/1\"", command);
	cli_json_text(json, "version", ml_version());
}

void cli_json_up(struct cli_json *json)
{
	assert(json->depth > 0);
	fputc(json->closers[--json->depth], json->stream);
	json->comma = true;
}

void cli_json_close(struct cli_json *json)
{
	while (json->depth)
		cli_json_up(json);
	fputc('\n', json->stream);
}

void cli_json_object(struct cli_json *json, const char *name)
{
	put_name(json, name);
	go_down(json, '{', '}');
}

void cli_json_array(struct cli_json *json, const char *name)
{
	put_name(json, name);
	go_down(json, '[', ']');
}

void cli_json_text(struct cli_json *json, const char *name, const char *value)
{
	put_name(json, name);
	put_quoted(json->stream, value);
}

void cli_json_address(struct cli_json *json, const char *name, uint64_t value)
{
	put_name(json, name);
	fprintf(json->stream, "\"0x%" PRIx64 "\"", value);
}

void cli_json_integer(struct cli_json *json, const char *name, uint64_t value)
{
	put_name(json, name);
	fprintf(json->stream, "%" PRIu64, value);
}

void cli_json_real(struct cli_json *json, const char *name, double value)
{
	if (!isfinite(value)) {
		cli_json_null(json, name);
		return;
	}
	put_name(json, name);
	fprintf(json->stream, "%.6g", value);
}

void cli_json_bool(struct cli_json *json, const char *name, bool value)
{
	put_name(json, name);
	fputs(value ? "true" : "false", json->stream);
}

void cli_json_null(struct cli_json *json, const char *name)
{
	put_name(json, name);
	fputs("null", json->stream);
}
