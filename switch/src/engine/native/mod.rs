// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Machine code for the instructions of a program, by Cranelift.
//!
//! Each block and each action becomes a function of its own. Arithmetic, branches, and header
//! fields that begin on an octet are machine code; everything else (tables, externs, rare
//! operations) is a call of the interpreter's own code for that one instruction, so that there is
//! one definition of what it does. Packets that somebody watches are left to the interpreter.
#![allow(
    unsafe_code,
    reason = "compiled code is called by its address, and works on the frame by addresses"
)]

mod operands;
mod packet;
mod runtime;
mod slides;
mod translate;
mod wide;
mod windows;

use std::{collections::HashMap, sync::Arc};

use cranelift_codegen::{
    ir::{AbiParam, Signature, types::I64},
    isa::TargetIsa,
    settings::{self, Configurable as _},
};
use cranelift_frontend::FunctionBuilderContext;
use cranelift_jit::{JITBuilder, JITModule};
use cranelift_module::{FuncId, Module as _, default_libcall_names};

use self::{
    operands::Storage,
    runtime::{Entry, Native, cell},
    slides::Slides,
};
use super::{
    code::{Code, Pc},
    exec::{Context, Env},
};

/// Why there is no machine code for a program. It runs all the same, only slower.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NativeError {
    /// Cranelift does not know this machine.
    #[error("no machine code for this machine: {0}")]
    Machine(&'static str),
    /// Cranelift refuses its settings, or a function.
    #[error("cannot compile to machine code: {0}")]
    Compile(String),
}

/// The machine code of a program.
pub(crate) struct NativeCode {
    /// Owns the memory that the addresses point into.
    module: Option<JITModule>,
    /// Few, so that a search is faster than a hash.
    blocks: Vec<(Pc, Entry)>,
    actions: Vec<Option<Entry>>,
    slides: Slides,
    /// Tables that machine code has the addresses of.
    _rows: Vec<Arc<[u32]>>,
}

impl std::fmt::Debug for NativeCode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let count = self.blocks.len() + self.actions.len();
        write!(f, "NativeCode({count} functions)")
    }
}

// SAFETY: the code is not changed once it is there, and the module is only touched to free it.
unsafe impl Send for NativeCode {}
// SAFETY: as above; compiled functions keep no state of their own.
unsafe impl Sync for NativeCode {}

impl Drop for NativeCode {
    fn drop(&mut self) {
        if let Some(module) = self.module.take() {
            // SAFETY: nobody calls the functions any more, because whoever does borrows `self`.
            unsafe { module.free_memory() };
        }
    }
}

impl NativeCode {
    /// Compiles all blocks and actions of a program.
    pub(crate) fn compile(code: &Code) -> Result<Self, NativeError> {
        let isa = machine()?;
        let mut module = JITModule::new(JITBuilder::with_isa(isa, default_libcall_names()));
        let signature = signature(&module);
        let mut context = FunctionBuilderContext::new();
        let mut functions = Vec::new();
        let ranges = functions_of(code);
        let parser = ranges
            .iter()
            .find(|range| range.start == code.entries.parser);
        let parser = parser.cloned().unwrap_or_default();
        let aligned = packet::is_aligned(code, parser.clone());
        let slides = Slides::of_parser(code, parser.clone(), &ranges);
        let none = Slides::none(code);
        for range in ranges {
            let mut compiled = module.make_context();
            compiled.func.signature = signature.clone();
            translate::function(
                code,
                &Storage::new(code, &range, aligned),
                if range == parser { &slides } else { &none },
                range.clone(),
                &mut compiled,
                &mut context,
                &module,
            );
            let refused = |error| NativeError::Compile(format!("{error:?}"));
            let id = module
                .declare_anonymous_function(&signature)
                .map_err(refused)?;
            module.define_function(id, &mut compiled).map_err(refused)?;
            functions.push((range.start, id));
        }
        module
            .finalize_definitions()
            .map_err(|error| NativeError::Compile(error.to_string()))?;
        let address = |id: FuncId| {
            let address = module.get_finalized_function(id);
            // SAFETY: the function was compiled with the signature that `Entry` has.
            unsafe { std::mem::transmute::<*const u8, Entry>(address) }
        };
        let blocks: HashMap<Pc, Entry> = functions
            .into_iter()
            .map(|(start, id)| (start, address(id)))
            .collect();
        let actions = code.actions.iter();
        let actions = actions
            .map(|action| blocks.get(&action.entry).copied())
            .collect();
        let entries = code.entries;
        let entries = [
            entries.parser,
            entries.verify,
            entries.ingress,
            entries.egress,
            entries.compute,
            entries.deparser,
        ];
        let blocks = entries
            .iter()
            .filter_map(|pc| Some((*pc, *blocks.get(pc)?)));
        Ok(Self {
            actions,
            blocks: blocks.collect(),
            slides,
            _rows: code
                .linear
                .iter()
                .map(|linear| Arc::clone(&linear.rows))
                .collect(),
            module: Some(module),
        })
    }

    /// Runs a block to its end, as [`Context::run`] does.
    pub(crate) fn run(&self, context: &mut Context, env: Env<'_>, entry: Pc) {
        let mut blocks = self.blocks.iter();
        let Some((_, function)) = blocks.find(|(start, _)| *start == entry) else {
            return;
        };
        self.slides.extend(&mut context.frame);
        let cells = env.code.image.len();
        let values = runtime::cells(context);
        context.frame[cells..cells + values.len()].copy_from_slice(&values);
        let frame = context.frame.as_mut_ptr();
        let mut native = Native::new(context, &env, &self.actions, &self.slides);
        // SAFETY: the code was compiled for the program of `env`, and the frame is that of a
        // context that was prepared for it.
        let outcome = unsafe { function(&raw mut native, frame, native.context) };
        context.position = context.frame[cells + cell::POSITION] as usize;
        if let Some(error) = runtime::error_of(outcome) {
            context.parser_error = error;
        }
    }
}

/// Whether a register is set aside for the address of the frame, so that it is not spilled.
const PINNED: bool = cfg!(any(target_arch = "x86_64", target_arch = "aarch64"));

fn machine() -> Result<Arc<dyn TargetIsa>, NativeError> {
    let refused = |error: &dyn std::fmt::Display| NativeError::Compile(error.to_string());
    let mut flags = settings::builder();
    for (name, value) in [
        ("opt_level", "speed"),
        ("use_colocated_libcalls", "false"),
        ("is_pic", "false"),
        ("enable_verifier", "false"),
        ("enable_pinned_reg", if PINNED { "true" } else { "false" }),
    ] {
        flags.set(name, value).map_err(|error| refused(&error))?;
    }
    let machine = cranelift_native::builder().map_err(NativeError::Machine)?;
    machine
        .finish(settings::Flags::new(flags))
        .map_err(|error| refused(&error))
}

/// All functions take the same: what is fixed while a block runs, the frame, and the context.
fn signature(module: &JITModule) -> Signature {
    let mut signature = module.make_signature();
    signature.params = vec![AbiParam::new(I64); 3];
    signature.returns = vec![AbiParam::new(I64)];
    signature
}

/// The instructions of each block and each action.
fn functions_of(code: &Code) -> Vec<std::ops::Range<Pc>> {
    let entries = code.entries;
    let mut starts = vec![
        entries.parser,
        entries.verify,
        entries.ingress,
        entries.egress,
        entries.compute,
        entries.deparser,
    ];
    starts.extend(code.actions.iter().map(|action| action.entry));
    starts.sort_unstable();
    starts.dedup();
    let ends = starts[1..].iter().copied();
    let ends = ends.chain([Pc::try_from(code.ops.len()).unwrap_or(Pc::MAX)]);
    starts
        .iter()
        .zip(ends)
        .map(|(from, to)| *from..to)
        .collect()
}
