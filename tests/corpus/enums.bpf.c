// SPDX-License-Identifier: Apache-2.0
/* Constants of named and anonymous enums, among them nested ones. */
#include <linux/sched.h>
#include <linux/skbuff.h>
#include <linux/netdevice.h>
#include <linux/hrtimer.h>
#include <linux/pid.h>
#include <linux/cgroup-defs.h>
#include <net/tcp_states.h>
#include <linux/in.h>
#include "corpus.h"

enum pid_type kind = PIDTYPE_TGID;
enum netdev_tx status;

SEC("kprobe/enums")
int enums(unsigned long long *ctx)
{
	enum hrtimer_restart restart = HRTIMER_RESTART;

	switch (ctx[0]) {
	case TCP_ESTABLISHED:
		return TCPF_LISTEN;
	case TCP_SYN_RECV:
		return IPPROTO_ICMP + CSS_ONLINE;
	case __LINK_STATE_START:
		return NETDEV_TX_BUSY + restart;
	}
	return SKB_GSO_TCPV4 | kind | NET_XMIT_DROP | PIDTYPE_MAX;
}
