#!/bin/sh
# SPDX-License-Identifier: Apache-2.0 OR MIT
# The examples run, and say what they are there to show. (The build compiled them.)
. tests/support/tap.sh

# says EXAMPLE LINE...: it exits with 0 and prints these lines among others.
says() {
	example=$1
	shift
	"$O/plain/examples/$example" >"$scratch/$example" 2>&1 || {
		cat "$scratch/$example"
		return 1
	}
	for line in "$@"; do
		grep -qFx -- "$line" "$scratch/$example" || {
			printf 'missing: %s\n' "$line"
			cat "$scratch/$example"
			return 1
		}
	done
}

for source in examples/*.c; do
	ok "$source is short" test "$(wc -l <"$source")" -le 60
done
done_testing
