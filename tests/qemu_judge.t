#!/bin/sh
# SPDX-License-Identifier: Apache-2.0 OR MIT
# The emulator's monitor walks the tables that a board built, and finds what the board says is
# there; a board that tells one address and one leaf wrong is caught.
. tests/support/tap.sh
. tests/qemu/boards.sh

have perl || skip_all "no perl"

agrees() {
	perl tests/qemu/judge.pl "$O/maxleaf" "$(board_image "$1")" "$@"
}

# Of the addresses and of the leaves, one each.
catches_a_liar() {
	catches 2 agrees "$1" "$2" judge-lie
}

judge() {
	on_board "the monitor" "$@" && [ "$1" = agrees ] &&
		tail -n 1 "$scratch/tap-output" | sed 's/^/# /'
}

judge agrees arm64 max
judge agrees x86_64 max,la57=off
judge agrees x86_64 max
judge catches_a_liar x86_64 max
done_testing
