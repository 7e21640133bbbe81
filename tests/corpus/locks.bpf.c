// SPDX-License-Identifier: Apache-2.0
/* Locks by their representation, sequences, wait queues. */
#include <linux/spinlock_types.h>
#include <linux/mutex.h>
#include <linux/rwsem.h>
#include <linux/wait.h>
#include <linux/completion.h>
#include <linux/seqlock.h>
#include "corpus.h"

SEC("kprobe/mutex_lock")
int locks(unsigned long long *ctx)
{
	struct mutex *mutex = (void *)ctx[0];
	struct rw_semaphore *sem = (void *)ctx[1];
	struct completion *done = (void *)ctx[2];

	return atomic_long_read(&mutex->owner) + atomic_long_read(&sem->count) + done->done + sizeof(spinlock_t) +
	       waitqueue_active((void *)&done->wait);
}
