// SPDX-License-Identifier: Apache-2.0
/* Errors in pointers. */
#include <linux/err.h>
#include <linux/errno.h>
#include <linux/fs.h>
#include "corpus.h"

SEC("fexit/open")
int errors(unsigned long long *ctx)
{
	struct file *file = (void *)ctx[0];

	if (IS_ERR_OR_NULL(file))
		return PTR_ERR_OR_ZERO(file) == -ENOENT ? -EAGAIN : PTR_ERR(file);
	return IS_ERR(file->private_data) ? -ERESTARTSYS : (long)ERR_CAST(file) + (ERR_PTR(-EPERM) == file) + MAX_ERRNO;
}
