// SPDX-License-Identifier: Apache-2.0
/* net_device, its flags and statistics, its namespace. */
#include <linux/netdevice.h>
#include <linux/etherdevice.h>
#include <linux/if_arp.h>
#include <net/net_namespace.h>
#include "corpus.h"

SEC("kprobe/dev_queue_xmit")
int netdev(unsigned long long *ctx)
{
	struct net_device *dev = (void *)ctx[0];

	if (!(dev->flags & IFF_UP) || dev->type != ARPHRD_ETHER)
		return NETDEV_TX_OK;
	if (is_multicast_ether_addr((u8 *)ctx[1]) || ether_addr_equal((u8 *)ctx[1], (u8 *)ctx[2]))
		return dev->mtu;
	return dev->ifindex + dev->name[0] + dev_net(dev)->ns.inum + (dev->features & NETIF_F_TSO ? IFNAMSIZ : 0) +
	       netif_running(dev);
}
