// SPDX-License-Identifier: Apache-2.0
/* Clocks, jiffies, ktime. */
#include <linux/ktime.h>
#include <linux/time64.h>
#include <linux/jiffies.h>
#include <linux/timekeeping.h>
#include "corpus.h"

SEC("kprobe/time")
int times(unsigned long long *ctx)
{
	ktime_t a = ctx[0], b = ctx[1];
	struct timespec64 ts = {.tv_sec = ctx[2], .tv_nsec = 5};

	return ktime_sub(a, b) + ms_to_ktime(b) + timespec64_to_ns(&ts) / (u64)NSEC_PER_USEC + USER_HZ +
	       ktime_compare(a, b) + CLOCK_MONOTONIC + (5 * HZ);
}
