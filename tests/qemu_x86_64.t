#!/bin/sh
# SPDX-License-Identifier: Apache-2.0 OR MIT
# The tests of tests/mmu on x86-64, four levels.
. tests/support/tap.sh
. tests/qemu/boards.sh
run_board x86_64 max,la57=off
