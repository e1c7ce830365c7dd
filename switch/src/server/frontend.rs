// SPDX-License-Identifier: Apache-2.0 OR MIT
//! From the text of a program to a pipeline that can be put into force.

use p4rt::proto::p4::config::v1::P4Info;

use super::objects::{Active, Objects, interface};
use crate::{engine::CompileError, pipeline::Pipeline};

/// Why a program cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ProgramError {
    /// The text is not UTF-8.
    #[error("program is not UTF-8 text: {0}")]
    Encoding(#[from] std::str::Utf8Error),
    /// The front end refuses it.
    #[error("program has errors:\n{0}")]
    Diagnostics(p4::diagnostic::Diagnostics),
    /// The engine cannot run it.
    #[error(transparent)]
    Engine(#[from] CompileError),
    /// The P4Info that the front end wrote does not parse.
    #[error("P4Info of the program is malformed: {0}")]
    P4Info(#[from] p4rt::text::TextError),
    /// The controller's P4Info describes another interface.
    #[error("P4Info does not belong to the program: {difference}")]
    OtherInterface {
        /// The first object that differs.
        difference: String,
    },
}

/// Checks and compiles a program.
pub(crate) fn load(source: &p4::Source<'_>, cookie: Option<u64>) -> Result<Active, ProgramError> {
    let compiled = p4::compile_with_warnings(source);
    let (program, warnings) = compiled.map_err(ProgramError::Diagnostics)?;
    let p4info = p4rt::text::parse(&program.p4info.to_text())?;
    let objects = Objects::new(&program, &p4info);
    let pipeline = Pipeline::new(program)?;
    let device_config = source.text.as_bytes().to_vec();
    Ok(Active {
        pipeline,
        objects,
        p4info,
        device_config,
        cookie,
        warnings,
    })
}

/// Checks that a controller and the program speak of the same objects.
pub(crate) fn check_interface(own: &P4Info, given: &P4Info) -> Result<(), ProgramError> {
    let (own, given) = (interface(own), interface(given));
    let missing = own.iter().find(|line| !given.contains(line));
    let unknown = given.iter().find(|line| !own.contains(line));
    let difference = match (missing, unknown) {
        (None, None) => return Ok(()),
        (Some(own), Some(given)) => format!("the program has {own}, the P4Info has {given}"),
        (Some(own), None) => format!("it lacks {own}"),
        (None, Some(given)) => format!("the program lacks {given}"),
    };
    Err(ProgramError::OtherInterface { difference })
}
