// SPDX-License-Identifier: Apache-2.0
/* Bit macros and inline bit functions, constant and not. */
#include <linux/bits.h>
#include <linux/bitops.h>
#include <linux/bitfield.h>
#include <linux/log2.h>
#include <linux/bitmap.h>
#include "corpus.h"

#define FIELD_LOW GENMASK(7, 4)

unsigned long map[BITS_TO_LONGS(130)];

SEC("kprobe/bits")
int bits(unsigned long long *ctx)
{
	u32 word = ctx[0];
	u64 wide = ctx[1];

	map[BIT_WORD(70)] |= BIT_MASK(70);
	return FIELD_GET(FIELD_LOW, word) + FIELD_PREP(FIELD_LOW, 3) + BIT(5) + (int)BIT_ULL(40 - 20) + rol32(word, 5) +
	       sign_extend32(word, 7) + ror64(wide, 9) + ilog2(4096) + roundup_pow_of_two(33) + hweight8(0x5a) + is_power_of_2(wide);
}
