// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What the daemon and a bundle protocol agent say to each other.
//!
//! An agent is a task. It takes [`Command`]s and makes [`Event`]s, both through bounded channels;
//! no type or handle of an agent appears in either.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use bpsock::Address;
use bpsock::abi::{BundleId, Options, Report};
use bpsock::protocol::Delivered;
use rustix::io::Errno;
use tokio::sync::mpsc;

/// An endpoint that is, or may become, registered. The daemon never uses a number twice.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Registration(pub u64);

/// A request that has one answer.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Request(pub u64);

/// A message that is offered. The agent never uses a number for another message while it runs, and
/// the numbers that one registration is offered ascend.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Delivery(pub u64);

/// A message that an application sends.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Outgoing {
    /// Where it goes.
    pub destination: Address,
    /// How.
    pub options: Options,
    /// Where status reports go; otherwise the agent takes them.
    pub report_to: Option<Address>,
    /// What is sent.
    pub data: Vec<u8>,
}

/// What the daemon wants.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Command {
    /// Register an endpoint: answered by [`Event::Registered`].
    Register {
        /// The number from now on.
        registration: Registration,
        /// Node 0 is the agent's own, service 0 any free one.
        address: Address,
    },
    /// Forget it. What was offered and not acknowledged stays with the agent.
    Unregister(Registration),
    /// Send a message: answered by [`Event::Sent`], when it is safe.
    Send {
        /// The number of the answer.
        request: Request,
        /// Who sends it.
        registration: Registration,
        /// The message.
        message: Outgoing,
    },
    /// Do not send it after all: answered by [`Event::Cancelled`].
    Cancel {
        /// The number of the answer.
        request: Request,
        /// Who sent it.
        registration: Registration,
        /// Which bundle.
        bundle: BundleId,
    },
    /// The application has it.
    Acknowledge(Registration, Delivery),
    /// Not now: keep it and all that was offered after it, and offer nothing until
    /// [`Command::Resume`]; then these again, first and with the same numbers.
    /// If it expires before that, it is revoked.
    Pause(Registration, Delivery),
    /// Never to this socket: keep it for whoever has the endpoint later.
    Refuse(Registration, Delivery),
    /// Offer again.
    Resume(Registration),
}

/// What the agent says.
#[derive(Clone, Debug)]
pub enum Event {
    /// The answer to [`Command::Register`]: the address with its numbers, or an errno.
    Registered(Registration, Result<Address, Errno>),
    /// The answer to [`Command::Send`].
    Sent(Request, Result<Option<BundleId>, Errno>),
    /// The answer to [`Command::Cancel`].
    Cancelled(Request, Result<(), Errno>),
    /// A message for an endpoint.
    Arrived {
        /// Whose.
        registration: Registration,
        /// The number for the answer.
        delivery: Delivery,
        /// Who sent it, and what the bundle says.
        about: Box<Delivered>,
        /// The message.
        data: Arc<[u8]>,
    },
    /// It has expired while nobody read it.
    Revoked(Registration, Delivery),
    /// A status report about a bundle that the endpoint sent.
    Report {
        /// Whose.
        registration: Registration,
        /// What it says.
        report: Report,
        /// Who says it.
        source: Option<Address>,
    },
    /// The agent has withdrawn the endpoint for good.
    Lost(Registration, Errno),
}

impl Event {
    /// The endpoint that it is about.
    #[must_use]
    pub const fn registration(&self) -> Option<Registration> {
        match self {
            Self::Registered(it, _)
            | Self::Revoked(it, _)
            | Self::Lost(it, _)
            | Self::Arrived {
                registration: it, ..
            }
            | Self::Report {
                registration: it, ..
            } => Some(*it),
            Self::Sent(..) | Self::Cancelled(..) => None,
        }
    }
}

/// The agent's ends of the channels.
#[derive(Debug)]
pub struct Link {
    /// What the daemon wants. The agent stops when there will be no more.
    pub commands: mpsc::Receiver<Command>,
    /// What the agent says.
    pub events: mpsc::Sender<Event>,
}

/// A bundle protocol agent, or the connection to one.
pub trait Agent: Send {
    /// Works until there are no more commands.
    ///
    /// # Errors
    ///
    /// The agent cannot go on. The daemon then ends, because messages may be at risk.
    fn run(self: Box<Self>, link: Link)
    -> Pin<Box<dyn Future<Output = anyhow::Result<()>> + Send>>;
}
