// SPDX-License-Identifier: Apache-2.0
/* Macros that are only tested, computed, redefined, undefined, recursive, variadic or without arguments. */
#include <linux/kernel.h>
#include <linux/socket.h>
#include <linux/limits.h>
#include "corpus.h"

#ifdef __KERNEL__
#define HERE 1
#else
#define HERE 2
#endif
#if defined(PATH_MAX) && PATH_MAX >= 4096
#define LONG_PATH PATH_MAX
#endif
#define SUM(first, ...) (first + COUNT_ARGS(__VA_ARGS__))
#define CALL CONCATENATE
#define KB(x, ...) ((x) * SZ_OF_K __VA_ARGS__)
#define SZ_OF_K 1024
#undef AF_UNIX
#define AF_UNIX 77
#define again (again)

SEC("kprobe/conditional")
int conditional(unsigned long long *ctx)
{
	int again_ = 2;
	unsigned long again = ctx[0];

	return HERE + LONG_PATH + SUM(1, 2, 3) + KB(4) + AF_UNIX + AF_INET6 + again + again_ + CALL(AF_, INET) + U32_MAX;
}
