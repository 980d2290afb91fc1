#!/bin/sh
# SPDX-License-Identifier: Apache-2.0 OR MIT
# The same on an arm64 CPU that sets neither accessed nor dirty.
. tests/support/tap.sh
. tests/qemu/boards.sh
run_board arm64 cortex-a72
