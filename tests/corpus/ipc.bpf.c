// SPDX-License-Identifier: Apache-2.0
/* Pipes, sockets of the unix family, message queues. */
#include <linux/fs.h>
#include <linux/pipe_fs_i.h>
#include <net/af_unix.h>
#include <linux/un.h>
#include <linux/ipc_namespace.h>
#include "corpus.h"

struct sockaddr_un address;

SEC("kprobe/unix_stream_connect")
int ipc(unsigned long long *ctx)
{
	struct unix_sock *u = unix_sk((struct sock *)ctx[0]);
	struct pipe_inode_info *pipe = (void *)ctx[1];

	if (u->addr && u->addr->name[0].sun_path[0])
		return u->addr->len;
	return pipe->head - pipe->tail + sizeof(address) + UNIX_PATH_MAX + PIPE_BUF_FLAG_CAN_MERGE + pipe_empty(pipe->head, pipe->tail);
}
