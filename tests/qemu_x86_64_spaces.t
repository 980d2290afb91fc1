#!/bin/sh
# SPDX-License-Identifier: Apache-2.0 OR MIT
# Programs in one space, and in forks of it, on x86-64, all CPUs running at once.
. tests/support/tap.sh
. tests/qemu/boards.sh
run_parallel x86_64 max 8 programs_on_all_cpus_share_a_space forks_run_beside_their_parent
