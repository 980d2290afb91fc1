#!/bin/sh
# SPDX-License-Identifier: Apache-2.0 OR MIT
# The same with five levels.
. tests/support/tap.sh
. tests/qemu/boards.sh
run_board x86_64 max
