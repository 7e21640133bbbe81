// SPDX-License-Identifier: Apache-2.0
/* States and counters of TCP, through inline functions that cast. */
#include <net/tcp.h>
#include <net/inet_connection_sock.h>
#include <net/tcp_states.h>
#include "corpus.h"

SEC("kprobe/tcp_states")
int tcp_states(unsigned long long *ctx)
{
	struct sock *sk = (void *)ctx[0];
	const struct inet_connection_sock *icsk = inet_csk(sk);
	const struct tcp_sock *tp = tcp_sk(sk);
	struct sk_buff *skb = (void *)ctx[3];

	if (ctx[2] == TCP_ESTABLISHED && ((1 << ctx[1]) & (TCPF_SYN_SENT | TCPF_SYN_RECV)))
		return icsk->icsk_rto + icsk->icsk_ca_ops->flags;
	return tp->snd_cwnd + tcp_in_slow_start(tp) + tcp_packets_in_flight(tp) + inet_sk(sk)->inet_num +
	       READ_ONCE(sk->sk_max_ack_backlog) + tcp_skb_pcount(skb) + sk_fullsock(sk) + tcp_min_rtt(tp) +
	       (TCP_SKB_CB(skb)->tcp_flags & TCPHDR_SYN) + sock_flag(sk, SOCK_DEAD) + sk->sk_v6_daddr.s6_addr32[2];
}
