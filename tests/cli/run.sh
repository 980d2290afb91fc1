#!/bin/sh
# SPDX-License-Identifier: Apache-2.0 OR MIT
# run.sh TRANSCRIPT: replay a transcript of the tool and compare, one TAP test a command.
#
#   # comment         kept as it is; a file begins with its licence line
#   $ maxleaf ...     the command, a line of sh; `maxleaf` is $MAXLEAF
#   > text            what it wrote to stdout, with VERSION for the tool's version
#   ! text            what it wrote to stderr
#   = N               its exit status, when it is not 0
#
# UPDATE=1 writes what happened into the transcript instead: look at the difference before
# it is committed. A command that needs a program which is missing (jq) is skipped.

MAXLEAF=${MAXLEAF:-${O:-build}/maxleaf}
export MAXLEAF LC_ALL=C TERM=dumb
unset NO_COLOR CLICOLOR_FORCE COLUMNS ARGP_HELP_FMT POSIXLY_CORRECT

if [ ! -x "$MAXLEAF" ]; then
	echo "Bail out! no tool at $MAXLEAF"
	exit 1
fi

maxleaf() {
	"$MAXLEAF" "$@"
}

version=$("$MAXLEAF" --version | sed 's/^maxleaf //; s/\./\\./g')
transcript=$1
scratch=$(mktemp -d) || exit 1
trap 'rm -rf "$scratch"' EXIT
number=0

# What the command does, in the transcript's own form.
replay() {
	(eval "$1") >"$scratch/stdout" 2>"$scratch/stderr"
	status=$?
	sed "s/$version/VERSION/; s/^/> /; s/^> \$/>/" "$scratch/stdout"
	sed 's/^/! /; s/^! $/!/' "$scratch/stderr"
	[ $status -eq 0 ] || echo "= $status"
}

missing_program() {
	case "$1" in
	*jq*) command -v jq >/dev/null 2>&1 || echo jq ;;
	esac
}

# Compare the last command with what the transcript expects of it.
judge() {
	[ -n "$command" ] || return 0
	number=$((number + 1))
	missing=$(missing_program "$command")
	if [ -n "$missing" ]; then
		printf 'ok %s - %s # SKIP no %s\n' $number "$command" "$missing"
		cat "$scratch/expected" >>"$scratch/updated"
		return 0
	fi
	replay "$command" >"$scratch/actual"
	cat "$scratch/actual" >>"$scratch/updated"
	if [ -n "$UPDATE" ] || cmp -s "$scratch/expected" "$scratch/actual"; then
		printf 'ok %s - %s\n' $number "$command"
	else
		printf 'not ok %s - %s\n' $number "$command"
		diff -U 2 "$scratch/expected" "$scratch/actual" | sed 's/^/# /'
	fi
}

command=
: >"$scratch/updated"
while IFS= read -r line; do
	case "$line" in
	'$ '*)
		judge
		command=${line#'$ '}
		: >"$scratch/expected"
		printf '%s\n' "$line" >>"$scratch/updated"
		;;
	'> '* | '! '* | '= '* | '>' | '!')
		printf '%s\n' "$line" >>"$scratch/expected"
		;;
	*)
		judge
		command=
		printf '%s\n' "$line" >>"$scratch/updated"
		;;
	esac
done <"$transcript"
judge
echo "1..$number"
[ -z "$UPDATE" ] || cp "$scratch/updated" "$transcript"
[ $number -gt 0 ]
