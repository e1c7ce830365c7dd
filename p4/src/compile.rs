// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The stages, one after the other.

use crate::{
    check::Values,
    diagnostic::{Diagnostic, Diagnostics, Severity},
    elab::{Elaborator, Reported},
    ir::Program,
    p4info::P4Info,
    parser,
    parser::Ast,
    preprocess,
    source::Span,
};

/// Stack of the thread that compiles. Expressions, statements and calls nest up to fixed limits, and
/// the greatest depth of recursion that they allow needs more than a default stack.
const STACK_BYTES: usize = 512 << 20;

/// What is said of a text without one.
const NO_MAIN: &str = "program has no `main` package instance";

/// Finds an included file.
pub type Include<'a> = dyn Fn(&str, &str) -> Option<(String, String)> + Sync + 'a;

/// What to compile.
#[derive(Clone, Copy)]
pub struct Source<'a> {
    /// Name of the main file, for messages.
    pub name: &'a str,
    /// Its text.
    pub text: &'a str,
    /// Macros that are defined from the start: name and value.
    pub defines: &'a [(String, String)],
    /// Finds an included file: gets the path as it is written and the name of the including file, gives
    /// name and text. What it does not find is looked for among `core.p4`, `v1model.p4`
    /// and `tna.p4`.
    pub include: &'a Include<'a>,
}

impl Default for Source<'_> {
    fn default() -> Self {
        Self {
            name: "input.p4",
            text: "",
            defines: &[],
            include: &|_, _| None,
        }
    }
}

/// Compiles a program.
///
/// # Errors
///
/// Everything that is wrong with the program, up to a limit.
pub fn compile(source: &Source<'_>) -> Result<Program, Diagnostics> {
    compile_with_warnings(source).map(|(program, _)| program)
}

/// Compiles a program, and gives warnings, too.
///
/// # Errors
///
/// Everything that is wrong with the program, up to a limit.
pub fn compile_with_warnings(source: &Source<'_>) -> Result<(Program, Diagnostics), Diagnostics> {
    with_stack(|| match stages(source)? {
        (Stages::Program(program), diagnostics) => Ok((*program, diagnostics)),
        (Stages::Part(end), mut diagnostics) => {
            diagnostics.push(Diagnostic::error(end, NO_MAIN));
            Err(diagnostics)
        }
    })
}

/// P4Info of a program, and warnings. That of a program without `main` is empty, and a warning says so.
///
/// # Errors
///
/// Everything that is wrong with the program, up to a limit.
pub fn interface(source: &Source<'_>) -> Result<(P4Info, Diagnostics), Diagnostics> {
    with_stack(|| match stages(source)? {
        (Stages::Program(program), diagnostics) => Ok((program.p4info, diagnostics)),
        (Stages::Part(end), mut diagnostics) => {
            let mut warning = Diagnostic::error(end, NO_MAIN).help("its P4Info is empty");
            warning.severity = Severity::Warning;
            diagnostics.push(warning);
            Ok((P4Info::default(), diagnostics))
        }
    })
}

/// Checks a program for any architecture, without lowering it; gives the warnings.
///
/// # Errors
///
/// Everything that is wrong with the program, up to a limit.
pub fn check(source: &Source<'_>) -> Result<Diagnostics, Diagnostics> {
    with_stack(|| front(source).map(|front| front.diagnostics))
}

/// Runs a part on a stack that is large enough for it.
fn with_stack<T: Send>(part: impl Fn() -> T + Sync) -> T {
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().stack_size(STACK_BYTES);
        match thread.spawn_scoped(scope, &part) {
            Ok(handle) => handle
                .join()
                .unwrap_or_else(|panic| std::panic::resume_unwind(panic)),
            Err(_) => part(),
        }
    })
}

/// A program whose types are right.
struct Front {
    ast: Ast,
    values: Values,
    diagnostics: Diagnostics,
}

/// Reads and checks a program, up to its types.
fn front(source: &Source<'_>) -> Result<Front, Diagnostics> {
    let mut diagnostics = Diagnostics::default();
    let tokens = preprocess::run(
        source.name,
        source.text,
        source.defines,
        source.include,
        &mut diagnostics,
    );
    let ast = parser::parse(tokens, &mut diagnostics);
    if diagnostics.has_errors() {
        diagnostics.sort();
        return Err(diagnostics);
    }
    let values = crate::check::check(&ast, &mut diagnostics);
    diagnostics.sort();
    if diagnostics.has_errors() {
        Err(diagnostics)
    } else {
        Ok(Front {
            ast,
            values,
            diagnostics,
        })
    }
}

/// What a text is.
enum Stages {
    Program(Box<Program>),
    /// A part of a program, without `main`; the place of its last declaration.
    Part(Span),
}

fn stages(source: &Source<'_>) -> Result<(Stages, Diagnostics), Diagnostics> {
    let Front {
        ast,
        values,
        mut diagnostics,
    } = front(source)?;
    let program = Elaborator::new(&mut diagnostics, &values).program(&ast);
    diagnostics.sort();
    match program {
        Ok(Some(program)) => Ok((Stages::Program(Box::new(program)), diagnostics)),
        Ok(None) => {
            let end = ast.decls.last().map_or(Span::default(), |decl| decl.span);
            Ok((Stages::Part(end), diagnostics))
        }
        Err(Reported) => Err(diagnostics),
    }
}
