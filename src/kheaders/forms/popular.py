"""The headers that BPF programs include most, which a precompiled header holds, in layers.

A program takes the layers up to the last one that it needs. What is above it does not see, which spares it the debug
information of structs that its own headers only name.
"""

from __future__ import annotations

_PROCESSES = """
linux/types.h linux/kernel.h linux/string.h linux/errno.h linux/version.h linux/stddef.h linux/list.h linux/rbtree.h
linux/hashtable.h linux/jhash.h linux/jiffies.h linux/time.h linux/ktime.h linux/log2.h linux/math64.h linux/bitops.h
linux/sched.h linux/sched/signal.h linux/sched/mm.h linux/sched/task.h linux/sched/rt.h linux/sched/cputime.h
linux/pid.h linux/pid_namespace.h linux/nsproxy.h linux/user_namespace.h linux/utsname.h linux/cred.h linux/uidgid.h
linux/fs.h linux/fs_struct.h linux/fdtable.h linux/file.h linux/dcache.h linux/path.h linux/mount.h linux/stat.h
linux/mm.h linux/mm_types.h linux/vmstat.h linux/mmzone.h linux/slab.h linux/oom.h linux/percpu.h linux/kdev_t.h
linux/socket.h linux/in.h linux/in6.h linux/if_packet.h linux/pkt_cls.h net/tcp_states.h
uapi/linux/bpf.h linux/bpf_common.h linux/ptrace.h uapi/linux/ptrace.h uapi/linux/perf_event.h asm/ptrace.h
linux/cgroup.h linux/cgroup-defs.h linux/workqueue.h linux/interrupt.h linux/wait.h linux/mutex.h linux/spinlock.h
linux/signal.h linux/kobject.h linux/device.h linux/module.h linux/pipe_fs_i.h uapi/asm-generic/mman-common.h
linux/ipc_namespace.h linux/un.h linux/security.h linux/binfmts.h
"""
_DEVICES = """
linux/swap.h linux/blkdev.h linux/bio.h linux/blk_types.h linux/genhd.h linux/bvec.h linux/blk-mq.h linux/bpf.h
linux/perf_event.h uapi/linux/bpf_perf_event.h linux/tty.h linux/trace_events.h
"""
_NETWORK = """
linux/skbuff.h linux/netdevice.h linux/if_ether.h linux/if_vlan.h linux/ip.h linux/ipv6.h linux/tcp.h linux/udp.h
linux/icmp.h linux/icmpv6.h net/sock.h net/inet_sock.h net/tcp.h net/net_namespace.h net/ipv6.h net/ip.h linux/filter.h
"""
"""Names as include lines have them: what bcc's tools, bpftrace's and the kernel's own samples include most."""


def popular() -> list[list[str]]:
    """The names of each layer, in the order in which they are to be included; a kernel has most of them."""
    return [_PROCESSES.split(), _DEVICES.split(), _NETWORK.split()]
