/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/*
 * What is the KVM port's own: what it refuses, faults as they are told, invalidations that the
 * vCPU executes, and that nothing is left behind. What tables do on it: tests/mmu.
 */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#if defined(__x86_64__)
#include <linux/kvm.h>
#endif

#include <maxleaf/kvm.h>

#include "t.h"

#define MIB ((uint64_t)1 << 20)
#define GIB ((uint64_t)1 << 30)
#define PAGE ((uint64_t)4096)
#define MEMORY_PA (4 * GIB)
#define VA ((ml_va)1 << 40)
#define USER_RW (ML_USER | ML_RW)

static const struct ml_kvm_config usual = { .memory_bytes = 16 * MIB, .memory_pa = MEMORY_PA };

/* A machine and a table that its vCPU translates by. */
struct guest_space {
	struct ml_kvm kvm;
	struct ml_table table;
};

/* Why there is none here, or NULL. */
static const char *missing(void)
{
	static char reason[128];
	struct ml_kvm k;

	if (ml_kvm_init(&k, &usual) == ML_OK) {
		ml_kvm_fini(&k);
		return NULL;
	}
	snprintf(reason, sizeof(reason), "%s: %s", k.refusal.what,
		 k.refusal.error ? strerror(k.refusal.error) : "not here");
	return reason;
}

#define NEED_KVM()                         \
	do {                               \
		if (missing())             \
			T_SKIP(missing()); \
	} while (0)

static bool space_init(struct guest_space *s)
{
	struct ml_table_config config = { .rungs = 0 };

	if (!t_eq(ml_kvm_init(&s->kvm, &usual), ML_OK))
		return false;
	ml_kvm_configure(&s->kvm, &config);
	return t_eq(ml_table_init(&s->table, &ml_format_x86_64, &config), ML_OK) &&
	       t_eq(ml_kvm_attach(&s->kvm, &s->table), ML_OK);
}

static void space_fini(struct guest_space *s)
{
	t_eq(ml_table_check(&s->table, NULL), ML_OK);
	ml_kvm_detach(&s->kvm, &s->table);
	ml_table_fini(&s->table, NULL);
	ml_kvm_fini(&s->kvm);
}

static uint64_t *word(struct guest_space *s, uint64_t offset)
{
	return (uint64_t *)(void *)(s->kvm.memory + offset);
}

static int load(struct guest_space *s, ml_va va, uint64_t *value)
{
	return ml_kvm_probe(&s->kvm, ML_KVM_USER, ML_KVM_LOAD, va, value);
}

/* The user finds this word there. */
static void finds(struct guest_space *s, ml_va va, uint64_t want)
{
	uint64_t value = ~want;

	t_eq(load(s, va, &value), ML_OK);
	t_eq(value, want);
}

/* A page fault there with this code. */
static void faults(struct guest_space *s, enum ml_kvm_mode mode, enum ml_kvm_access access,
		   ml_va va, uint64_t code)
{
	uint64_t value = 99;

	t_eq(ml_kvm_probe(&s->kvm, mode, access, va, &value), ML_ERR_REFUSED);
	t_eq(value, 99);
	t_str(s->kvm.refusal.what, "fault");
	t_eq(s->kvm.refusal.number, ML_KVM_PAGE_FAULT);
	t_eq(s->kvm.refusal.code, code);
	t_eq(s->kvm.refusal.va, va);
}

static void refuses(struct ml_kvm_config config, int error)
{
	struct ml_kvm k;

	t_eq(ml_kvm_init(&k, &config), error);
}

TEST(bad_configurations_are_refused)
{
	NEED_KVM();
	refuses((struct ml_kvm_config){ .memory_pa = MEMORY_PA }, ML_ERR_EMPTY);
	refuses((struct ml_kvm_config){ .memory_bytes = MIB }, ML_ERR_ALIGN);
	refuses((struct ml_kvm_config){ .memory_bytes = 2 * MIB, .memory_pa = PAGE }, ML_ERR_ALIGN);
	refuses((struct ml_kvm_config){ .memory_bytes = -2 * MIB }, ML_ERR_PA_RANGE);
	refuses((struct ml_kvm_config){ .memory_bytes = 2 * MIB, .memory_pa = -2 * MIB },
		ML_ERR_PA_RANGE);
}

/* Told by name and errno, wherever the tests run. */
TEST(a_device_that_is_none_is_refused)
{
	static const struct {
		const char *device;
		int error;
	} cases[] = { { "/nowhere/kvm", ENOENT }, { "/dev/null", ENOTTY } };

	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct ml_kvm_config config = usual;
		struct ml_kvm k;

		config.device = cases[i].device;
		t_eq(ml_kvm_init(&k, &config), ML_ERR_REFUSED);
		t_ok(k.refusal.what);
#if defined(__x86_64__)
		t_eq(k.refusal.error, cases[i].error);
#endif
	}
}

TEST(a_table_of_somebody_else_is_refused)
{
	struct ml_table_config config = { .rungs = 0 };
	struct guest_space s, other;
	struct ml_table table, arm;

	NEED_KVM();
	T_REQUIRE(space_init(&s));
	ml_kvm_configure(&s.kvm, &config);
	T_REQUIRE(t_eq(ml_table_init(&table, &ml_format_x86_64, &config), ML_OK));
	t_eq(ml_kvm_attach(&s.kvm, &table), ML_ERR_EXISTS);
	T_REQUIRE(space_init(&other));
	ml_kvm_detach(&other.kvm, &other.table);
	t_eq(ml_kvm_attach(&other.kvm, &table), ML_ERR_CONFIG);
	ml_kvm_configure(&other.kvm, &config);
	T_REQUIRE(t_eq(ml_table_init(&arm, &ml_format_arm64_4k, &config), ML_OK));
	t_eq(ml_kvm_attach(&other.kvm, &arm), ML_ERR_CONFIG);
	ml_table_fini(&arm, NULL);
	t_eq(ml_kvm_attach(&other.kvm, &other.table), ML_OK);
	space_fini(&other);
	ml_table_fini(&table, NULL);
	space_fini(&s);
}

TEST(the_ports_addresses_are_its_own)
{
	struct ml_table_config config = { .rungs = 0 };
	struct guest_space s;
	struct ml_table table;

	NEED_KVM();
	T_REQUIRE(space_init(&s));
	t_eq(ml_map(&s.table, ML_KVM_KERNEL_VA, PAGE, MEMORY_PA, USER_RW, NULL), ML_ERR_SHARED);
	t_eq(ml_unmap(&s.table, ML_KVM_KERNEL_VA, PAGE, NULL), ML_ERR_SHARED);
	ml_kvm_detach(&s.kvm, &s.table);
	ml_kvm_configure(&s.kvm, &config);
	T_REQUIRE(t_eq(ml_table_init(&table, &ml_format_x86_64, &config), ML_OK));
	t_eq(ml_map(&table, ML_KVM_LENT_VA, PAGE, MEMORY_PA, USER_RW, NULL), ML_OK);
	t_eq(ml_kvm_attach(&s.kvm, &table), ML_ERR_EXISTS);
	ml_table_fini(&table, NULL);
	t_eq(ml_kvm_attach(&s.kvm, &s.table), ML_OK);
	space_fini(&s);
}

/* Intel SDM vol. 3A 4.7: present 1, write 2, user 4, fetch 16. */
TEST(faults_are_told)
{
	struct guest_space s;
	uint64_t value = 5;

	NEED_KVM();
	T_REQUIRE(space_init(&s));
	faults(&s, ML_KVM_USER, ML_KVM_LOAD, VA, 4);
	faults(&s, ML_KVM_USER, ML_KVM_STORE, VA, 6);
	faults(&s, ML_KVM_KERNEL, ML_KVM_LOAD, VA, 0);
	t_eq(ml_map(&s.table, VA, PAGE, MEMORY_PA, ML_USER | ML_READ, NULL), ML_OK);
	faults(&s, ML_KVM_USER, ML_KVM_STORE, VA + 8, 7);
	faults(&s, ML_KVM_KERNEL, ML_KVM_STORE, VA + 8, 3);
	faults(&s, ML_KVM_USER, ML_KVM_FETCH, VA, 0x15);
	t_eq(ml_kvm_probe(&s.kvm, ML_KVM_USER, ML_KVM_LOAD, (ml_va)1 << 50, &value),
	     ML_ERR_REFUSED);
	t_str(s.kvm.refusal.what, "fault");
	t_eq(s.kvm.refusal.number, 13);
	t_eq(value, 5);
	finds(&s, VA, 0);
	space_fini(&s);
}

/* A leaf of nothing: told, and the vCPU goes on. */
TEST(an_access_beyond_the_memory_is_told)
{
	struct guest_space s;
	uint64_t value = 5;

	NEED_KVM();
	T_REQUIRE(space_init(&s));
	*word(&s, 8) = 77;
	t_eq(ml_map(&s.table, VA, PAGE, 2 * GIB, USER_RW, NULL), ML_OK);
	t_eq(ml_map(&s.table, VA + PAGE, PAGE, MEMORY_PA, USER_RW, NULL), ML_OK);
	for (unsigned access = ML_KVM_LOAD; access <= ML_KVM_STORE; access++) {
		t_eq(ml_kvm_probe(&s.kvm, ML_KVM_USER, (enum ml_kvm_access)access, VA + 16, &value),
		     ML_ERR_REFUSED);
		t_str(s.kvm.refusal.what, "no memory there");
		t_eq(s.kvm.refusal.number, 2 * GIB + 16);
		t_eq(value, 5);
		finds(&s, VA + PAGE + 8, 77);
	}
	space_fini(&s);
}

/* The entry of a leaf, as the vCPU reads it. */
static uint64_t *entry_of(struct guest_space *s, ml_va va)
{
	struct ml_walk walk;

	if (!t_eq(ml_walk(&s->table, va, &walk), ML_OK))
		return NULL;
	return (uint64_t *)(void *)(ml_pool_base(&s->kvm.pool) +
				    walk.entries[walk.count - 1].table) +
	       walk.entries[walk.count - 1].index;
}

/*
 * The entry is changed behind the table's back; from the invalidation on, no matter of how many
 * pages, of which mode's or of which stride, the vCPU sees it.
 */
static void check_invalidation(struct guest_space *s, const struct ml_invalidation *what,
			       ml_prot prot)
{
	const struct ml_platform *platform = s->table.platform;
	uint64_t *entry;

	t_eq(ml_map(&s->table, VA, PAGE, MEMORY_PA, prot, NULL), ML_OK);
	finds(s, VA, 1);
	entry = entry_of(s, VA);
	T_REQUIRE(t_ok(entry));
	*entry += 2 * PAGE;
	platform->invalidate(&s->kvm, NULL, what);
	platform->complete(&s->kvm, NULL);
	finds(s, VA, 3);
	*entry -= 2 * PAGE;
	t_eq(ml_unmap(&s->table, VA, PAGE, NULL), ML_OK);
}

TEST(a_completed_invalidation_leaves_nothing_stale)
{
	static const struct ml_invalidation cases[] = {
		{ .va = VA, .length = PAGE, .stride_shift = 12, .leaves_only = 1 },
		{ .va = VA - 254 * PAGE, .length = 255 * PAGE, .stride_shift = 12, .level = 0xff },
		{ .va = VA - 255 * PAGE, .length = 256 * PAGE, .stride_shift = 12, .level = 0xff },
		{ .va = VA, .length = 2 * MIB, .stride_shift = 21, .level = 1 },
		{ .va = 0, .length = 0, .level = 0xff },
	};
	struct guest_space s;

	NEED_KVM();
	T_REQUIRE(space_init(&s));
	*word(&s, 0) = 1;
	*word(&s, 2 * PAGE) = 3;
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		T_CONTEXT("case", i);
		check_invalidation(&s, &cases[i], USER_RW);
		check_invalidation(&s, &cases[i], USER_RW | ML_GLOBAL);
	}
	space_fini(&s);
}

/* Another table under the same addresses, built of the same freed memory. */
TEST(a_table_that_is_attached_is_the_one_seen)
{
	struct ml_table_config config = { .rungs = 0 };
	struct guest_space s;

	NEED_KVM();
	T_REQUIRE(space_init(&s));
	for (uint64_t i = 0; i < 4; i++) {
		*word(&s, i * PAGE) = i + 1;
		t_eq(ml_map(&s.table, VA, PAGE, MEMORY_PA + i * PAGE, USER_RW | ML_GLOBAL, NULL),
		     ML_OK);
		finds(&s, VA, i + 1);
		ml_kvm_detach(&s.kvm, &s.table);
		ml_table_fini(&s.table, NULL);
		ml_kvm_configure(&s.kvm, &config);
		T_REQUIRE(t_eq(ml_table_init(&s.table, &ml_format_x86_64, &config), ML_OK));
		T_REQUIRE(t_eq(ml_kvm_attach(&s.kvm, &s.table), ML_OK));
		faults(&s, ML_KVM_USER, ML_KVM_LOAD, VA, 4);
	}
	space_fini(&s);
}

TEST(chases_and_copies_do_what_they_say)
{
	struct guest_space s;
	uint64_t offset;

	NEED_KVM();
	T_REQUIRE(space_init(&s));
	t_eq(ml_map(&s.table, VA, 16 * MIB, MEMORY_PA, USER_RW, NULL), ML_OK);
	for (uint64_t i = 0; i < 100; i++)
		*word(&s, i * PAGE) = (i + 1) % 100 * PAGE;
	for (uint64_t steps = 0; steps < 40; steps++) {
		offset = 30 * PAGE;
		t_eq(ml_kvm_chase(&s.kvm, VA, &offset, steps), ML_OK);
		t_eq(offset, (30 + steps) * PAGE);
	}
	t_eq(ml_kvm_copy(&s.kvm, VA + 8 * MIB, VA, 50 * PAGE + 3), ML_OK);
	t_eq(memcmp(word(&s, 8 * MIB), word(&s, 0), 50 * PAGE), 0);
	t_eq(*word(&s, 8 * MIB + 50 * PAGE), 51 * PAGE & 0xffffff);
	offset = 16 * MIB;
	t_eq(ml_kvm_chase(&s.kvm, VA, &offset, 8), ML_ERR_REFUSED);
	t_eq(s.kvm.refusal.va, VA + 16 * MIB);
	t_eq(offset, 16 * MIB);
	t_eq(ml_kvm_copy(&s.kvm, VA + 15 * MIB, VA, 2 * MIB), ML_ERR_REFUSED);
	t_eq(s.kvm.refusal.va, VA + 16 * MIB);
	t_eq(memcmp(word(&s, 15 * MIB), word(&s, 0), MIB), 0);
	space_fini(&s);
}

#if defined(__x86_64__)
/* Where the vCPU has other types than the tables mean, only what is outside it could tell. */
TEST(the_vcpu_has_the_formats_types)
{
	union {
		struct kvm_msrs head;
		char room[sizeof(struct kvm_msrs) + sizeof(struct kvm_msr_entry)];
	} msrs = { .head.nmsrs = 1 };
	struct guest_space s;
	uint64_t value = 0;

	NEED_KVM();
	T_REQUIRE(space_init(&s));
	msrs.head.entries[0] = (struct kvm_msr_entry){ .index = 0x277 }; /* IA32_PAT */
	t_eq(load(&s, VA, &value), ML_ERR_REFUSED);
	t_eq(ioctl(s.kvm.cpu_fd, KVM_GET_MSRS, &msrs), 1);
	t_eq(msrs.head.entries[0].data, ml_format_x86_64.types_default);
	space_fini(&s);
}
#endif

static unsigned open_files(void)
{
	DIR *folder = opendir("/proc/self/fd");
	unsigned count = 0;

	while (folder && readdir(folder))
		count++;
	if (folder)
		closedir(folder);
	return count;
}

static unsigned mappings(void)
{
	FILE *file = fopen("/proc/self/maps", "re");
	unsigned count = 0;
	int c;

	while (file && (c = getc(file)) != EOF)
		count += c == '\n';
	if (file)
		fclose(file);
	return count;
}

TEST(fini_gives_everything_back)
{
	struct guest_space s;
	unsigned files, maps;

	NEED_KVM();
	files = open_files();
	maps = mappings();
	for (unsigned i = 0; i < 3; i++) {
		struct ml_kvm_config none = usual;

		T_REQUIRE(space_init(&s));
		t_ok(open_files() > files);
		space_fini(&s);
		none.memory_pa = (uint64_t)1 << s.kvm.pa_bits;
		refuses(none, ML_ERR_PA_RANGE);
	}
	t_eq(open_files(), files);
	t_eq(mappings(), maps);
}
