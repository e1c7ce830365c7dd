// SPDX-License-Identifier: Apache-2.0 OR MIT
//! SDDTN cluster controller and its command line
