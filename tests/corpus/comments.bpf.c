// SPDX-License-Identifier: Apache-2.0
/* Awkward text: comments in include lines, continued lines, digraph-like strings, names in strings only. */
#include /* one */ <linux/kernel.h> // two
#  include	<linux/errno.h> /* three
   four */
#include \
	<linux/fs.h>
#include "corpus.h"
// a comment that goes on \
#include <linux/does-not-exist.h>
/* #include <linux/not-there-either.h> */
const char text[] = "struct task_struct; #include <linux/nowhere.h> /* \" // ";
#define LONG_ONE(a)                                                                                                    \
	((a)->f_flags &                                                                                                \
	 O_ACCMODE)
const char brace = '{', quote = '\'', other = '"';

SEC("kprobe/comments")
int comments(unsigned long long *ctx)
{
	struct file *file /* struct file { int x; } */ = (void *)ctx[0];

	return LONG_ONE(file) + text[3] + -ENOSYS + brace + quote + other;
}
