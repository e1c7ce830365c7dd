// SPDX-License-Identifier: Apache-2.0 OR MIT
//! How a command ends, and what the shell is told.

use std::io;
use std::process::ExitCode;

/// What the bundles of a command were.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) enum Verdict {
    /// All of them fine.
    #[default]
    Fine,
    /// Some malformed or refused.
    AtFault,
}

impl Verdict {
    /// Notes another bundle.
    pub(crate) fn note(&mut self, fine: bool) {
        if !fine {
            *self = Self::AtFault;
        }
    }
}

/// Whose fault it is that a command cannot do its work.
#[derive(Debug)]
pub(crate) enum Failure {
    /// What was given.
    Input(anyhow::Error),
    /// Options that do not fit together.
    Usage(anyhow::Error),
    /// Files.
    System(anyhow::Error),
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::System(anyhow::Error::new(error).context("cannot write the result"))
    }
}

impl Failure {
    /// Tells the user and the shell.
    pub(crate) fn report(self) -> ExitCode {
        let (error, code) = match self {
            Self::Input(error) => (error, 1),
            Self::Usage(error) => (error, 2),
            Self::System(error) => (error, 3),
        };
        let broken_pipe = |cause: &(dyn std::error::Error + 'static)| {
            let error = cause.downcast_ref::<io::Error>();
            error.is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
        };
        if error.chain().any(broken_pipe) {
            // The reader has seen enough.
            return ExitCode::SUCCESS;
        }
        eprintln!("bpdump: {error:#}");
        ExitCode::from(code)
    }
}
