// SPDX-License-Identifier: Apache-2.0
/* 64-bit division, rounding, the many-layered minimum and maximum. */
#include <linux/math64.h>
#include <linux/math.h>
#include <linux/kernel.h>
#include <linux/minmax.h>
#include "corpus.h"

u64 table[] = {1, 2, 3, 4, DIV_ROUND_UP(10, 4), round_up(13, 8), ALIGN(100, 64)};

SEC("kprobe/arithmetic")
int arithmetic(unsigned long long *ctx)
{
	u32 a = ctx[0], b = ctx[1], rest;
	u64 wide = ctx[2];

	return div_u64(wide, 1000) + div_u64_rem(wide, 7, &rest) + rest + min(a, b) + max_t(u64, a, wide) + clamp(a, 3u, 9u) +
	       min3(a, b, 5u) + roundup(a, 12) + DIV_ROUND_CLOSEST(a, 10) + abs((int)a) + table[a % ARRAY_SIZE(table)] +
	       clamp_val(b, 1, 4) + mul_u32_u32(a, b) + DIV_ROUND_UP_ULL(wide, 512);
}
