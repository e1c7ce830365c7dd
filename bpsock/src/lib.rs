// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Bundle Protocol sockets: address family 28 for applications
