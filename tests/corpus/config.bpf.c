// SPDX-License-Identifier: Apache-2.0
/* The configuration: tested, stringified, as numbers, in declarations. */
#include <linux/kconfig.h>
#include <linux/sched.h>
#include <linux/threads.h>
#include <linux/cache.h>
#include <linux/jiffies.h>
#include <linux/stringify.h>
#include "corpus.h"

int facts[] = {
	HZ,
	CONFIG_HZ,
	IS_ENABLED(CONFIG_SMP),
	IS_BUILTIN(CONFIG_NET),
	IS_MODULE(CONFIG_EXT4_FS),
	IS_REACHABLE(CONFIG_IPV6),
	IS_ENABLED(CONFIG_OF_NO_KERNEL),
	NR_CPUS,
	SMP_CACHE_BYTES,
#ifdef CONFIG_PREEMPT_VOLUNTARY
	1,
#endif
#if defined(CONFIG_NUMA) && CONFIG_NR_CPUS > 1
	2,
#endif
#ifndef CONFIG_KHEADERS_NOWHERE
	4,
#endif
#if IS_ENABLED(CONFIG_CGROUPS)
	8,
#endif
#if HZ == 250 || HZ > 999
	16,
#endif
};
const char version[] = __stringify(CONFIG_HZ) "/" __stringify(KBUILD_MODNAME);

SEC("kprobe/config")
int config(unsigned long long *ctx)
{
	if (IS_ENABLED(CONFIG_NUMA))
		return facts[ctx[0] & 7] + version[ctx[1] & 3];
	return time_after((unsigned long)ctx[0], (unsigned long)ctx[1]) ? MAX_JIFFY_OFFSET & 0xff : 0;
}
