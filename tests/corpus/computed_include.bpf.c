// SPDX-License-Identifier: Apache-2.0
/* Include lines that macros make. */
#define HEADER <linux/sched.h>
#define BELOW(x) <linux/x.h>
#define STRING(x) #x
#include HEADER
#include BELOW(errno)
#include STRING(corpus.h)

SEC("kprobe/computed_include")
int computed_include(unsigned long long *ctx)
{
	return ((struct task_struct *)ctx[0])->pid + ENOENT;
}
