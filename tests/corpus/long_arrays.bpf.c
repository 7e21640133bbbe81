// SPDX-License-Identifier: Apache-2.0
/* Flexible arrays and sizes that are computed. */
#include <linux/bpf.h>
#include <linux/filter.h>
#include <linux/overflow.h>
#include <linux/bitfield.h>
#include <linux/hashtable.h>
#include <linux/xarray.h>
#include "corpus.h"

static DEFINE_HASHTABLE(table, 3);

SEC("kprobe/long_arrays")
int long_arrays(unsigned long long *ctx)
{
	struct bpf_prog *program = (void *)ctx[0];
	struct bpf_array *array = (void *)ctx[1];
	struct xarray *xa = (void *)ctx[2];

	return program->insnsi[2].imm + array->value[3] + bpf_prog_size(4) + struct_size(program, insnsi, 4) +
	       array_size(3, 4) + FIELD_GET(GENMASK(7, 4), ctx[3]) + FIELD_PREP(0xf0, 3) + HASH_BITS(table) +
	       hash_empty(table) + xa_empty(xa) + xa_marked(xa, XA_MARK_1) + xa_to_value((void *)ctx[4]);
}
