// SPDX-License-Identifier: Apache-2.0
/* tcp_sk, inet_sk, inet_csk: casts that became macros; sk_family and others that are macros for members. */
#include <linux/tcp.h>
#include <net/sock.h>
#include <net/inet_sock.h>
#include <net/inet_connection_sock.h>
#include <net/tcp.h>
#include "corpus.h"

SEC("fentry/tcp_v4_connect")
int socket(unsigned long long *ctx)
{
	struct sock *sk = (struct sock *)ctx[0];
	const struct tcp_sock *tp = tcp_sk(sk);

	if (sk->sk_family != AF_INET || sk->sk_state == TCP_CLOSE)
		return 0;
	return tp->srtt_us + tp->nonagle + tp->repair + inet_sk(sk)->inet_sport + inet_csk(sk)->icsk_retransmits +
	       inet_csk(sk)->icsk_ca_state + sk->sk_dport + sk->sk_num + tcp_in_slow_start(tp);
}
