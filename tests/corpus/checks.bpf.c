// SPDX-License-Identifier: Apache-2.0
/* Checks at compile time, which leave nothing behind, and annotations. */
#include <linux/build_bug.h>
#include <linux/compiler.h>
#include <linux/stddef.h>
#include <linux/skbuff.h>
#include <linux/init.h>
#include "corpus.h"

static_assert(sizeof(struct sk_buff) > 64);

static __always_inline __must_check int inner(const struct sk_buff *skb)
{
	BUILD_BUG_ON(offsetof(struct sk_buff, len) == 0);
	BUILD_BUG_ON_MSG(sizeof(skb->cb) != 48, "cb");
	return READ_ONCE(skb->len) + sizeof_field(struct sk_buff, cb) + offsetofend(struct sk_buff, protocol);
}

static noinline __maybe_unused int outer(struct sk_buff *skb)
{
	WRITE_ONCE(skb->mark, 7);
	barrier();
	return inner(skb) + BUILD_BUG_ON_ZERO(0);
}

SEC("kprobe/checks")
int checks(unsigned long long *ctx)
{
	if (unlikely(!ctx[0]))
		return 0;
	if (likely(ctx[1] > 4))
		return outer((void *)ctx[0]);
	return data_race(ctx[2]);
}
