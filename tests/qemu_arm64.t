#!/bin/sh
# SPDX-License-Identifier: Apache-2.0 OR MIT
# The tests of tests/mmu on arm64; accessed and dirty are set by the hardware.
. tests/support/tap.sh
. tests/qemu/boards.sh
run_board arm64 max
