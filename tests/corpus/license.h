/* SPDX-License-Identifier: Apache-2.0 */
#include "corpus.h" /* a cycle, which the guard ends */
char _license[] SEC("license") = "GPL";
