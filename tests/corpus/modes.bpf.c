// SPDX-License-Identifier: Apache-2.0
/* File modes and device numbers. */
#include <linux/stat.h>
#include <linux/kdev_t.h>
#include <linux/fs.h>
#include <linux/fcntl.h>
#include "corpus.h"

SEC("fentry/vfs_open")
int modes(unsigned long long *ctx)
{
	const struct path *path = (void *)ctx[0];
	struct inode *inode = path->dentry->d_inode;
	dev_t dev = inode->i_sb->s_dev;

	if (S_ISREG(inode->i_mode) && !(inode->i_mode & (S_ISUID | S_IWUGO)))
		return MAJOR(dev) << 8 | MINOR(dev);
	if (S_ISLNK(inode->i_mode) || S_ISSOCK(inode->i_mode))
		return new_encode_dev(dev);
	return O_CREAT | O_CLOEXEC | (__force int)FMODE_READ;
}
