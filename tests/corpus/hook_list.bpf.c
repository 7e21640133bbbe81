// SPDX-License-Identifier: Apache-2.0
/* Headers that are lists of calls of a macro, which the program defines. */
#include <linux/types.h>
#include <linux/kconfig.h>
#include "corpus.h"

enum hooks {
#define LSM_HOOK(RET, DEFAULT, NAME, ...) hook_##NAME,
#include <linux/lsm_hook_defs.h>
#undef LSM_HOOK
	hook_count
};
enum subsystems {
#define SUBSYS(name) subsystem_##name,
#include <linux/cgroup_subsys.h>
#undef SUBSYS
	subsystem_count
};

SEC("kprobe/hook_list")
int hook_list(unsigned long long *ctx)
{
	return ctx[0] == hook_file_open ? hook_count : subsystem_count + subsystem_cpu;
}
