// SPDX-License-Identifier: Apache-2.0
/* Netfilter hooks and connection tracking. */
#include <linux/netfilter.h>
#include <linux/netfilter_ipv4.h>
#include <net/netfilter/nf_conntrack.h>
#include <net/netfilter/nf_conntrack_tuple.h>
#include "corpus.h"

SEC("kprobe/nf_hook_slow")
int hook(unsigned long long *ctx)
{
	struct nf_hook_state *state = (void *)ctx[1];
	struct nf_conn *ct = (void *)ctx[2];

	if (state->hook == NF_INET_PRE_ROUTING && state->pf == NFPROTO_IPV4)
		return NF_ACCEPT | NF_IP_PRI_FILTER;
	return nf_ct_protonum(ct) + ct->tuplehash[IP_CT_DIR_REPLY].tuple.src.u3.ip + ct->status + NF_DROP_ERR(1);
}
