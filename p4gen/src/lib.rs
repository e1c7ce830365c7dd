// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Generator of P4_16 bundle translators
