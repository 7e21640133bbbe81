// SPDX-License-Identifier: GPL-2.0-only
/*
 * /sys/kernel/kheaders.tar.xz for a kernel that was built without
 * CONFIG_IKHEADERS: the archive is part of this module, and can be read as
 * long as it is loaded.
 *
 * The file has the name and the content that kernel/kheaders.c gives it, and
 * the symbols around the archive have the names that they have there, so that
 * whoever reads one can read the other, loaded or not.
 */
#include <linux/init.h>
#include <linux/kobject.h>
#include <linux/module.h>
#include <linux/string.h>
#include <linux/sysfs.h>

asm (
"	.pushsection .rodata, \"a\"\n"
"	.global kernel_headers_data\n"
"kernel_headers_data:\n"
"	.incbin \"kheaders.tar.xz\"\n"
"	.global kernel_headers_data_end\n"
"kernel_headers_data_end:\n"
"	.popsection\n"
);

extern const char kernel_headers_data[];
extern const char kernel_headers_data_end[];

#ifdef __BIN_ATTR_SIMPLE_RO
/* Since 6.10 the kernel itself can show memory, whatever read() looks like. */
static struct bin_attribute archive_attribute __ro_after_init =
	__BIN_ATTR_SIMPLE_RO(kheaders.tar.xz, 0444);
#else
/* sysfs has cut offset and length to the size before it calls. */
static ssize_t archive_read(struct file *file, struct kobject *kobj,
			    struct bin_attribute *attr, char *buf,
			    loff_t off, size_t len)
{
	memcpy(buf, kernel_headers_data + off, len);
	return len;
}

static struct bin_attribute archive_attribute __ro_after_init = {
	.attr = { .name = "kheaders.tar.xz", .mode = 0444 },
	.read = archive_read,
};
#endif

static int __init kheaders_archive_init(void)
{
	archive_attribute.private = (void *)kernel_headers_data;
	archive_attribute.size = kernel_headers_data_end - kernel_headers_data;
	return sysfs_create_bin_file(kernel_kobj, &archive_attribute);
}

/* Waits for whoever is reading; files that are still open then read as gone. */
static void __exit kheaders_archive_exit(void)
{
	sysfs_remove_bin_file(kernel_kobj, &archive_attribute);
}

module_init(kheaders_archive_init);
module_exit(kheaders_archive_exit);

MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("Kernel headers of a kernel without CONFIG_IKHEADERS");
