// SPDX-License-Identifier: Apache-2.0
/* Capabilities, credentials, user namespaces, keys. */
#include <linux/cred.h>
#include <linux/capability.h>
#include <linux/uidgid.h>
#include <linux/user_namespace.h>
#include <linux/binfmts.h>
#include <linux/lsm_hooks.h>
#include "corpus.h"

SEC("lsm/bprm_check_security")
int security(unsigned long long *ctx)
{
	struct linux_binprm *bprm = (void *)ctx[0];
	const struct cred *cred = bprm->cred;

	if (uid_eq(cred->uid, GLOBAL_ROOT_UID))
		return -EPERM;
	return __kuid_val(cred->euid) + cred->user_ns->level + bprm->argc + CAP_SYS_ADMIN + uid_valid(cred->fsuid) + CAP_TO_MASK(3);
}
