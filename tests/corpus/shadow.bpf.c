// SPDX-License-Identifier: Apache-2.0
/* Names of the program's own that the kernel uses for other things: tags, functions, macros, locals, members. */
#include <linux/sched.h>
#include <linux/list.h>
#include <net/sock.h>
#include "corpus.h"

#undef min
#define min(a, b) ((a) < (b) ? (a) : (b))
#ifndef TASK_COMM_LEN
#define TASK_COMM_LEN 16
#endif
#ifndef NOT_OF_THE_KERNEL
#define NOT_OF_THE_KERNEL 5
#endif

struct inner {
	int here, list_head;
	struct task_struct *sock;
};
static int task(int page) { return page + 1; }
enum { file, inode = 3, dentry };

SEC("kprobe/shadow")
int shadow(unsigned long long *ctx)
{
	struct inner request = {.here = 1, .list_head = 2, .sock = (void *)ctx[0]};
	int skb = request.list_head, sk_buff = task(skb), schedule = inode, kfree = dentry;

	return min(skb, sk_buff) + schedule + kfree + request.sock->pid + NOT_OF_THE_KERNEL + TASK_COMM_LEN + file;
}
