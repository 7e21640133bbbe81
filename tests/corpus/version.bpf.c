// SPDX-License-Identifier: Apache-2.0
/* LINUX_VERSION_CODE and UTS_RELEASE, and a map's name by a macro that pastes. */
#include <linux/version.h>
#include <generated/utsrelease.h>
#include "corpus.h"

#define PART(a, b) a##b
#define NAME(x) PART(version_, x)

const volatile unsigned int NAME(code) SEC(".rodata.version") = LINUX_VERSION_CODE;
const char release[] = UTS_RELEASE;

SEC("kprobe/version")
int version(unsigned long long *ctx)
{
#if LINUX_VERSION_CODE >= KERNEL_VERSION(5, 15, 0)
	return version_code + release[ctx[0] & 7];
#else
	return -1;
#endif
}
