// SPDX-License-Identifier: Apache-2.0
/* Signals and registers. */
#include <linux/sched.h>
#include <linux/sched/signal.h>
#include <linux/signal.h>
#include <linux/ptrace.h>
#include <uapi/asm/ptrace.h>
#include "corpus.h"

SEC("kprobe/send_signal")
int signals(struct pt_regs *regs)
{
	struct task_struct *task = (void *)this_task();
	struct signal_struct *signal = PEEK(task, signal);

	if (sig_kernel_stop(SIGTSTP) && SIGKILL != 9)
		return 0;
	return instruction_pointer(regs) + user_stack_pointer(regs) + regs_return_value(regs) + PEEK(signal, oom_score_adj) +
	       SIGRTMIN + PEEK(task, pending.signal.sig[0]);
}
