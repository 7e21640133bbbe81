// SPDX-License-Identifier: Apache-2.0
/* Digraphs, spliced lines, comments and space in unusual places, strings that look like comments. */
%:include <linux/pid.h>
   #   include   <linux/sched.h>   /* of */ // tasks
#inc\
lude <linux/errno.h>
#	define   SPACED( a , b )   ( (a)+(b) )
%:define GLUE(a, b) a%:%:b
#def\
ine MINE PF_KTH\
READ
#include "corpus.h"

const char text[] = "// no /* comment"; /* " */

SEC("kprobe/spelling")
int  spelling ( struct   task_struct
  *
  task , struct pid *pid ) <%
	// a comment that goes on \
	return PF_WRONG;
	char quote = '"', other = '\'';

	return SPACED ( task
 ->
 pid , task -> /* -> nothing */ tgid ) + MINE + GLUE(EN, OENT) + quote + other + pid->numbers<:0:>.nr + text[3];
%>
