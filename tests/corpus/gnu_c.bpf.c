// SPDX-License-Identifier: Apache-2.0
/* GNU C in the program: statement expressions, typeof, nested conditionals, case ranges, labels as values. */
#include <linux/kernel.h>
#include <linux/sched.h>
#include <linux/compiler_attributes.h>
#include "corpus.h"

typedef typeof(((struct task_struct *)0)->pid) id_t_;
struct holder {
	typeof(struct task_struct *) task;
	typeof(sizeof(struct list_head)) size;
} __packed __aligned(16);
_Static_assert(sizeof(id_t_) == 4, "pid");
extern int weak_symbol __attribute__((weak));

SEC("kprobe/gnu")
int gnu(unsigned long long *ctx)
{
	struct holder h = {.task = (void *)ctx[0]};
	id_t_ id = ({ typeof(h.task) t = h.task; t->pid ?: t->tgid; });

	switch (id) {
	case 0 ... 9:
		fallthrough;
	case 77:
		return __builtin_choose_expr(sizeof(h) > 8, 1, 2);
	default:
		return __same_type(id, pid_t) + (&weak_symbol != 0) + h.size;
	}
}
