// SPDX-License-Identifier: Apache-2.0
/* uapi perf_event: a struct full of bit-fields. */
#include <uapi/linux/perf_event.h>
#include <uapi/linux/bpf_perf_event.h>
#include <linux/ptrace.h>
#include "corpus.h"

struct perf_event_attr attr = {
	.type = PERF_TYPE_SOFTWARE,
	.config = PERF_COUNT_SW_CPU_CLOCK,
	.size = sizeof(attr),
	.freq = 1,
	.precise_ip = 2,
	.exclude_kernel = 1,
};

SEC("perf_event")
int perf(struct bpf_perf_event_data *ctx)
{
	return ctx->sample_period + PERF_SAMPLE_IP + PERF_MEM_S(OP, LOAD) + instruction_pointer((struct pt_regs *)&ctx->regs);
}
