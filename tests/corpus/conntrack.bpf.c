// SPDX-License-Identifier: Apache-2.0
/* Connections that netfilter tracks, messages of netlink, neighbours and routes. */
#include <linux/netfilter.h>
#include <net/netfilter/nf_conntrack.h>
#include <linux/rtnetlink.h>
#include <net/netlink.h>
#include <net/neighbour.h>
#include <net/route.h>
#include "corpus.h"

SEC("kprobe/conntrack")
int conntrack(unsigned long long *ctx)
{
	struct nf_conn *connection = (void *)ctx[0];
	struct sk_buff *skb = (void *)ctx[1];
	struct nlmsghdr *message = (void *)ctx[2];
	struct nlattr *attribute = (void *)ctx[3];
	struct neighbour *neighbour = (void *)ctx[4];
	struct rtable *route = (void *)ctx[5];
	enum ip_conntrack_info info = skb->_nfct & NFCT_INFOMASK;
	struct ndmsg *nd = nlmsg_data(message);

	return nf_ct_l3num(connection) + nf_ct_is_confirmed(connection) + CTINFO2DIR(info) + NF_INET_POST_ROUTING +
	       nlmsg_len(message) + nla_get_u32(attribute) + nla_ok(attribute, 8) + nd->ndm_ifindex +
	       NLMSG_LENGTH(sizeof(struct rtmsg)) + NETLINK_CB(skb).portid + (neighbour->nud_state & NUD_VALID) +
	       neighbour->ha[2] + dst_metric_raw(&route->dst, RTAX_MTU) + route->rt_gw4 + RTN_LOCAL;
}
