/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* Allocations that fail on purpose, on kernels that were built with CONFIG_FAILSLAB and debugfs. */
#ifndef INJECT_H
#define INJECT_H

/* Makes ready; 0 if this kernel can do it. */
int inject_open(void);

/* The nth allocation of this thread fails, counted from now. */
void inject_arm(int nth);

/* None fails any more. Returns whether one has. */
int inject_disarm(void);

/* From now on, one in a hundred allocations of this process and of those that it starts fails. */
void inject_often(void);

#endif
