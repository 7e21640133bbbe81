// SPDX-License-Identifier: Apache-2.0
/* Line numbers, names of files, and the program's own line markers. */
#include <linux/kernel.h>
/* a comment
   of two lines */ int first = __LINE__;
#include "corpus.h"
#define HERE(x) \
	x + \
	__LINE__
int second = HERE(1
	+ 2);
int level = __INCLUDE_LEVEL__;
#line 500 "other.c"
int third = __LINE__;
const char file[] = __FILE__;

SEC("kprobe/lines")
int lines(unsigned long long *ctx)
{
	return first + second + third + file[ctx[0] & 3] + level;
}
