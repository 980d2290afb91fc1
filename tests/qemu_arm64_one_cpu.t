#!/bin/sh
# SPDX-License-Identifier: Apache-2.0 OR MIT
# The same on a board of one CPU: its programs, their spaces and what changes them take turns.
. tests/support/tap.sh
. tests/qemu/boards.sh
run_board arm64 max --cpus 1 ML_TEST_CPUS=1
