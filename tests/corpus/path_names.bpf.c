// SPDX-License-Identifier: Apache-2.0
/* From a path to names, inodes and file systems. */
#include <linux/dcache.h>
#include <linux/fs.h>
#include <linux/mount.h>
#include <linux/namei.h>
#include <linux/magic.h>
#include "corpus.h"

SEC("kprobe/path_names")
int path_names(struct path *path)
{
	struct dentry *dentry = PEEK(path, dentry), *parent;
	struct inode *inode;
	int i, sum = 0;

	for (i = 0; i < 8; i++) {
		struct qstr name = PEEK(dentry, d_name);

		sum += name.len;
		parent = PEEK(dentry, d_parent);
		if (parent == dentry)
			break;
		dentry = parent;
	}
	inode = d_backing_inode(dentry);
	return sum + IS_ROOT(dentry) + d_is_dir(dentry) + d_unhashed(dentry) + S_ISLNK(inode->i_mode) + imajor(inode) +
	       (path->mnt->mnt_flags & MNT_READONLY) + LOOKUP_FOLLOW + IS_IMMUTABLE(inode) +
	       (inode->i_sb->s_magic == EXT4_SUPER_MAGIC);
}
