// SPDX-License-Identifier: Apache-2.0
/* Red-black tree nodes, whose parent pointer carries a colour. */
#include <linux/rbtree.h>
#include "corpus.h"

struct leaf {
	struct rb_node node;
	unsigned long key;
};

SEC("kprobe/rb")
int rb(unsigned long long *ctx)
{
	struct rb_root *root = (void *)ctx[0];
	struct rb_node *at = root->rb_node;
	struct leaf *leaf;

	for (int i = 0; i < 8 && at; i++) {
		leaf = rb_entry(at, struct leaf, node);
		at = leaf->key < ctx[1] ? at->rb_right : at->rb_left;
	}
	return RB_EMPTY_ROOT(root) || !at ? 0 : rb_parent(at) == root->rb_node;
}
