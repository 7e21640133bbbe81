// SPDX-License-Identifier: Apache-2.0
/* Inline functions over sk_buff: ip_hdr, tcp_hdr, skb_headlen and the like. */
#include <linux/skbuff.h>
#include <linux/if_vlan.h>
#include <net/ip.h>
#include <linux/ip.h>
#include <linux/tcp.h>
#include <linux/udp.h>
#include <linux/if_ether.h>
#include "corpus.h"

SEC("fentry/ip_rcv")
int parse(unsigned long long *ctx)
{
	struct sk_buff *skb = (void *)ctx[0];
	const struct iphdr *ip = ip_hdr(skb);

	if (skb->protocol != htons(ETH_P_IP) || skb_headlen(skb) < sizeof(*ip))
		return 0;
	if (ip->protocol == IPPROTO_TCP)
		return tcp_hdr(skb)->syn + ip_hdrlen(skb) + tcp_hdrlen(skb);
	if (ip->protocol == IPPROTO_UDP)
		return ntohs(udp_hdr(skb)->len);
	return skb_shinfo(skb)->nr_frags + skb_is_gso(skb) + skb_vlan_tag_present(skb);
}
