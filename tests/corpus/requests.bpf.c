// SPDX-License-Identifier: Apache-2.0
/* Requests of block devices, their bios and segments. */
#include <linux/bio.h>
#include <linux/blkdev.h>
#include <linux/blk-mq.h>
#include "corpus.h"

SEC("kprobe/requests")
int requests(unsigned long long *ctx)
{
	struct request *request = (void *)ctx[0];
	struct bio *bio = request->bio;
	struct bvec_iter iter;
	struct bio_vec part;
	unsigned int sum = 0, count = 0;

	bio_for_each_segment(part, bio, iter) {
		sum += part.bv_len;
		if (++count > 4)
			break;
	}
	if (op_is_write(req_op(request)) || blk_rq_is_passthrough(request))
		sum++;
	return sum + blk_rq_bytes(request) + blk_rq_pos(request) + bio_end_sector(bio) + bio_flagged(bio, BIO_CLONED) +
	       (request->cmd_flags & (REQ_SYNC | REQ_META | REQ_FUA));
}
