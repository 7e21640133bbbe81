/* SPDX-License-Identifier: Apache-2.0 */
/* What the programs of this directory share: a header of their own, which includes one of the kernel's. */
#ifndef CORPUS_H
#define CORPUS_H

#include <uapi/linux/bpf.h>

#define SEC(name) __attribute__((section(name), used))
#define HELPER(name) (void *)BPF_FUNC_##name
#define PEEK(src, member)                                                                                              \
	({                                                                                                             \
		typeof((src)->member) value_;                                                                          \
		read_kernel(&value_, sizeof(value_), &(src)->member);                                                  \
		value_;                                                                                                \
	})

static long (*read_kernel)(void *to, unsigned int size, const void *from) = HELPER(probe_read_kernel);
static unsigned long long (*this_task)(void) = HELPER(get_current_task);
static void *(*lookup)(void *map, const void *key) = HELPER(map_lookup_elem);

#include "license.h"
#endif
