# SPDX-License-Identifier: Apache-2.0 OR MIT
# Proofs by CBMC, of the core as it is. PROOFS="plan pool" proves those files, or single proofs.

proofs: ## CBMC proves coding, groups, plan, live order, operands of TLB instructions; not in make test
	@O='$(O)' tools/deps proofs
	@if [ -x $(O)/cbmc/bin/cbmc ]; then \
		CC='$(CC)' proofs/run.sh $(O)/cbmc/bin $(O)/proofs; fi
.PHONY: proofs
