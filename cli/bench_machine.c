/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/*
 * What the numbers were measured on: CPU, kernel, hypervisor, and how much memory may be
 * taken without harm.
 */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/utsname.h>
#include <unistd.h>
#if defined(__x86_64__)
#include <cpuid.h>
#endif

#include "bench.h"

/* --- names ------------------------------------------------------------------------ */

static bool read_line(const char *path, char *text, size_t size)
{
	FILE *file = fopen(path, "re");
	bool read = file && fgets(text, (int)size, file);

	if (file)
		fclose(file);
	if (read)
		text[strcspn(text, "\n")] = '\0';
	return read;
}

/* The value of the first "name : value" line of a file; text is left alone if there is none. */
static bool read_field(const char *path, const char *name, char *text, size_t size)
{
	FILE *file = fopen(path, "re");
	char line[512];
	bool found = false;

	while (file && !found && fgets(line, sizeof(line), file)) {
		char *value = strchr(line, ':');

		if (!value || strncmp(line, name, strlen(name)))
			continue;
		for (value++; isspace((unsigned char)*value); value++)
			;
		value[strcspn(value, "\n")] = '\0';
		found = snprintf(text, size, "%s", value) > 0;
	}
	if (file)
		fclose(file);
	return found;
}

static void read_cpu(char *cpu, size_t size)
{
	const char *info = "/proc/cpuinfo";
	char family[16], model[16];
	size_t used;

	if (!read_field(info, "model name", cpu, size) &&
	    !read_line("/sys/firmware/devicetree/base/model", cpu, size)) {
		struct utsname name;

		snprintf(cpu, size, "%s", uname(&name) ? "unknown CPU" : name.machine);
		if (read_field(info, "CPU implementer", family, sizeof(family)) &&
		    read_field(info, "CPU part", model, sizeof(model))) {
			used = strlen(cpu);
			snprintf(cpu + used, size - used, ", implementer %s part %s", family,
				 model);
		}
		return;
	}
	/* A hypervisor may hide the model's name, but hardly its number. */
	used = strlen(cpu);
	if (read_field(info, "cpu family", family, sizeof(family)) &&
	    read_field(info, "model\t", model, sizeof(model)))
		snprintf(cpu + used, size - used, " (family %s, model %s)", family, model);
}

#if defined(__x86_64__)
/* Intel SDM vol. 2 CPUID: hardware never sets leaf 1 ECX bit 31; 0x40000000 names who did. */
static bool read_hypervisor(char *name, size_t size)
{
	static const struct {
		const char *signature, *name;
	} known[] = {
		{ "KVMKVMKVM", "KVM" },         { "Microsoft Hv", "Hyper-V" },
		{ "VMwareVMware", "VMware" },   { "XenVMMXenVMM", "Xen" },
		{ "TCGTCGTCGTCG", "QEMU TCG" },
	};
	unsigned a, b, c, d;
	char signature[13] = "";
	size_t i;

	if (!__get_cpuid(1, &a, &b, &c, &d) || !(c & UINT32_C(1) << 31))
		return false;
	__cpuid(0x40000000, a, b, c, d);
	memcpy(signature, &b, 4);
	memcpy(signature + 4, &c, 4);
	memcpy(signature + 8, &d, 4);
	snprintf(name, size, "unnamed hypervisor");
	for (i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (!strcmp(signature, known[i].signature))
			snprintf(name, size, "%s", known[i].name);
	return true;
}
#else
static bool read_hypervisor(char *name, size_t size)
{
	char product[64] = "";

	if (read_line("/sys/hypervisor/type", name, size) ||
	    read_line("/proc/device-tree/hypervisor/compatible", name, size))
		return true;
	return (read_line("/sys/class/dmi/id/product_name", product, sizeof(product)) ||
		read_line("/sys/class/dmi/id/sys_vendor", product, sizeof(product))) &&
	       (strstr(product, "KVM") || strstr(product, "QEMU") || strstr(product, "Virtual")) &&
	       snprintf(name, size, "%s", product) > 0;
}
#endif

/* --- memory ----------------------------------------------------------------------- */

static void limit_to(struct bench_machine *machine, uint64_t bytes, const char *limit)
{
	if (bytes >= machine->usable)
		return;
	machine->usable = bytes;
	machine->limit = limit;
}

static bool read_number(const char *directory, const char *file, uint64_t *number)
{
	char path[4200], text[64];
	char *end;

	snprintf(path, sizeof(path), "%s/%s", directory, file);
	if (!read_line(path, text, sizeof(text)))
		return false;
	*number = strtoull(text, &end, 10);
	return end != text;
}

/* One control group and those above it: the tightest holds. */
static void limit_to_groups(struct bench_machine *machine, const char *root, const char *group,
			    const char *limit_file, const char *used_file)
{
	char directory[4096];
	uint64_t limit, used;

	snprintf(directory, sizeof(directory), "%s%s", root, group);
	while (strlen(directory) >= strlen(root)) {
		char *slash;

		if (read_number(directory, limit_file, &limit) &&
		    read_number(directory, used_file, &used))
			limit_to(machine, limit > used ? limit - used : 0, "the cgroup's limit");
		slash = strrchr(directory, '/');
		if (!slash)
			break;
		*slash = '\0';
	}
}

/* "0::/path" is version 2, "4:memory:/path" the memory controller of version 1. */
static void limit_to_cgroup(struct bench_machine *machine)
{
	FILE *file = fopen("/proc/self/cgroup", "re");
	char line[4096];

	while (file && fgets(line, sizeof(line), file)) {
		char *controllers = strchr(line, ':');
		char *group = controllers ? strchr(controllers + 1, ':') : NULL;

		if (!group)
			continue;
		*group++ = '\0';
		group[strcspn(group, "\n")] = '\0';
		if (!strcmp(controllers, ":"))
			limit_to_groups(machine, "/sys/fs/cgroup", group, "memory.max",
					"memory.current");
		else if (strstr(controllers, "memory"))
			limit_to_groups(machine, "/sys/fs/cgroup/memory", group,
					"memory.limit_in_bytes", "memory.usage_in_bytes");
	}
	if (file)
		fclose(file);
}

/* Three windows, and room to align them: half of the addresses is what they can fill. */
static void limit_to_rlimits(struct bench_machine *machine)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_AS, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY)
		limit_to(machine, limit.rlim_cur / 2, "RLIMIT_AS");
	if (getrlimit(RLIMIT_DATA, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY)
		limit_to(machine, limit.rlim_cur, "RLIMIT_DATA");
}

static void limit_to_available(struct bench_machine *machine)
{
	char text[64];

	if (read_field("/proc/meminfo", "MemAvailable", text, sizeof(text)))
		limit_to(machine, strtoull(text, NULL, 10) << 10, "available memory");
	else
		limit_to(machine, (uint64_t)sysconf(_SC_AVPHYS_PAGES) * (uint64_t)getpagesize(),
			 "free memory");
}

void bench_machine_read(struct bench_machine *machine)
{
	struct utsname name;

	memset(machine, 0, sizeof(*machine));
	machine->usable = UINT64_MAX;
	read_cpu(machine->cpu, sizeof(machine->cpu));
	if (uname(&name) == 0)
		snprintf(machine->kernel, sizeof(machine->kernel), "%.30s %.60s", name.sysname,
			 name.release);
	machine->is_virtual = read_hypervisor(machine->hypervisor, sizeof(machine->hypervisor));
	limit_to_available(machine);
	limit_to_cgroup(machine);
	limit_to_rlimits(machine);
}
