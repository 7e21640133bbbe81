// SPDX-License-Identifier: Apache-2.0
/* Options and names that macros of the program make, which only other macros test. */
#include <linux/kconfig.h>
#include <linux/sched.h>
#include <linux/socket.h>
#include "corpus.h"

#define CAT_(a, b) a##b
#define CAT(a, b) CAT_(a, b)
#define HAVE(option) IS_ENABLED(CAT(CONFIG_, option))
#define OPTION(x) IS_ENABLED(CONFIG_##x)
#define PREFIX CONFIG
#define UNDER_(a, b) a##_##b
#define UNDER(a, b) UNDER_(a, b)
#define THREE(a, b, c) a##b##c

int options[] = {
	HAVE(SMP), HAVE(NET), HAVE(NOWHERE), HAVE(64BIT), OPTION(64BIT), OPTION(HZ_250),
	IS_ENABLED(UNDER(PREFIX, CGROUPS)), IS_BUILTIN(UNDER(CONFIG, BPF_SYSCALL)), IS_ENABLED(THREE(CON, FIG_, SMP)),
	CAT(AF_, INET6), CAT(TASK_, RUNNING),
};

SEC("kprobe/pasted")
int pasted(unsigned long long *ctx)
{
	return options[ctx[0] & 7];
}
