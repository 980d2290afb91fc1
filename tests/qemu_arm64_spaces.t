#!/bin/sh
# SPDX-License-Identifier: Apache-2.0 OR MIT
# Programs in one space, and in forks of it, on arm64, all CPUs running at once.
. tests/support/tap.sh
. tests/qemu/boards.sh
run_parallel arm64 max 40 programs_on_all_cpus_share_a_space forks_run_beside_their_parent
