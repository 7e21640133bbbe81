// SPDX-License-Identifier: Apache-2.0
/* An XDP program over Ethernet, VLAN, IPv4, IPv6. */
#include <uapi/linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/if_vlan.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <net/ipv6.h>
#include <linux/udp.h>
#include "corpus.h"

SEC("xdp")
int parse(struct xdp_md *ctx)
{
	void *at = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	struct ethhdr *eth = at;
	struct vlan_hdr *vlan;
	__be16 proto;

	if ((void *)(eth + 1) > end)
		return XDP_ABORTED;
	proto = eth->h_proto;
	at = eth + 1;
	if (proto == htons(ETH_P_8021Q) || proto == htons(ETH_P_8021AD)) {
		vlan = at;
		if ((void *)(vlan + 1) > end)
			return XDP_DROP;
		proto = vlan->h_vlan_encapsulated_proto;
		at = vlan + 1;
	}
	if (proto == htons(ETH_P_IP) && at + sizeof(struct iphdr) <= end)
		return ((struct iphdr *)at)->ihl == 5 ? XDP_PASS : XDP_TX;
	if (proto == htons(ETH_P_IPV6) && at + sizeof(struct ipv6hdr) <= end)
		return ((struct ipv6hdr *)at)->nexthdr == NEXTHDR_HOP ? XDP_REDIRECT : VLAN_VID_MASK & ((struct ipv6hdr *)at)->payload_len;
	return XDP_PASS;
}
