// SPDX-License-Identifier: Apache-2.0
/* Packed and aligned records, bit-fields with byte order of their own. */
#include <linux/if_tunnel.h>
#include <net/gre.h>
#include <net/vxlan.h>
#include <linux/icmp.h>
#include <linux/igmp.h>
#include <linux/sctp.h>
#include "corpus.h"

SEC("kprobe/packed")
int packed(unsigned long long *ctx)
{
	struct vxlanhdr *vx = (void *)ctx[0];
	struct icmphdr *icmp = (void *)ctx[1];
	struct sctphdr *sctp = (void *)ctx[2];

	if (vx->vx_flags & VXLAN_HF_VNI)
		return be32_to_cpu(vxlan_vni(vx->vx_vni));
	return icmp->type == ICMP_ECHO ? icmp->un.echo.sequence : sctp->vtag + sizeof(struct gre_base_hdr) + GRE_CSUM;
}
