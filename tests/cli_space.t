#!/bin/sh
# SPDX-License-Identifier: Apache-2.0 OR MIT
exec sh tests/cli/run.sh tests/cli/space.txt
