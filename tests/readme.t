#!/bin/sh
# SPDX-License-Identifier: Apache-2.0 OR MIT
# The README is true: its example compiles with what it says and prints what it says, its
# two commands and every file it names exist.
. tests/support/tap.sh

# block LANGUAGE: the first fenced block of that language.
block() {
	awk -v fence='```'"$1" '$0 == "```" { if (inside) exit } inside { print } $0 == fence { inside = 1 }' README.md
}

block c >"$scratch/example.c"
block text >"$scratch/expected"
ok "has an example" test -s "$scratch/example.c"
ok "of at most 25 lines" test "$(wc -l <"$scratch/example.c")" -le 25
for compiler in "$CC" "$CLANG"; do
	if have "$compiler"; then
		ok "compiles with $compiler" "$compiler" -std=c11 -Wall -Wextra -Werror -Iinclude \
			-o "$scratch/example" "$scratch/example.c" -L"$O" -lmaxleaf-hosted -lmaxleaf
	else
		skip "compiles with $compiler" "no $compiler"
	fi
done
"$scratch/example" >"$scratch/printed"
ok "runs" test $? -eq 0
ok "prints what the README says" diff "$scratch/expected" "$scratch/printed"

# links FILE: relative links lead to files.
links() {
	missing=
	for link in $(grep -o '](\([^)]*\))' "$1" | sed -e 's/^](//' -e 's/)$//' -e 's/#.*//'); do
		case "$link" in
		*://* | "") ;;
		*) [ -e "$(dirname "$1")/$link" ] || missing="$missing $link" ;;
		esac
	done
	is_empty "$missing"
}
# paths FILE: what stands in backquotes and begins with a folder of the tree is there; * is any text.
paths() {
	missing=
	for path in $(grep -oE '`(src|ports|tests|tools|docs|mk|man|fuzz|proofs|examples|bench)/[^` ]*`' "$1" |
		tr -d '`'); do
		# shellcheck disable=SC2086 # a pattern
		ls -d $path >/dev/null 2>&1 || missing="$missing $path"
	done
	is_empty "$missing"
}
for page in README.md CONTRIBUTING.md CHANGELOG.md docs/*.md; do
	ok "links of $page" links "$page"
	ok "paths of $page" paths "$page"
done

# names PAGE: every function of a link such as [`name()`](file) stands in that file.
names() {
	missing=
	for pair in $(grep -o '\[`[a-z0-9_]*()`\]([^)]*)' "$1" | sed 's/\[`\(.*\)()`\](\(.*\))/\1:\2/'); do
		grep -qE "^[A-Za-z].*[ *]${pair%%:*}\(" "$(dirname "$1")/${pair#*:}" || missing="$missing $pair"
	done
	is_empty "$missing"
}
ok "functions of the tour exist" names docs/tour.md

# commands: every "make TARGET" of the pages is a target.
commands() {
	missing=
	for target in $(grep -ohE '(^|`)make [a-z-]+' README.md CONTRIBUTING.md | sed 's/.* //' |
		sort -u); do
		grep -qE "^$target:" Makefile mk/*.mk || missing="$missing $target"
	done
	is_empty "$missing"
}
ok "make targets named exist" commands
done_testing
