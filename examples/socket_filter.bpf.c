// SPDX-License-Identifier: GPL-2.0 OR Apache-2.0
/* A socket filter that keeps the first segment of each TCP connection, whole, and drops all else.
 *
 * It has no map and touches only what the kernel promises to user space (struct __sk_buff, struct iphdr, struct tcphdr), so
 * that the object from one kernel's headers loads on any other kernel.
 *
 * From the kernel's headers: ip_is_fragment(), __tcp_hdrlen(), tcp_flag_word(), TCP_FLAG_SYN, htons(), ntohs(), ETH_P_IP, IPPROTO_TCP.
 */
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/tcp.h>
#include <net/ip.h>

#include "bpf_support.h"

SEC("socket")
int socket_filter(struct __sk_buff *skb)
{
	struct iphdr ip;
	struct tcphdr tcp;

	if (skb->protocol != htons(ETH_P_IP))
		return 0;
	if (bpf_skb_load_bytes_relative(skb, 0, &ip, sizeof(ip), BPF_HDR_START_NET))
		return 0;
	if (ip.version != 4 || ip.protocol != IPPROTO_TCP || ip_is_fragment(&ip))
		return 0;
	if (bpf_skb_load_bytes_relative(skb, ip.ihl * 4, &tcp, sizeof(tcp), BPF_HDR_START_NET))
		return 0;
	if (!(tcp_flag_word(&tcp) & TCP_FLAG_SYN) || __tcp_hdrlen(&tcp) < sizeof(tcp))
		return 0;
	return ntohs(ip.tot_len);
}

LICENSE("GPL");
