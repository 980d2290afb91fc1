#!/bin/sh
# SPDX-License-Identifier: Apache-2.0 OR MIT
# docs/catalogue.md and tests/catalogue/ agree: every number once, every test that is named is
# there, and every test that is there is named, in its file, by its number. The list of our own
# mistakes names tests that are there, and all of tests/mended*.c.
. tests/support/tap.sh

rows() {
	sed -n 's/^| B-\([0-9][0-9]\) | *\([^ |]*\) *| \(.*\) |$/\1 \2 \3/p' docs/catalogue.md
}

# "01 file.c name" of every row that names a test; of every test, by its own number.
listed() {
	rows | grep -E '^[0-9]+ [^ ]+\.c b_[0-9]+_[a-z0-9_]+$'
}
written() {
	sed -n 's/^TEST(b_\([0-9][0-9]\)_\(.*\))$/\1 FILE b_\1_\2/p' "$1" | sed "s/FILE/$(basename "$1")/"
}
all_written() {
	for file in tests/catalogue/*.c; do
		written "$file"
	done | sort
}

# Rows without a test give a reason, or a test elsewhere that exists.
unreasonable() {
	rows | grep -vE '\.c b_[0-9]' | while read -r number reason; do
		case "$reason" in
		'no: '?* | 'not yet: '?*) ;;
		\`tests/*.c\`\ *)
			file=${reason#?}
			file=${file%%\`*}
			grep -q "^TEST(${reason##* })" "$file" || echo "$number: $reason"
			;;
		*) echo "$number: $reason" ;;
		esac
	done
}

strangers() {
	grep -hn '^TEST(' tests/catalogue/*.c | grep -v 'TEST(b_[0-9][0-9]_'
}

# "01 tests/file.c name" of our own mistakes.
own() {
	# shellcheck disable=SC2016 # a pattern
	sed -n 's/^| O-\([0-9][0-9]\) | .* | `\(tests\/[a-z0-9_/]*\.c\)` \([a-z0-9_]*\) |$/\1 \2 \3/p' \
		docs/catalogue.md
}

missing_of_own() {
	own | while read -r number file name; do
		grep -qs "^TEST($name)" "$file" || echo "$number: $file $name"
	done
}

unlisted_of_own() {
	own | cut -d ' ' -f 2,3 >"$scratch/own"
	grep -o '^TEST([a-z0-9_]*' tests/mended*.c | sed 's/:TEST(/ /' |
		grep -vxF -f "$scratch/own" || true
}

ok "every number stands once, in order" test "$(rows | cut -d ' ' -f 1 | xargs)" = \
	"$(seq -w 1 97 | xargs)"
ok "the tests listed are those written" test "$(listed | sort)" = "$(all_written)"
ok "what has no test has a reason" is_empty "$(unreasonable)"
ok "every test has a number" is_empty "$(strangers)"
ok "most of the catalogue is tested" test "$(listed | wc -l)" -ge 80
ok "our own stand once each, in order" test "$(own | cut -d ' ' -f 1 | xargs)" = \
	"$(seq -w 1 "$(grep -c '^| O-' docs/catalogue.md)" | xargs)"
ok "the tests of our own are there" is_empty "$(missing_of_own)"
ok "what was mended is listed" is_empty "$(unlisted_of_own)"
done_testing
