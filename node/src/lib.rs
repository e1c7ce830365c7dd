// SPDX-License-Identifier: Apache-2.0 OR MIT
//! SDDTN node daemon: local controller, slow path and bundle store
