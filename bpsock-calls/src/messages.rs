// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Sending and receiving.

use std::ffi::c_int;
use std::time::Duration;

use bpsock::Address;
use bpsock::net::{self, Message, Received as Arrived};

use crate::caller::{Caller, Errno, Span, copy_in, copy_out};
use crate::control;
use crate::options::{
    BP_DESTINATION, BP_INFO, BP_PREVIOUS_NODE, BP_RECVERR, BP_REPORT_TO, BP_TAG,
    RECVINFO_DESTINATION, RECVINFO_INFO, RECVINFO_PREVIOUS_NODE, RECVINFO_REPORT_TO, choose,
};
use crate::socket::{Socket, address, errno_of, is_nonblocking, max_message, send_timeout};

/// What a program passes to be sent.
#[derive(Debug)]
pub(crate) struct Outgoing {
    pub(crate) parts: Vec<Span>,
    pub(crate) name: Option<Vec<u8>>,
    pub(crate) control: Vec<u8>,
    pub(crate) flags: c_int,
}

/// Where a program wants what was received.
#[derive(Debug)]
pub(crate) struct Incoming {
    pub(crate) parts: Vec<Span>,
    pub(crate) control: usize,
    pub(crate) flags: c_int,
}

/// What was received, besides the data.
#[derive(Debug, Default)]
pub(crate) struct Received {
    pub(crate) octets: usize,
    pub(crate) name: Vec<u8>,
    pub(crate) control: Vec<u8>,
    pub(crate) flags: c_int,
}

impl Socket {
    /// Sends a message. Returns its length.
    pub(crate) fn send(&self, caller: &impl Caller, outgoing: &Outgoing) -> Result<usize, Errno> {
        if outgoing.flags & libc::MSG_OOB != 0 {
            return Err(libc::EOPNOTSUPP);
        }
        let octets = outgoing.parts.iter().map(|part| part.octets);
        let octets = octets.fold(0, usize::saturating_add);
        if octets > max_message() {
            return Err(libc::EMSGSIZE);
        }
        let destination = match &outgoing.name {
            Some(name) if !name.is_empty() => address(name)?,
            _ => self.state().peer.clone().ok_or(libc::EDESTADDRREQ)?,
        };
        let mut message = self.state().message.clone();
        for (name, value) in control::parse(&outgoing.control)? {
            match name {
                BP_TAG if value.len() == 8 => {}
                _ => choose(&mut message, name, value)?,
            }
        }
        let bound = self.autobind(caller.descriptor())?;
        if let Some(error) = bound.take_error() {
            return Err(errno_of(&error));
        }
        if self.state().is_shut_write {
            return Err(libc::EPIPE);
        }
        let mut data = Vec::new();
        for part in &outgoing.parts {
            data.extend(copy_in(caller, *part)?);
        }
        let patience = if is_nonblocking(caller.descriptor(), outgoing.flags) {
            Some(Duration::ZERO)
        } else {
            send_timeout(caller.descriptor())
        };
        self.send_and_wait(&bound, (&data, &destination, &message), patience)?;
        Ok(octets)
    }

    /// Without an answer in time the message has been sent: its failure is told later.
    fn send_and_wait(
        &self,
        bound: &net::Endpoint,
        (data, destination, message): (&[u8], &Address, &Message),
        patience: Option<Duration>,
    ) -> Result<(), Errno> {
        let ticket = bound.start_send(data, destination, message, patience);
        let ticket = ticket.map_err(|error| errno_of(&error))?;
        match bound.finish_send(ticket, patience) {
            Ok(bundle) => {
                if bundle.is_some() {
                    self.state().last = bundle;
                }
                Ok(())
            }
            Err(error) if error.raw_os_error() == Some(libc::ETIMEDOUT) => Ok(()),
            Err(error) => Err(errno_of(&error)),
        }
    }

    /// Waits for the next message, as the flags say.
    pub(crate) fn receive(
        &self,
        caller: &impl Caller,
        incoming: &Incoming,
    ) -> Result<Received, Errno> {
        let flags = incoming.flags;
        if flags & libc::MSG_OOB != 0 {
            return Err(libc::EOPNOTSUPP);
        }
        let bound = self.bound()?;
        if flags & libc::MSG_ERRQUEUE != 0 {
            return self.receive_report(bound.as_deref(), incoming);
        }
        let Some(bound) = bound else {
            let is_end = self.state().is_shut_read;
            return if is_end {
                Ok(Received::default())
            } else {
                Err(libc::EADDRNOTAVAIL)
            };
        };
        loop {
            let reading = self.reading();
            match bound.try_peek() {
                Ok(message) => return self.hand_over(caller, &bound, &message, incoming),
                Err(error) if error.raw_os_error() == Some(libc::EAGAIN) => {
                    bound.quieten(caller.descriptor());
                }
                Err(error) => return Err(errno_of(&error)),
            }
            drop(reading);
            if !caller.wait_readable(flags)? {
                return Ok(Received::default());
            }
        }
    }

    /// Copies a message to the program, and then takes it out of the queue.
    fn hand_over(
        &self,
        caller: &impl Caller,
        bound: &net::Endpoint,
        message: &Arrived,
        incoming: &Incoming,
    ) -> Result<Received, Errno> {
        let mut rest = &message.data[..];
        for part in &incoming.parts {
            let (now, later) = rest.split_at(part.octets.min(rest.len()));
            copy_out(caller, *part, now)?;
            rest = later;
        }
        let mut result = Received {
            octets: message.data.len() - rest.len(),
            name: message.about.source.encode(),
            ..Received::default()
        };
        if !rest.is_empty() {
            result.flags |= libc::MSG_TRUNC;
            if incoming.flags & libc::MSG_TRUNC != 0 {
                result.octets = message.data.len();
            }
        }
        self.tell(message, incoming.control, &mut result);
        if incoming.flags & libc::MSG_PEEK == 0 {
            // It may have been revoked meanwhile: it has been read all the same.
            let _ = bound.try_recv();
            bound.quieten(caller.descriptor());
        }
        Ok(result)
    }

    /// What the program wants to know of a message.
    fn tell(&self, message: &Arrived, room: usize, result: &mut Received) {
        let wanted = self.state().recvinfo;
        let about = &message.about;
        let mut values = Vec::new();
        if let Some(info) = about.info.filter(|_| wanted & RECVINFO_INFO != 0) {
            let mut octets = Vec::new();
            info.encode(&mut octets);
            values.push((BP_INFO, octets));
        }
        for (bit, name, address) in [
            (RECVINFO_DESTINATION, BP_DESTINATION, &about.destination),
            (RECVINFO_REPORT_TO, BP_REPORT_TO, &about.report_to),
            (
                RECVINFO_PREVIOUS_NODE,
                BP_PREVIOUS_NODE,
                &about.previous_node,
            ),
        ] {
            if let Some(address) = address.as_ref().filter(|_| wanted & bit != 0) {
                values.push((name, address.encode()));
            }
        }
        for (name, value) in values {
            if !control::push(&mut result.control, room, name, &value) {
                result.flags |= libc::MSG_CTRUNC;
            }
        }
    }

    fn receive_report(
        &self,
        bound: Option<&net::Endpoint>,
        incoming: &Incoming,
    ) -> Result<Received, Errno> {
        let wanted = bound.filter(|_| self.state().recverr);
        let report = wanted.and_then(|bound| bound.report(Duration::ZERO));
        let report = report.ok_or(libc::EAGAIN)?;
        let mut result = Received {
            name: report.source.map(|it| it.encode()).unwrap_or_default(),
            flags: libc::MSG_ERRQUEUE,
            ..Received::default()
        };
        let mut octets = Vec::new();
        report.report.encode(&mut octets);
        if !control::push(&mut result.control, incoming.control, BP_RECVERR, &octets) {
            result.flags |= libc::MSG_CTRUNC;
        }
        Ok(result)
    }
}
