// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Software switch that runs checked P4 programs behind a P4Runtime server
