// SPDX-License-Identifier: Apache-2.0
/* Block layer: bio, request, operations as bits. */
#include <linux/blkdev.h>
#include <linux/blk-mq.h>
#include <linux/blk_types.h>
#include <linux/bio.h>
#include "corpus.h"

SEC("fentry/blk_mq_start_request")
int block(unsigned long long *ctx)
{
	struct request *rq = (void *)ctx[0];
	struct bio *bio = rq->bio;

	if (req_op(rq) == REQ_OP_READ && op_is_write(bio->bi_opf))
		return blk_rq_bytes(rq);
	return bio_sectors(bio) + bio_data_dir(bio) + (rq->cmd_flags & REQ_META ? blk_rq_sectors(rq) : blk_rq_pos(rq)) +
	       bio->bi_iter.bi_size / SECTOR_SIZE;
}
