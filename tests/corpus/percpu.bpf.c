// SPDX-License-Identifier: Apache-2.0
/* Types for each processor, by address arithmetic alone. */
#include <linux/percpu.h>
#include <linux/percpu-defs.h>
#include <linux/kernel_stat.h>
#include <linux/cpumask.h>
#include "corpus.h"

struct kernel_cpustat sample;
struct cpumask mask;

SEC("kprobe/percpu")
int percpu(unsigned long long *ctx)
{
	struct kernel_cpustat __percpu *all = (void *)ctx[0];

	sample.cpustat[CPUTIME_USER]++;
	return sample.cpustat[CPUTIME_SYSTEM] + sizeof(mask) + ((struct kernel_cpustat *)all)->cpustat[NR_STATS - 1] +
	       cpumask_bits(&mask)[0] + NR_CPUS;
}
