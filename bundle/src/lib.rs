// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Bundle Protocol versions 6 and 7: bytes to bundles, bundles to bytes, and the reference translator
