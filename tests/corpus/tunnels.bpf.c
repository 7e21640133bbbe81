// SPDX-License-Identifier: Apache-2.0
/* Headers within headers of packets: VLAN, MPLS, GRE, VXLAN, SCTP, ICMP of both kinds. */
#include <uapi/linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/if_vlan.h>
#include <linux/icmp.h>
#include <linux/icmpv6.h>
#include <linux/sctp.h>
#include <linux/mpls.h>
#include <net/ipv6.h>
#include <net/gre.h>
#include <net/vxlan.h>
#include "corpus.h"

SEC("tc")
int tunnels(struct __sk_buff *skb)
{
	void *data = (void *)(long)skb->data, *end = (void *)(long)skb->data_end;
	struct vlan_hdr *vlan = data;
	struct mpls_label *label = data;
	struct gre_base_hdr *gre = data;
	struct vxlanhdr *vxlan = data;
	struct sctphdr *sctp = data;
	struct icmp6hdr *icmp6 = data;
	struct icmphdr *icmp = data;
	struct ipv6hdr *ip6 = data;

	if (data + 64 > end)
		return -1;
	switch (vlan->h_vlan_encapsulated_proto) {
	case htons(ETH_P_MPLS_UC):
		return (be32_to_cpu(label->entry) & MPLS_LS_LABEL_MASK) >> MPLS_LS_LABEL_SHIFT;
	case htons(ETH_P_IPV6):
		if (ipv6_addr_any(&ip6->saddr) || ipv6_addr_loopback(&ip6->daddr))
			return ip6->nexthdr;
		return icmp6->icmp6_type == ICMPV6_ECHO_REQUEST ? icmp6->icmp6_sequence : ip6->hop_limit;
	case htons(ETH_P_IP):
		return icmp->un.echo.id + ICMP_ECHOREPLY;
	}
	if (gre->flags & GRE_KEY)
		return sctp->source;
	return vxlan->vx_flags == VXLAN_HF_VNI ? be32_to_cpu(vxlan_vni(vxlan->vx_vni)) : 0;
}
