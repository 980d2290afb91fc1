# SPDX-License-Identifier: Apache-2.0 OR MIT
# Targets beside building and testing: bench, fuzz, cross, lint, size, install.
