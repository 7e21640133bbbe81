// SPDX-License-Identifier: Apache-2.0
/* Bit-fields of tcp_sock and tcphdr, read and written; a struct by value. */
#include <linux/tcp.h>
#include <net/tcp.h>
#include <uapi/linux/tcp.h>
#include "corpus.h"

struct tcp_options_received received;

SEC("kprobe/tcp_rcv")
int tcp(unsigned long long *ctx)
{
	struct tcp_sock *tp = (void *)ctx[0];
	struct tcphdr *th = (void *)ctx[1];

	received = tp->rx_opt;
	received.sack_ok = 3;
	received.wscale_ok = th->ece;
	return tp->is_sack_reneg + tp->thin_lto + tp->snd_cwnd + tcp_flag_word(th) + (tcp_flag_word(th) & TCP_FLAG_SYN) +
	       before(tp->snd_nxt, tp->snd_una) + TCP_INFINITE_SSTHRESH;
}
