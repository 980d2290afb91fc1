#!/bin/sh
# SPDX-License-Identifier: Apache-2.0 OR MIT
# The stress of tests/mmu on arm64, all CPUs running at once.
. tests/support/tap.sh
. tests/qemu/boards.sh
run_parallel arm64 max 40 users_on_all_cpus_never_see_another_page
