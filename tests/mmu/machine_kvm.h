/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* The KVM port as a machine: why there is none, for the program to say. */
#ifndef TESTS_MACHINE_KVM_H
#define TESTS_MACHINE_KVM_H

/* NULL: machine_facts() has one. */
const char *machine_kvm_missing(void);

#endif
