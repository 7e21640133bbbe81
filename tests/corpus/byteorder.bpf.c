// SPDX-License-Identifier: Apache-2.0
/* Byte order conversions, on constants and on values. */
#include <linux/types.h>
#include <asm/byteorder.h>
#include <linux/in.h>
#include <linux/in6.h>
#include <linux/unaligned/packed_struct.h>
#include "corpus.h"

__be32 loop = __constant_htonl(INADDR_LOOPBACK);

SEC("xdp")
int order(unsigned long long *ctx)
{
	struct in6_addr *address = (void *)ctx[0];

	if (address->s6_addr32[0] == htonl(0xff020000))
		return be16_to_cpu(address->s6_addr16[7]);
	return ntohl(loop) + cpu_to_le32(ctx[1]) + swab16(ctx[2]) + be64_to_cpup((__be64 *)ctx[3]) + le16_to_cpu((__le16)ctx[4]);
}
