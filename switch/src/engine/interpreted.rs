// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What stands in for machine code in a build without the feature `native`.

use super::{
    code::{Code, Pc},
    exec::{Context, Env},
};

/// Why there is no machine code for a program. It runs all the same, only slower.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NativeError {
    /// This build has no compiler.
    #[error("built without the feature `native`")]
    NotBuilt,
}

/// Never made.
#[derive(Debug)]
pub(crate) enum NativeCode {}

impl NativeCode {
    pub(crate) fn compile(_: &Code) -> Result<Self, NativeError> {
        Err(NativeError::NotBuilt)
    }

    pub(crate) fn run(&self, _: &mut Context, _: Env<'_>, _: Pc) {
        match *self {}
    }
}
