/* SPDX-License-Identifier: Apache-2.0 */
/* What programs carry along for kernels of long ago. */
#ifndef OLD_KERNELS_H
#define OLD_KERNELS_H

#include <linux/version.h>
#include <linux/types.h>

#if LINUX_VERSION_CODE < KERNEL_VERSION(3, 0, 0)
#include <linux/gone_for_long.h>
static inline u32 hash_32(u32 value, unsigned int bits)
{
	return value >> bits;
}
struct list_head {
	int other;
};
typedef int pid_t;
enum { GOLDEN_RATIO_32 = 4, LIST_POISON1 };
#endif

#endif
