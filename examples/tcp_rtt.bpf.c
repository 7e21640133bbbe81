// SPDX-License-Identifier: GPL-2.0 OR Apache-2.0
/* Round-trip time and segments by remote IPv4 address and port, read where TCP receives a segment.
 *
 * ip_hdr() and tcp_hdr() compute with the members of a struct sk_buff, so they are given a copy of it on the stack; what
 * they return points into the kernel, and is read from there.
 *
 * From the kernel's headers: ip_hdr(), tcp_hdr(), tcp_sk(), inet_sk(), ntohs(), htons(), sk_family, ETH_P_IP, IPPROTO_TCP.
 */
#include <linux/ptrace.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/skbuff.h>
#include <linux/tcp.h>
#include <net/inet_sock.h>
#include <net/sock.h>

#include "bpf_support.h"

struct peer {
	__be32 address;
	u16 port;
	u16 local;
};

struct rtt {
	u64 segments;
	u64 bytes;
	u32 smoothed_us;
	u32 window;
};

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 8192);
	__type(key, struct peer);
	__type(value, struct rtt);
} rtts SEC(".maps");

SEC("kprobe/tcp_rcv_established")
int tcp_rtt(struct pt_regs *ctx)
{
	struct sock *sk = (struct sock *)regs_get_kernel_argument(ctx, 0);
	struct sk_buff skb;
	struct peer peer = {};
	struct rtt fresh = {}, *rtt;
	struct iphdr ip;
	struct tcphdr tcp;

	if (KREAD(sk, sk_family) != AF_INET)
		return 0;
	if (bpf_probe_read_kernel(&skb, sizeof(skb), (void *)regs_get_kernel_argument(ctx, 1)))
		return 0;
	if (skb.protocol != htons(ETH_P_IP))
		return 0;
	if (bpf_probe_read_kernel(&ip, sizeof(ip), ip_hdr(&skb)) || ip.protocol != IPPROTO_TCP)
		return 0;
	if (bpf_probe_read_kernel(&tcp, sizeof(tcp), tcp_hdr(&skb)))
		return 0;

	peer.address = ip.saddr;
	peer.port = ntohs(tcp.source);
	peer.local = ntohs(KREAD(inet_sk(sk), inet_sport));

	rtt = bpf_map_lookup_elem(&rtts, &peer);
	if (!rtt) {
		bpf_map_update_elem(&rtts, &peer, &fresh, BPF_NOEXIST);
		rtt = bpf_map_lookup_elem(&rtts, &peer);
		if (!rtt)
			return 0;
	}
	rtt->segments++;
	rtt->bytes += ntohs(ip.tot_len) - ip.ihl * 4 - tcp.doff * 4;
	rtt->smoothed_us = KREAD(tcp_sk(sk), srtt_us) >> 3;
	rtt->window = KREAD(tcp_sk(sk), snd_wnd);
	return 0;
}

LICENSE("GPL");
