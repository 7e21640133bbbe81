// SPDX-License-Identifier: Apache-2.0
/* IPv6 addresses by inline functions. */
#include <net/ipv6.h>
#include <linux/ipv6.h>
#include "corpus.h"

SEC("kprobe/ip6")
int ip6(unsigned long long *ctx)
{
	struct sk_buff *skb = (void *)ctx[0];
	const struct ipv6hdr *hdr = ipv6_hdr(skb);

	if (ipv6_addr_any(&hdr->saddr) || ipv6_addr_loopback(&hdr->daddr))
		return ipv6_addr_is_multicast(&hdr->daddr);
	return ipv6_addr_equal(&hdr->saddr, &hdr->daddr) + ip6_flowinfo(hdr) + hdr->hop_limit + inet6_sk((struct sock *)ctx[1])->hop_limit +
	       ipv6_addr_v4mapped(&hdr->saddr) + IPV6_MIN_MTU;
}
