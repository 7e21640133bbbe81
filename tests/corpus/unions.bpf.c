// SPDX-License-Identifier: Apache-2.0
/* Unions, anonymous members within members, flexible arrays, arrays of arrays. */
#include <linux/signal_types.h>
#include <linux/socket.h>
#include <linux/net.h>
#include <linux/uio.h>
#include <linux/bvec.h>
#include <linux/if.h>
#include <linux/route.h>
#include "corpus.h"

union sigval value;
kernel_siginfo_t info;

SEC("kprobe/sendmsg")
int unions(unsigned long long *ctx)
{
	struct msghdr *msg = (void *)ctx[0];
	struct iov_iter *iter = &msg->msg_iter;
	struct ifreq *ifr = (void *)ctx[1];

	value.sival_int = info.si_signo + info.si_pid + info._sifields._sigfault._addr_lsb;
	return iter->count + iter->nr_segs + msg->msg_flags + ifr->ifr_flags + sizeof(struct sockaddr_storage) + MSG_DONTWAIT;
}
