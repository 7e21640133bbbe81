// SPDX-License-Identifier: Apache-2.0
/* Uses what its include lines do not give, and defines it itself: the slice must not. */
#include <linux/types.h>
#include "corpus.h"

struct task_struct {
	int own;
};
struct sock;
#ifdef ETH_P_IP
int seen = 1;
#else
int seen = 2;
#endif
#define ETH_P_IP 5

SEC("kprobe/own")
int own(struct task_struct *task)
{
	return task->own + seen + ETH_P_IP;
}
