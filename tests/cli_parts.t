#!/bin/sh
# SPDX-License-Identifier: Apache-2.0 OR MIT
# The parts of the tool no command shows in full: sizes for people, quoting and numbers of
# JSON, the pace of the progress line. A small program is built on the tool's own sources.

CC=${CC:-gcc}
O=${O:-build}
scratch=$(mktemp -d) || exit 1
trap 'rm -rf "$scratch"' EXIT

cat >"$scratch/parts.c" <<'END'
#include <math.h>
#include <string.h>
#include <time.h>
#include "cli.h"

static void sizes(void)
{
	static const uint64_t bytes[] = {0, 1, 1023, 1024, 1025, 1536, 1048575, 1048576, 2113536,
		UINT64_C(1) << 40, UINT64_C(1) << 60, UINT64_MAX};
	unsigned i;

	for (i = 0; i < sizeof(bytes) / sizeof(bytes[0]); i++)
		printf("%s|%s\n", cli_size_exact(bytes[i]).text, cli_size_human(bytes[i]).text);
}

static void json(void)
{
	struct cli_json json;

	cli_json_open(&json, stdout);
	cli_json_text(&json, "quo\"te", "back\\slash \n\t\x1f \xc3\xa9");
	cli_json_address(&json, "address", UINT64_MAX);
	cli_json_integer(&json, "integer", UINT64_MAX);
	cli_json_real(&json, "real", 0.125);
	cli_json_real(&json, "nan", NAN);
	cli_json_real(&json, "infinity", INFINITY);
	cli_json_array(&json, "empty");
	cli_json_up(&json);
	cli_json_array(&json, "nested");
	cli_json_object(&json, NULL);
	cli_json_bool(&json, "yes", true);
	cli_json_up(&json);
	cli_json_integer(&json, NULL, 2);
	cli_json_null(&json, NULL);
	cli_json_close(&json);
}

static long now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void steps_until(struct cli_progress *progress, long end_ms)
{
	const struct timespec pause = {0, 1000000};
	unsigned i;

	for (i = 1; now_ms() < end_ms; i++, nanosleep(&pause, NULL))
		cli_progress_step(progress, i);
}

/* A part in which nothing may be shown, a bar, a second of steps. Prints the time it took. */
static void progress(void)
{
	struct cli_progress progress;
	long start = now_ms();

	cli_progress_begin(&progress, "measuring", 100000);
	steps_until(&progress, start + 250);
	fputs("|", stderr);
	steps_until(&progress, start + 1300);
	cli_progress_end(&progress);
	printf("%ld\n", now_ms() - start);
}

int main(int argc, char **argv)
{
	if (argc > 2)
		cli_terminal_pretend();
	if (strcmp(argv[1], "sizes") == 0)
		sizes();
	else if (strcmp(argv[1], "json") == 0)
		json();
	else
		progress();
	return 0;
}
END

if ! command -v "$CC" >/dev/null 2>&1; then
	echo "1..0 # SKIP no $CC"
	exit 0
fi
if ! "$CC" -std=c11 -D_GNU_SOURCE -Wall -Wextra -Iinclude -Icli -o "$scratch/parts" "$scratch/parts.c" \
	cli/number.c cli/json.c cli/tty.c "$O/libmaxleaf.a" 2>"$scratch/errors"; then
	echo "1..1"
	echo "not ok 1 - the parts compile"
	sed 's/^/# /' "$scratch/errors"
	exit 0
fi

number=0
# verdict NAME: ok if `expected` and `actual` are the same.
verdict() {
	number=$((number + 1))
	if diff "$scratch/expected" "$scratch/actual" >"$scratch/difference"; then
		echo "ok $number - $1"
	else
		echo "not ok $number - $1"
		sed 's/^/# /' "$scratch/difference"
	fi
}

echo "1..6"
cat >"$scratch/expected" <<'END'
0|0 B
1|1 B
1023|1023 B
1K|1 KiB
1025|1.00 KiB
1536|1.50 KiB
1048575|1.00 MiB
1M|1 MiB
2064K|2.02 MiB
1T|1 TiB
1048576T|1 EiB
18446744073709551615|16.00 EiB
END
"$scratch/parts" sizes >"$scratch/actual"
verdict "sizes, exact and for people"

cat >"$scratch/expected" <<'END'
{"quo\"te":"back\\slash \u000a\u0009\u001f é","address":"0xffffffffffffffff","integer":18446744073709551615,"real":0.125,"nan":null,"infinity":null,"empty":[],"nested":[{"yes":true},2,null]}
END
"$scratch/parts" json >"$scratch/actual"
verdict "JSON quoting, numbers, nesting"

number=$((number + 1))
if ! command -v jq >/dev/null 2>&1; then
	echo "ok $number - jq reads it # SKIP no jq"
elif [ "$(jq -c '.nested[0].yes, .nan' <"$scratch/actual" | tr '\n' ' ')" = "true null " ]; then
	echo "ok $number - jq reads it"
else
	echo "not ok $number - jq reads it"
fi

"$scratch/parts" progress 2>"$scratch/actual" >/dev/null
printf '|' >"$scratch/expected"
verdict "no progress line without a terminal"

took=$("$scratch/parts" progress pretend 2>"$scratch/shown")
tr -d '\n' <"$scratch/shown" | sed 's/|.*/|/' >"$scratch/actual"
verdict "nothing before half a second"

# After half a second at most ten lines a second, the last one erased.
number=$((number + 1))
lines=$(tr '\r' '\n' <"$scratch/shown" | grep -c 'measuring: [0-9]*/100000, [0-9]* s left')
erased=$(tail -c 4 "$scratch/shown" | od -An -tx1 | tr -d ' \n')
if [ "$lines" -ge 2 ] && [ "$lines" -le $(((took - 500) / 100 + 1)) ] && [ "$erased" = 0d1b5b4b ]; then
	echo "ok $number - the progress line keeps its pace and is erased"
else
	echo "not ok $number - the progress line keeps its pace and is erased"
	echo "# $lines lines in $took ms, ends in $erased"
fi
