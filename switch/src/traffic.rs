// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The way of a packet through the switch: what v1model says happens between the blocks.
//!
//! The order of decisions after ingress and egress is that of BMv2's `simple_switch`: clone,
//! digest, resubmit, multicast, drop, unicast; and clone, drop, recirculate, send.
//! Each packet is followed to its end before the next one: copies and new passes are queued in
//! the [`Worker`], and both are limited so that no program keeps a worker for ever.

#![expect(
    clippy::cast_possible_truncation,
    reason = "ports, groups and sessions have at most 32 bits in v1model"
)]

use std::collections::VecDeque;

use p4::ir::StandardField as Std;

use crate::{
    engine::{
        DROP_PORT,
        code::{Loc, Op},
        event::{DropReason, Event, Observer},
        exec::{Context, Env, fill},
    },
    pipeline::{CloneSession, Pipeline, Replica, State},
};

/// How often one packet may go through the pipeline by resubmission and recirculation.
pub const PASS_LIMIT: usize = 256;

/// How many copies one packet may become.
pub const COPY_LIMIT: usize = 4096;

/// Values of `instance_type`, as BMv2 numbers them.
mod instance {
    pub(super) const NORMAL: u64 = 0;
    pub(super) const INGRESS_CLONE: u64 = 1;
    pub(super) const EGRESS_CLONE: u64 = 2;
    pub(super) const RECIRCULATED: u64 = 4;
    pub(super) const REPLICATED: u64 = 5;
    pub(super) const RESUBMITTED: u64 = 6;
}

/// Takes what a packet leads to.
pub trait Sink {
    /// A packet leaves on a port.
    fn transmit(&mut self, port: u32, packet: &[u8]);

    /// A digest for the control plane: index of its kind, and the limbs of its fields.
    fn digest(&mut self, digest: usize, values: &[u64]);

    /// A packet or copy ends here.
    fn drop(&mut self, reason: DropReason);
}

impl<T: Sink + ?Sized> Sink for &mut T {
    fn transmit(&mut self, port: u32, packet: &[u8]) {
        (**self).transmit(port, packet);
    }

    fn digest(&mut self, digest: usize, values: &[u64]) {
        (**self).digest(digest, values);
    }

    fn drop(&mut self, reason: DropReason) {
        (**self).drop(reason);
    }
}

/// One traversal of ingress.
#[derive(Debug, Default)]
struct Pass {
    /// The packet, with padding.
    packet: Vec<u8>,
    instance: u64,
    /// Metadata that survives: place in the frame, and value.
    kept: Vec<(Loc, u64)>,
}

/// One traversal of egress.
#[derive(Debug)]
struct Job {
    frame: Vec<u64>,
    position: usize,
    port: u32,
    /// Length to which the clone session or `truncate` cuts the packet.
    truncate: Option<u64>,
}

/// The buffers of one core. A worker is bound to no pipeline, but fastest when it stays with one.
#[derive(Debug, Default)]
pub struct Worker {
    context: Context,
    /// Serial number of the pipeline that the buffers are made for.
    prepared: u64,
    passes: VecDeque<Pass>,
    jobs: VecDeque<Job>,
    /// Frames of finished jobs.
    spare: Vec<Vec<u64>>,
    /// Passes that are over.
    over: Vec<Pass>,
    copies: usize,
}

impl Worker {
    /// Buffers that start random numbers from a seed.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        let mut worker = Self::default();
        worker.context.random = seed;
        worker
    }
}

/// A packet at work: pipeline, state and time, next to the buffers.
struct Run<'a, S, O> {
    pipeline: &'a Pipeline,
    state: &'a State,
    env: Env<'a>,
    worker: &'a mut Worker,
    sink: &'a mut S,
    observer: &'a mut O,
}

impl Pipeline {
    /// Runs one packet to its end.
    ///
    /// `now_ns` is the time since the switch started; it must not go backwards.
    pub fn process<S: Sink, O: Observer>(
        &self,
        worker: &mut Worker,
        (port, packet): (u32, &[u8]),
        now_ns: u64,
        sink: &mut S,
        observer: &mut O,
    ) {
        self.process_with(
            &self.state(),
            worker,
            (port, packet),
            now_ns,
            sink,
            observer,
        );
    }

    /// Runs one packet on a state that the caller has locked, so that many share one lock.
    pub fn process_with<S: Sink, O: Observer>(
        &self,
        state: &State,
        worker: &mut Worker,
        (port, packet): (u32, &[u8]),
        now_ns: u64,
        sink: &mut S,
        observer: &mut O,
    ) {
        let env = Env {
            code: &self.code,
            tables: &state.tables,
            value_sets: &state.value_sets,
            externs: &self.externs,
            now_ns,
        };
        if worker.prepared != self.serial {
            worker.context.prepare(&self.code, &state.tables);
            worker.prepared = self.serial;
        }
        worker.copies = 0;
        worker.context.load(packet);
        let mut run = Run {
            pipeline: self,
            state,
            env,
            worker,
            sink,
            observer,
        };
        run.first(port);
        let mut passes = 1;
        while let Some(mut pass) = run.worker.passes.pop_front() {
            passes += 1;
            if passes > PASS_LIMIT {
                let worker = &mut *run.worker;
                worker.over.push(pass);
                worker.over.extend(worker.passes.drain(..));
                run.drop(DropReason::PassLimit);
                return;
            }
            std::mem::swap(&mut run.worker.context.packet, &mut pass.packet);
            run.again(&pass);
            run.worker.over.push(pass);
        }
    }
}

impl<'a, S: Sink, O: Observer> Run<'a, S, O> {
    fn first(&mut self, port: u32) {
        self.clear();
        self.set(Std::IngressPort, u64::from(port));
        self.set(Std::IngressGlobalTimestamp, self.env.now_ns / 1000);
        self.ingress(instance::NORMAL);
    }

    /// A new pass keeps what the program asked for, and nothing else: like BMv2, not even the
    /// ingress port.
    fn again(&mut self, pass: &Pass) {
        self.clear();
        for (loc, value) in &pass.kept {
            self.worker.context.frame[*loc as usize] = *value;
        }
        self.ingress(pass.instance);
    }

    /// Makes a fresh packet of the one that is loaded.
    fn clear(&mut self) {
        let context = &mut self.worker.context;
        context.frame[..self.env.code.cleared].fill(0);
        context.frame[self.env.code.packet_length as usize] = context.packet_len() as u64;
        context.position = 0;
        context.parser_error = 0;
        context.requests = crate::engine::exec::Requests::default();
    }

    fn ingress(&mut self, instance: u64) {
        let len = self.worker.context.packet_len();
        self.set(Std::PacketLength, len as u64);
        self.set(Std::InstanceType, instance);
        if O::ACTIVE {
            let port = self.get(Std::IngressPort) as u32;
            self.observer.event(Event::Pass {
                port,
                len,
                instance: instance as u32,
            });
        }
        self.block("parser", self.env.code.entries.parser);
        self.set(
            Std::ParserError,
            u64::from(self.worker.context.parser_error),
        );
        self.block("verify checksum", self.env.code.entries.verify);
        self.block("ingress", self.env.code.entries.ingress);
        self.after_ingress();
        while let Some(job) = self.worker.jobs.pop_front() {
            self.resume(job);
        }
    }

    fn after_ingress(&mut self) {
        let cloned = match self.worker.context.requests.clone {
            Some((session, list)) => self.clone_at_ingress(session as u32, list),
            None => false,
        };
        let requests = self.worker.context.requests.clone();
        if requests.assertion_failed {
            return self.drop(DropReason::Assertion);
        }
        if let Some(digest) = requests.digest {
            self.sink.digest(digest, &self.worker.context.digest);
            self.note(|| Event::Digest { digest });
        }
        if let Some(list) = requests.resubmit {
            self.note(|| Event::Resubmit);
            let mut pass = self.pass(list, instance::RESUBMITTED);
            pass.packet.clone_from(&self.worker.context.packet);
            return self.worker.passes.push_back(pass);
        }
        let group = self.get(Std::McastGrp) as u32;
        if group != 0 {
            return self.multicast(group);
        }
        let port = self.get(Std::EgressSpec);
        if port == DROP_PORT {
            return self.drop(DropReason::Ingress);
        }
        self.set(Std::InstanceType, instance::NORMAL);
        if cloned {
            // The clones come first, so that two packets on one port leave in BMv2's order.
            let job = self.job(port as u32, self.worker.context.requests.truncate);
            self.worker.jobs.push_back(job);
        } else {
            self.egress(port as u32);
        }
    }

    /// Queues the copies of a clone session: the packet as it came in, parsed again.
    /// Returns whether there are any.
    fn clone_at_ingress(&mut self, session: u32, list: Option<u64>) -> bool {
        let Some(config) = self.session(session) else {
            return false;
        };
        let original = self.job(0, None);
        let port = self.get(Std::IngressPort);
        let requests = self.worker.context.requests.clone();
        let error = self.worker.context.parser_error;
        self.clear();
        self.set(Std::IngressPort, port);
        self.block("parser", self.env.code.entries.parser);
        self.reset_metadata(list, &original.frame, instance::INGRESS_CLONE);
        let limit = config.max_len_bytes.map(u64::from);
        self.replicate(&config.replicas, limit);
        self.note(|| Event::Clone {
            session,
            copies: config.replicas.len(),
        });
        self.restore(&original);
        self.worker.context.requests = requests;
        self.worker.context.parser_error = error;
        self.worker.spare.push(original.frame);
        !self.worker.jobs.is_empty()
    }

    fn clone_at_egress(&mut self, session: u32, list: Option<u64>) {
        let Some(config) = self.session(session) else {
            return;
        };
        let original = self.job(0, None);
        self.reset_metadata(list, &original.frame, instance::EGRESS_CLONE);
        let limit = config.max_len_bytes.map(u64::from);
        self.replicate(&config.replicas, limit);
        self.note(|| Event::Clone {
            session,
            copies: config.replicas.len(),
        });
        self.restore(&original);
        self.worker.spare.push(original.frame);
    }

    fn session(&mut self, session: u32) -> Option<&'a CloneSession> {
        // BMv2 keeps 15 bits of the session, and takes session 0 for "no clone".
        let number = session & 0x7fff;
        let state = self.state;
        let found = state.sessions.get(&number).filter(|_| number != 0);
        if found.is_none() {
            self.drop(DropReason::NoSession);
        }
        found
    }

    fn multicast(&mut self, group: u32) {
        self.set(Std::InstanceType, instance::REPLICATED);
        let state = self.state;
        let replicas = state.groups.get(&group).map(|group| &*group.replicas);
        let Some(replicas @ [first, others @ ..]) = replicas else {
            return self.drop(DropReason::NoReplicas);
        };
        self.note(|| Event::Multicast {
            group,
            copies: replicas.len(),
        });
        let truncate = self.worker.context.requests.truncate;
        if !self.worker.jobs.is_empty() {
            return self.replicate(replicas, truncate);
        }
        // Nothing comes before the first copy, which therefore is the packet itself.
        self.worker.copies += 1;
        if self.worker.copies > COPY_LIMIT {
            return self.drop(DropReason::CopyLimit);
        }
        self.replicate(others, truncate);
        self.set(Std::EgressRid, u64::from(first.instance));
        self.egress(first.port);
    }

    /// Queues a copy of the packet for each replica.
    fn replicate(&mut self, replicas: &[Replica], truncate: Option<u64>) {
        for replica in replicas {
            self.worker.copies += 1;
            if self.worker.copies > COPY_LIMIT {
                return self.drop(DropReason::CopyLimit);
            }
            self.set(Std::EgressRid, u64::from(replica.instance));
            let job = self.job(replica.port, truncate);
            self.worker.jobs.push_back(job);
        }
    }

    fn job(&mut self, port: u32, truncate: Option<u64>) -> Job {
        let mut frame = self.worker.spare.pop().unwrap_or_default();
        frame.clear();
        let context = &self.worker.context;
        frame.extend_from_slice(&context.frame[..self.env.code.persistent]);
        Job {
            frame,
            position: context.position,
            port,
            truncate,
        }
    }

    fn restore(&mut self, job: &Job) {
        let context = &mut self.worker.context;
        context.frame[..job.frame.len()].copy_from_slice(&job.frame);
        context.frame[job.frame.len()..self.env.code.cleared].fill(0);
        context.frame[self.env.code.packet_length as usize] = context.packet_len() as u64;
        context.position = job.position;
    }

    fn resume(&mut self, job: Job) {
        self.restore(&job);
        self.worker.context.requests.truncate = job.truncate;
        self.egress(job.port);
        self.worker.spare.push(job.frame);
    }

    fn egress(&mut self, port: u32) {
        let truncate = self.worker.context.requests.truncate;
        self.worker.context.requests = crate::engine::exec::Requests {
            truncate,
            ..Default::default()
        };
        self.set(Std::EgressGlobalTimestamp, self.env.now_ns / 1000);
        self.set(Std::EgressPort, u64::from(port));
        self.set(Std::EgressSpec, DROP_PORT + 1);
        let len = self.worker.context.packet_len();
        self.set(Std::PacketLength, len as u64);
        self.block("egress", self.env.code.entries.egress);
        if let Some((session, list)) = self.worker.context.requests.clone {
            self.clone_at_egress(session as u32, list);
        }
        if self.worker.context.requests.assertion_failed {
            return self.drop(DropReason::Assertion);
        }
        if self.get(Std::EgressSpec) == DROP_PORT {
            return self.drop(DropReason::Egress);
        }
        self.deparse();
        if let Some(list) = self.worker.context.requests.recirculate {
            self.note(|| Event::Recirculate);
            let mut pass = self.pass(list, instance::RECIRCULATED);
            fill(&mut pass.packet, self.worker.context.written());
            return self.worker.passes.push_back(pass);
        }
        self.sink.transmit(port, self.worker.context.written());
        if O::ACTIVE {
            let packet = self.worker.context.written().to_vec();
            self.observer.event(Event::Transmit { port, packet });
        }
    }

    fn deparse(&mut self) {
        self.block("compute checksum", self.env.code.entries.compute);
        self.worker.context.clear_out();
        self.block("deparser", self.env.code.entries.deparser);
        self.worker.context.finish_out();
    }

    /// A new pass with the metadata of a field list, and no packet yet.
    fn pass(&mut self, list: u64, instance: u64) -> Pass {
        let mut pass = self.worker.over.pop().unwrap_or_default();
        let frame = &self.worker.context.frame;
        let limbs = self.field_list(Some(list)).iter();
        pass.kept.clear();
        pass.kept
            .extend(limbs.map(|loc| (*loc, frame[*loc as usize])));
        pass.instance = instance;
        pass
    }

    /// The limbs of a field list.
    fn field_list(&self, list: Option<u64>) -> &'a [Loc] {
        let lists = &self.env.code.field_lists;
        let found = lists
            .iter()
            .find(|(number, _)| Some(u64::from(*number)) == list);
        found.map_or(&[], |(_, limbs)| limbs)
    }

    fn reset_metadata(&mut self, list: Option<u64>, frame: &[u64], instance: u64) {
        self.worker.context.frame[self.env.code.metadata.clone()].fill(0);
        for loc in self.field_list(list) {
            self.worker.context.frame[*loc as usize] = frame[*loc as usize];
        }
        self.set(Std::InstanceType, instance);
    }

    fn block(&mut self, name: &'static str, entry: u32) {
        self.note(|| Event::Block(name));
        if !O::ACTIVE && matches!(self.env.code.ops.get(entry as usize), Some(Op::End)) {
            return;
        }
        match self.pipeline.native() {
            Some(native) if !O::ACTIVE => native.run(&mut self.worker.context, self.env, entry),
            _ => self.worker.context.run(self.env, entry, self.observer),
        }
    }

    fn drop(&mut self, reason: DropReason) {
        self.sink.drop(reason);
        self.note(|| Event::Drop(reason));
    }

    fn note(&mut self, event: impl FnOnce() -> Event) {
        if O::ACTIVE {
            self.observer.event(event());
        }
    }

    fn get(&self, field: Std) -> u64 {
        self.worker.context.frame[self.pipeline.standard[field as usize].loc as usize]
    }

    fn set(&mut self, field: Std, value: u64) {
        let place = self.pipeline.standard[field as usize];
        let ones = crate::engine::bits::mask(place.width);
        self.worker.context.frame[place.loc as usize] = value & ones;
    }
}
