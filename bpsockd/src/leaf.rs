// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The built-in agent: a node that forwards nothing, with versions 6 and 7 over UDP.
//!
//! It gives each of its neighbours bundles of the version that the neighbour reads, divides what
//! does not fit the path, puts fragments together, and keeps everything in a [`store`] until it
//! has been sent or read. UDP itself may lose bundles: who needs to know asks for a report of the
//! delivery.

use std::future::Future;
use std::io;
use std::net::{self, SocketAddr};
use std::pin::Pin;
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::Context as _;
use rustix::net::sockopt::set_socket_recv_buffer_size_force;
use tokio::net::UdpSocket;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, sleep_until};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::agent::{Agent, Command, Event, Link};
use crate::config::Leaf as Config;
use crate::leaf::core::Core;
use crate::leaf::store::{Store, StoreError};
use crate::metrics::Board;

pub mod core;
pub mod form;
pub mod lanes;
pub mod partial;
pub mod store;

/// The agent, ready to run.
#[derive(Debug)]
pub struct Leaf {
    core: Core,
    store: Store,
    socket: net::UdpSocket,
    board: Board,
}

/// Commands and datagrams that go into one transaction.
const BATCH: usize = 256;
/// Datagrams that wait while the disk is busy.
const QUEUE: usize = 8192;
/// The largest datagram.
const DATAGRAM: usize = 65_535;
/// Asked of the system for the receive buffer; it may give less.
const RECEIVE_BUFFER: usize = 8 << 20;
/// How often expiry is looked at.
const TICK: Duration = Duration::from_secs(1);
/// How long acknowledgements may wait for company.
const PATIENCE: Duration = Duration::from_millis(1);
/// Milliseconds from 1970 to 2000, when DTN time begins.
const DTN_EPOCH_MS: u64 = 946_684_800_000;
/// Pause after an error of the socket, so that it does not keep a core busy.
const RETRY: Duration = Duration::from_millis(200);

impl Leaf {
    /// Opens the store and the socket.
    ///
    /// # Errors
    ///
    /// One of them cannot be used.
    pub fn open(config: &Config, max_message: u32, board: Board) -> anyhow::Result<Self> {
        let path = &config.store;
        let opened = Store::open(path, config.safety());
        let (store, contents) =
            opened.with_context(|| format!("cannot open the store {}", path.display()))?;
        let core = Core::new(config, max_message, contents, now_ms());
        let socket = bind(config.listen);
        let socket = socket.with_context(|| format!("cannot bind {}", config.listen))?;
        Ok(Self {
            core,
            store,
            socket,
            board,
        })
    }

    /// Where it listens.
    ///
    /// # Errors
    ///
    /// The system does not say.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.socket.local_addr()
    }

    async fn work(mut self, mut link: Link) -> anyhow::Result<()> {
        let (sender, mut datagrams) = mpsc::channel(QUEUE);
        let socket = self.socket.try_clone().and_then(UdpSocket::from_std);
        let socket = socket.context("cannot share the socket")?;
        let reader = Reader::start(&self.socket, sender, self.board.clone())?;
        let mut commands = Vec::new();
        let mut arrived = Vec::new();
        while self
            .gather(&mut link, &mut datagrams, &mut commands, &mut arrived)
            .await
        {
            while arrived.len() < BATCH
                && let Ok(more) = datagrams.try_recv()
            {
                arrived.push(more);
            }
            self.step(&mut commands, &mut arrived, &link.events).await?;
            self.send(&socket).await?;
            self.board
                .publish_store(self.core.tally(), self.core.levels());
        }
        drop(reader);
        self.step(&mut commands, &mut arrived, &link.events).await?;
        // What was sent is taken out of the store, so that it is not sent again.
        let batch = self.store.begin();
        self.core.settle(&batch)?;
        Ok(batch.commit()?)
    }

    /// Waits for something to do. `false` if there will be no more commands.
    async fn gather(
        &self,
        link: &mut Link,
        datagrams: &mut mpsc::Receiver<Vec<u8>>,
        commands: &mut Vec<Command>,
        arrived: &mut Vec<Vec<u8>>,
    ) -> bool {
        let pause = self.core.next_send_ms(now_ms());
        let pause = pause.map_or(TICK, |ms| Duration::from_millis(ms).min(TICK));
        let mut until = Instant::now() + pause;
        loop {
            let count = tokio::select! {
                biased;
                count = link.commands.recv_many(commands, BATCH) => count,
                count = datagrams.recv_many(arrived, BATCH) => count,
                () = sleep_until(until) => return true,
            };
            if count == 0 || !arrived.is_empty() || !can_wait(commands) {
                return count > 0;
            }
            if commands.len() == count {
                until = until.min(Instant::now() + PATIENCE);
            }
        }
    }

    /// Takes what has come into the store, and then tells the daemon about it.
    async fn step(
        &mut self,
        commands: &mut Vec<Command>,
        arrived: &mut Vec<Vec<u8>>,
        to: &mpsc::Sender<Event>,
    ) -> anyhow::Result<()> {
        let mut events = Vec::new();
        let done = self.change(commands, arrived, &mut events);
        done.context("cannot use the store")?;
        // Who waits for a message waits longer than who has sent one.
        events.sort_by_key(|event| !is_for_receivers(event));
        for event in events {
            if to.send(event).await.is_err() {
                break;
            }
        }
        Ok(())
    }

    fn change(
        &mut self,
        commands: &mut Vec<Command>,
        arrived: &mut Vec<Vec<u8>>,
        events: &mut Vec<Event>,
    ) -> Result<(), StoreError> {
        let now = now_ms();
        let batch = self.store.begin();
        self.core.settle(&batch)?;
        for command in commands.drain(..) {
            self.core.command(command, now, &batch, events)?;
        }
        for datagram in arrived.drain(..) {
            self.core.datagram(&datagram, now, &batch, events)?;
        }
        self.core.tick(now, &batch, events)?;
        batch.commit()?;
        self.core.offer(&self.store, events)
    }

    /// Sends what may be sent now.
    async fn send(&mut self, socket: &UdpSocket) -> anyhow::Result<()> {
        for _ in 0..BATCH {
            let next = self.core.next_datagram(&self.store, now_ms());
            let Some((to, datagram)) = next.context("cannot use the store")? else {
                break;
            };
            if let Err(error) = socket.send_to(&datagram, to.address).await {
                warn!(peer = %to.address, reason = %error, "cannot send");
                self.core.send_failed(to, now_ms());
            } else {
                self.core.datagram_sent(to, now_ms());
            }
        }
        Ok(())
    }
}

/// Whether there are only acknowledgements, and not too many: a message often follows, and one change
/// of the store takes both.
fn can_wait(commands: &[Command]) -> bool {
    let is_acknowledgement = |command: &Command| matches!(command, Command::Acknowledge(..));
    commands.len() < BATCH && commands.iter().all(is_acknowledgement)
}

/// Whether it is an endpoint, or a message for one: these stay in their order.
const fn is_for_receivers(event: &Event) -> bool {
    matches!(
        event,
        Event::Registered(..) | Event::Arrived { .. } | Event::Revoked(..) | Event::Lost(..)
    )
}

impl Agent for Leaf {
    fn run(
        self: Box<Self>,
        link: Link,
    ) -> Pin<Box<dyn Future<Output = anyhow::Result<()>> + Send>> {
        Box::pin(self.work(link))
    }
}

/// Takes datagrams from the system while the store waits for the disk: a thread, which ends with
/// its owner.
struct Reader {
    thread: Option<thread::JoinHandle<()>>,
    stop: CancellationToken,
}

impl Reader {
    fn start(
        socket: &net::UdpSocket,
        to: mpsc::Sender<Vec<u8>>,
        board: Board,
    ) -> anyhow::Result<Self> {
        let socket = socket.try_clone().context("cannot share the socket")?;
        let stop = CancellationToken::new();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .context("cannot wait for datagrams")?;
        let reading = stop.clone().run_until_cancelled_owned(async {
            match UdpSocket::from_std(socket) {
                Ok(socket) => read(socket, to, board).await,
                Err(error) => warn!(reason = %error, "cannot receive"),
            }
        });
        let thread = thread::Builder::new().name("datagrams".to_owned());
        let thread = thread.spawn(move || _ = runtime.block_on(reading));
        Ok(Self {
            thread: Some(thread.context("cannot start a thread")?),
            stop,
        })
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        self.stop.cancel();
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            warn!("the thread for datagrams has panicked");
        }
    }
}

async fn read(socket: UdpSocket, to: mpsc::Sender<Vec<u8>>, board: Board) {
    let mut buffer = vec![0; DATAGRAM];
    loop {
        match socket.recv_from(&mut buffer).await {
            Ok((length, _)) => match to.try_send(buffer[..length].to_vec()) {
                Err(mpsc::error::TrySendError::Full(_)) => board.count_overrun(),
                Err(mpsc::error::TrySendError::Closed(_)) => return,
                Ok(()) => {}
            },
            Err(error) => {
                warn!(reason = %error, "cannot receive");
                sleep(RETRY).await;
            }
        }
    }
}

fn bind(address: SocketAddr) -> io::Result<net::UdpSocket> {
    let domain = socket2::Domain::for_address(address);
    let socket = socket2::Socket::new(domain, socket2::Type::DGRAM, None)?;
    socket.set_nonblocking(true)?;
    // With the privilege the system gives all of it, and otherwise what everybody may have.
    if set_socket_recv_buffer_size_force(&socket, RECEIVE_BUFFER).is_err()
        && let Err(error) = socket.set_recv_buffer_size(RECEIVE_BUFFER)
    {
        info!(reason = %error, "receive buffer stays small");
    }
    socket.bind(&address.into())?;
    Ok(socket.into())
}

/// The DTN time: milliseconds since the start of the year 2000.
#[must_use]
pub fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    let ms = since.map_or(0, |since| {
        u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
    });
    ms.saturating_sub(DTN_EPOCH_MS)
}
