#!/bin/sh
# SPDX-License-Identifier: Apache-2.0 OR MIT
# Every option is in the command's --help and in its manual page, and the page has no other;
# completion offers what the tool lists.

MAXLEAF=${MAXLEAF:-${O:-build}/maxleaf}
export LC_ALL=C
number=0
scratch=$(mktemp -d) || exit 1
trap 'rm -rf "$scratch"' EXIT

# verdict NAME FILE: ok if the file of complaints is empty.
verdict() {
	number=$((number + 1))
	if [ -s "$2" ]; then
		echo "not ok $number - $1"
		sed 's/^/# /' "$2"
	else
		echo "ok $number - $1"
	fi
}

if [ ! -x "$MAXLEAF" ]; then
	echo "Bail out! no tool at $MAXLEAF"
	exit 1
fi
commands=$("$MAXLEAF" --dump-options)
for command in $commands bench-space; do
	page=man/maxleaf-$command.1.scd
	words=$(echo "$command" | tr - ' ')
	# shellcheck disable=SC2086 # words on purpose
	"$MAXLEAF" $words --dump-options | sed 's/=$//' | sort >"$scratch/options"
	# shellcheck disable=SC2086
	"$MAXLEAF" $words --help | grep -o -e '--[a-z][a-z-]*' | sort -u >"$scratch/help"
	# Option headings of the page: lines that begin with *- in the OPTIONS section.
	sed -n '/^# OPTIONS/,/^# [A-NP-Z]/s/^\(\*-.*\)/\1/p' "$page" |
		grep -o -e '--[a-z][a-z-]*' | sort -u >"$scratch/page"
	comm -23 "$scratch/options" "$scratch/help" >"$scratch/missing"
	[ -s "$scratch/options" ] || echo "no options at all" >"$scratch/missing"
	verdict "maxleaf $command --help tells every option" "$scratch/missing"
	# shellcheck disable=SC2086
	"$MAXLEAF" $words --help | awk -v quote="'" '
		/ +$/ || (/^  maxleaf .* -e / && gsub(quote, quote) % 2)' >"$scratch/broken"
	verdict "maxleaf $command --help breaks no example, and ends no line with blanks" "$scratch/broken"
	comm -3 "$scratch/options" "$scratch/page" >"$scratch/different"
	verdict "$page tells every option and no other" "$scratch/different"
	for section in 'EXIT STATUS' ENVIRONMENT EXAMPLES; do
		grep -q "^# $section" "$page" || echo "$section"
	done >"$scratch/sections"
	verdict "$page has its sections" "$scratch/sections"
	grep -q "^\*$words\*" man/maxleaf.1.scd || echo "$command" >"$scratch/unlisted"
	: >>"$scratch/unlisted"
	verdict "man/maxleaf.1.scd lists $command" "$scratch/unlisted"
done

# records COMMAND ARGUMENT...: every field of what it prints is told of in its page, or in the page
# that it refers to.
records() {
	page=man/maxleaf-$1.1.scd
	words=$(echo "$1" | tr - ' ')
	command=$1
	shift
	# shellcheck disable=SC2086
	"$MAXLEAF" $words --json "$@" >"$scratch/records" 2>/dev/null
	grep -oE '"[a-z][a-z0-9_]*":' "$scratch/records" | tr -d '":' | sort -u | while read -r field; do
		grep -q "\*$field\*" "$page" && continue
		[ "$command" = trace ] && grep -q "\*$field\*" man/maxleaf-pte.1.scd && continue
		grep -q "\"$field\"" man/maxleaf.1.scd || echo "$field"
	done >"$scratch/unknown"
	[ -s "$scratch/records" ] || echo "no records" >"$scratch/unknown"
	verdict "$page tells of every field of: maxleaf $words $*" "$scratch/unknown"
}
records plan -f arm64-4k --va 0x40210000 --pa 0x80010000 --size 70M
records formats
records pte -f arm64-4k 0x60000000000743 0xffffffffffffffff@1 0
records pte -f x86-64 --encode --pa 4K --prot rw
records trace -f toy -e 'map 0 16K 0x8000; unmap 0 4K; touch 0x2000 write; fold 0 16K; map 0x1000 4K 0'
records bench-space --size 4M --rounds 3
records qemu arm64 --image README.md --print

if command -v bash >/dev/null 2>&1; then
	ln -s "$(realpath "$MAXLEAF")" "$scratch/maxleaf"
	PATH=$scratch:$PATH bash -c '
		source cli/maxleaf.bash
		compopt() { :; }
		offer() { COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _maxleaf maxleaf; echo "${COMPREPLY[*]}"; }
		offer maxleaf pl
		offer maxleaf plan --si
		offer maxleaf plan --format = arm
		offer maxleaf formats t
		offer maxleaf qemu x
		offer maxleaf bench --port = k
		offer maxleaf bench s
		offer maxleaf bench space --ro
		offer maxleaf trace --fold = b
		offer maxleaf trace --bbm ""
		offer maxleaf trace --errata = sm
		offer maxleaf trace man/maxleaf-tr
		offer maxleaf pte --color = n' >"$scratch/offered" 2>&1
	printf '%s\n' plan --size= arm64-4k toy x86_64 kvm space --rounds= block \
		'0 1 2' small-exec \
		man/maxleaf-trace.1.scd never | diff - "$scratch/offered" >"$scratch/wrong"
	verdict "completion offers commands, options, formats" "$scratch/wrong"
else
	number=$((number + 1))
	echo "ok $number - completion # SKIP no bash"
fi
echo "1..$number"
