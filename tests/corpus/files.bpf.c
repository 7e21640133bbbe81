// SPDX-License-Identifier: Apache-2.0
/* From a task's descriptor table to names: file, dentry, qstr, mount. */
#include <linux/fs.h>
#include <linux/fdtable.h>
#include <linux/dcache.h>
#include <linux/path.h>
#include <linux/mount.h>
#include <linux/sched.h>
#include "corpus.h"

SEC("kprobe/vfs_read")
int files(unsigned long long *ctx)
{
	struct file *file = (void *)ctx[0];
	struct dentry *dentry = PEEK(file, f_path.dentry);
	struct task_struct *task = (void *)this_task();
	struct files_struct *table = PEEK(task, files);
	struct fdtable *fdt = PEEK(table, fdt);
	unsigned char name[DNAME_INLINE_LEN];
	const unsigned char *text = PEEK(dentry, d_name.name);

	read_kernel(name, sizeof(name), text);
	return name[0] + PEEK(dentry, d_name.len) + PEEK(fdt, max_fds) + PEEK(file, f_path.mnt->mnt_flags) +
	       (d_is_dir(dentry) ? 1 : 0) + file_inode(file)->i_ino;
}
