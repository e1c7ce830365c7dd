// SPDX-License-Identifier: Apache-2.0 OR MIT
//! An agent that is another program: uD3TN, or whatever speaks its application protocol AAP 2.0.
//!
//! Each endpoint is a task with two connections: one for what it sends, one for what it receives. A
//! message is confirmed to the agent when the application has it, so one is under way at a time. When
//! the agent ends, the endpoints stay, and register with the next one.

use std::future::Future;
use std::hash::{BuildHasher as _, RandomState};
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bpsock::Address;
use bpsock::abi::BundleId;
use bpsock::protocol::Delivered;
use rustix::io::Errno;
use tokio::net::{TcpStream, UnixStream};
use tokio::sync::mpsc;
use tokio::time::{sleep, timeout};
use tracing::{info, warn};

use crate::agent::{Agent, Delivery, Event, Link, Outgoing, Registration};
use crate::orders::{Opened, Order, hand_out, refusal, tell};
use wire::{ACK, Adu, Config, Content, ERROR, INVALID, Response, SUCCESS, Stream, UNAUTHORIZED};

pub mod wire;

/// Where the agent listens.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Place {
    /// A path.
    Unix(PathBuf),
    /// Address and port.
    Tcp(SocketAddr),
}

/// The connection to the agent, ready to run.
#[derive(Clone, Debug)]
pub struct Aap2 {
    /// Where it listens.
    pub place: Place,
    /// Octets of the longest message.
    pub max_message: u32,
}

/// How long the agent may take to connect and to register an endpoint.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long it may take to answer a message.
const ANSWER: Duration = Duration::from_secs(30);
/// Pause before the next attempt to reach it.
const RETRY: Duration = Duration::from_millis(500);
/// Services that are chosen for those who want any: below are those that people choose.
const FIRST_FREE: u32 = 1 << 16;
/// How many of them are tried.
const FREE_ATTEMPTS: u32 = 16;

/// Either kind of connection.
trait Both: tokio::io::AsyncRead + tokio::io::AsyncWrite + Send + Unpin + std::fmt::Debug {}
impl<S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Send + Unpin + std::fmt::Debug> Both for S {}

type Connection = Stream<Box<dyn Both>>;

/// Why an endpoint has no connection.
#[derive(Debug)]
enum Failure {
    /// The agent is not there, or says nonsense.
    Gone(io::Error),
    /// It does not give the endpoint.
    Refused(Errno),
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::Gone(error)
    }
}

impl Failure {
    const fn errno(&self) -> Errno {
        match self {
            Self::Gone(_) => Errno::NETDOWN,
            Self::Refused(error) => *error,
        }
    }
}

impl Aap2 {
    async fn dial(&self) -> io::Result<(Connection, String)> {
        let stream: Box<dyn Both> = match &self.place {
            Place::Unix(path) => Box::new(UnixStream::connect(path).await?),
            Place::Tcp(address) => Box::new(TcpStream::connect(address).await?),
        };
        Stream::connect(stream).await
    }

    /// A connection of an endpoint.
    async fn open(
        &self,
        endpoint: &str,
        secret: &str,
        is_subscriber: bool,
    ) -> Result<Connection, Failure> {
        let (mut connection, _) = self.dial().await?;
        let config = Content::Config(Config {
            is_subscriber,
            auth_type: 0,
            secret: secret.to_owned(),
            endpoint_id: endpoint.to_owned(),
            keepalive_seconds: 0,
        });
        connection.send(config, &[]).await?;
        match connection.answered().await?.status {
            SUCCESS | ACK => Ok(connection),
            UNAUTHORIZED => Err(Failure::Refused(Errno::ADDRINUSE)),
            INVALID => Err(Failure::Refused(Errno::ADDRNOTAVAIL)),
            _ => Err(Failure::Refused(Errno::ACCESS)),
        }
    }

    async fn open_both(&self, endpoint: &str, secret: &str) -> Result<[Connection; 2], Failure> {
        let both = async {
            let sending = self.open(endpoint, secret, false).await?;
            Ok([sending, self.open(endpoint, secret, true).await?])
        };
        let late = |_| Failure::Gone(io::ErrorKind::TimedOut.into());
        timeout(PATIENCE, both).await.map_err(late)?
    }

    /// Registers an address. Returns it with its numbers, and the connections.
    async fn register(
        &self,
        wanted: &Address,
        secret: &str,
    ) -> Result<(Address, [Connection; 2]), Failure> {
        let dialled = timeout(PATIENCE, self.dial()).await;
        let (_, node) = dialled.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))??;
        let Address::Ipn { node: at, service } = *wanted else {
            let connections = self.open_both(&wanted.to_string(), secret).await?;
            return Ok((wanted.clone(), connections));
        };
        let own = node.parse().ok().and_then(|own| match own {
            Address::Ipn { node, .. } => Some(node),
            _ => None,
        });
        let own = own.ok_or(Failure::Refused(Errno::ADDRNOTAVAIL))?;
        if at != 0 && at != own {
            return Err(Failure::Refused(Errno::ADDRNOTAVAIL));
        }
        let free = RandomState::new().hash_one(secret) % u64::from(FIRST_FREE);
        let free = u32::try_from(free).unwrap_or_default();
        let mut attempt = 0;
        loop {
            let service = match service {
                0 => FIRST_FREE + (free + attempt) % FIRST_FREE,
                chosen => chosen,
            };
            let address = Address::Ipn { node: own, service };
            let opened = self.open_both(&address.to_string(), secret).await;
            attempt += 1;
            match opened {
                Err(Failure::Refused(Errno::ADDRINUSE))
                    if service >= FIRST_FREE && attempt < FREE_ATTEMPTS => {}
                opened => return Ok((address, opened?)),
            }
        }
    }
}

impl Agent for Aap2 {
    fn run(
        self: Box<Self>,
        link: Link,
    ) -> Pin<Box<dyn Future<Output = anyhow::Result<()>> + Send>> {
        Box::pin(async move {
            hand_out(link, |opened| Endpoint::run((*self).clone(), opened)).await;
            Ok(())
        })
    }
}

/// An endpoint that is registered.
struct Endpoint {
    registration: Registration,
    address: Address,
    orders: mpsc::Receiver<Order>,
    events: mpsc::Sender<Event>,
    /// What the application was offered.
    offered: Option<(Delivery, Box<Delivered>, Arc<[u8]>)>,
    last: u64,
    max_message: u64,
}

impl Endpoint {
    async fn run(agent: Aap2, opened: Opened) {
        let Opened {
            registration,
            wanted,
            orders,
            events,
        } = opened;
        // Nobody else is to guess it.
        let secret = format!("{:016x}", RandomState::new().hash_one(registration.0));
        let registered = agent.register(&wanted, &secret).await;
        let (address, mut connections) = match registered {
            Ok(registered) => registered,
            Err(failure) => {
                if let Failure::Gone(error) = &failure {
                    warn!(reason = %error, "cannot reach the agent");
                }
                let outcome = Err(failure.errno());
                tell(&events, Event::Registered(registration, outcome)).await;
                return;
            }
        };
        let outcome = Ok(address.clone());
        tell(&events, Event::Registered(registration, outcome)).await;
        let mut endpoint = Self {
            registration,
            address,
            orders,
            events,
            offered: None,
            last: 0,
            max_message: agent.max_message.into(),
        };
        loop {
            let Err(error) = endpoint.serve(&mut connections).await else {
                return;
            };
            warn!(endpoint = %endpoint.address, reason = %error, "connection to the agent ended");
            match endpoint.again(&agent, &secret).await {
                Some(next) => connections = next,
                None => return,
            }
        }
    }

    /// Works until it is told to end, or the agent ends.
    async fn serve(&mut self, [sending, receiving]: &mut [Connection; 2]) -> io::Result<()> {
        loop {
            tokio::select! {
                order = self.orders.recv() => match order {
                    None => return Ok(()),
                    Some(order) => self.obey(order, sending, receiving).await?,
                },
                arrived = receiving.readable(), if self.offered.is_none() => {
                    arrived?;
                    self.take(receiving).await?;
                }
            }
        }
    }

    async fn obey(
        &mut self,
        order: Order,
        sending: &mut Connection,
        receiving: &mut Connection,
    ) -> io::Result<()> {
        let is_offered = |it: Delivery| self.offered.as_ref().is_some_and(|(own, ..)| *own == it);
        match order {
            Order::Send(request, message) => {
                let outcome = timeout(ANSWER, self.send(sending, &message)).await;
                let outcome = outcome.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()));
                // It may have been sent.
                let told = outcome.as_ref().map_or(Err(Errno::CONNRESET), |sent| *sent);
                tell(&self.events, Event::Sent(request, told)).await;
                outcome.map(|_| ())
            }
            Order::Cancel(request, _) => {
                let event = Event::Cancelled(request, Err(Errno::OPNOTSUPP));
                tell(&self.events, event).await;
                Ok(())
            }
            Order::Acknowledge(it) if is_offered(it) => self.settle(receiving, SUCCESS).await,
            Order::Refuse(it) if is_offered(it) => self.settle(receiving, ERROR).await,
            Order::Resume => {
                self.offer().await;
                Ok(())
            }
            // Nothing else is offered before it is answered.
            Order::Pause(_) | Order::Acknowledge(_) | Order::Refuse(_) => Ok(()),
        }
    }

    async fn settle(&mut self, receiving: &mut Connection, status: i32) -> io::Result<()> {
        self.offered = None;
        let bundle = None;
        receiving.answer(&Response { status, bundle }).await
    }

    async fn send(
        &self,
        sending: &mut Connection,
        message: &Outgoing,
    ) -> io::Result<Result<Option<BundleId>, Errno>> {
        if message.options.present != 0 {
            // The protocol has no fields for them.
            return Ok(Err(Errno::OPNOTSUPP));
        }
        let adu = Adu {
            source: self.address.to_string(),
            destination: message.destination.to_string(),
            payload_length: message.data.len() as u64,
            report_to: message
                .report_to
                .as_ref()
                .map_or_else(String::new, Address::to_string),
            ..Adu::default()
        };
        sending.send(Content::Adu(adu), &message.data).await?;
        let response = sending.answered().await?;
        Ok(match response.status {
            SUCCESS | ACK => Ok(response.bundle.map(|bundle| BundleId {
                creation_ms: bundle.creation_ms,
                sequence: bundle.sequence,
            })),
            INVALID => Err(Errno::INVAL),
            UNAUTHORIZED => Err(Errno::ACCESS),
            _ => Err(Errno::HOSTUNREACH),
        })
    }

    /// Takes what the agent sends, and offers it.
    async fn take(&mut self, receiving: &mut Connection) -> io::Result<()> {
        let (content, payload) = receiving.receive(self.max_message).await?;
        let bundle = None;
        let Some(Content::Adu(adu)) = content else {
            return receiving
                .answer(&Response {
                    status: ACK,
                    bundle,
                })
                .await;
        };
        let Ok(source) = adu.source.parse() else {
            let status = ERROR;
            return receiving.answer(&Response { status, bundle }).await;
        };
        let about = Delivered {
            source,
            destination: adu.destination.parse().ok(),
            info: None,
            report_to: adu.report_to.parse().ok().filter(is_somewhere),
            previous_node: None,
        };
        self.last += 1;
        self.offered = Some((Delivery(self.last), Box::new(about), payload.into()));
        self.offer().await;
        Ok(())
    }

    async fn offer(&self) {
        if let Some((delivery, about, data)) = self.offered.clone() {
            let registration = self.registration;
            let event = Event::Arrived {
                registration,
                delivery,
                about,
                data,
            };
            tell(&self.events, event).await;
        }
    }

    /// Waits until the agent is there again. `None` if the endpoint is not needed any more.
    async fn again(&mut self, agent: &Aap2, secret: &str) -> Option<[Connection; 2]> {
        if let Some((delivery, ..)) = self.offered.take() {
            // The agent has it still, and sends it again.
            tell(&self.events, Event::Revoked(self.registration, delivery)).await;
        }
        loop {
            match agent.open_both(&self.address.to_string(), secret).await {
                Ok(connections) => {
                    info!(endpoint = %self.address, "registered again");
                    return Some(connections);
                }
                Err(Failure::Gone(_)) => {}
                Err(Failure::Refused(error)) => {
                    tell(&self.events, Event::Lost(self.registration, error)).await;
                    return None;
                }
            }
            let pause = sleep(RETRY);
            tokio::pin!(pause);
            loop {
                tokio::select! {
                    () = &mut pause => break,
                    order = self.orders.recv() => match order {
                        None => return None,
                        Some(order) => {
                            if let Some(answer) = refusal(&order, Errno::NETDOWN) {
                                tell(&self.events, answer).await;
                            }
                        }
                    }
                }
            }
        }
    }
}

/// Whether it is no null endpoint.
fn is_somewhere(address: &Address) -> bool {
    address.eid().is_ok_and(|eid| !eid.is_null())
}
