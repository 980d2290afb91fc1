#!/bin/sh
# SPDX-License-Identifier: Apache-2.0 OR MIT
# The emulator's monitor walks the tables that a board built, and finds what the board says is
# there; a board that says one address and one leaf wrong is caught.
. tests/support/tap.sh
. tests/qemu/boards.sh

have perl || skip_all "no perl"

judge() {
	perl tests/qemu/judge.pl "$O/maxleaf" "$(board_image "$1")" "$@"
}

# catches BOARD CPU LIES: a judgement of a liar tells that many differences.
catches() {
	judge "$1" "$2" judge-lie >"$scratch/lie"
	status=$?
	cat "$scratch/lie"
	[ $status -eq 1 ] && tail -n 1 "$scratch/lie" | grep -q ": $3 differ"
}

# on BOARD CPU LIES
on() {
	reason=$(missing "$1")
	if [ -n "$reason" ]; then
		skip "what $1 $2 translates" "$reason"
		return 0
	fi
	ok "what $1 $2 translates" judge "$1" "$2"
	tail -n 1 "$scratch/tap-output" | sed 's/^/# /'
	ok "a lie of $1 $2" catches "$1" "$2" "$3"
}

on arm64 max 1
on x86_64 max,la57=off 2
on x86_64 max 2
done_testing
