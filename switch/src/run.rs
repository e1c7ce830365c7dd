// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A whole switch: ports, device and server, started and stopped together.

use std::{collections::BTreeMap, net::SocketAddr, num::NonZeroUsize, sync::Arc, time::Duration};

use p4rt::proto::p4::v1::p4_runtime_server::P4RuntimeServer;
use tokio::{
    net::TcpListener,
    task::JoinSet,
    time::{MissedTickBehavior, timeout},
};
use tokio_util::sync::{CancellationToken, DropGuard};
use tonic::transport::Server;

use crate::{
    device::Device,
    filter::Filter,
    incoming::Incoming,
    metrics,
    offline::Offline,
    ports::{self, Link, PortError, PortSpec, Transmitter},
    server::{Control, Service, run_hub},
    tls::Tls,
};

/// What the server accepts in headers: statuses of large batches travel there.
const MAX_HEADERS: u32 = 4 << 20;

/// How long calls in progress may take to end; a controller that does not go away must not keep
/// the switch.
const GRACE: Duration = Duration::from_secs(2);

/// How often the links of ports are looked at.
const LINKS: Duration = Duration::from_millis(100);

/// After this time without an octet from a controller, it is asked whether it is there, and has
/// as long to answer.
const KEEPALIVE: Duration = Duration::from_secs(30);

/// What controllers may use up. Enough for any that means well.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Connections to the server at a time; others are closed.
    pub connections: usize,
    /// Calls of one connection that are worked on at a time; others wait.
    pub calls: u32,
    /// Calls of one connection in a second; others fail with `RESOURCE_EXHAUSTED`.
    pub calls_per_second: u32,
    /// Streams that are open at a time, whether they have said who they are or not.
    pub streams: usize,
    /// How long a new stream may be silent before it says who it is.
    pub silence: Duration,
    /// Longest message that is read, in octets: programs are pushed as one message.
    pub message: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 64,
            calls: 32,
            calls_per_second: 2000,
            streams: 32,
            silence: Duration::from_secs(10),
            message: 64 << 20,
        }
    }
}

/// Which packets have their story written to standard error.
#[derive(Clone, Debug, Default)]
pub enum Trace {
    /// None.
    #[default]
    Off,
    /// All.
    All,
    /// Those that a filter accepts.
    Only(Filter),
}

impl Trace {
    pub(crate) fn wants(&self, port: u32, packet: &[u8]) -> bool {
        match self {
            Self::Off => false,
            Self::All => true,
            Self::Only(filter) => filter.accepts(port, packet),
        }
    }
}

/// What a switch is made of.
#[derive(Debug)]
pub struct Config {
    /// Its device id in P4Runtime.
    pub device_id: u64,
    /// Address of the server; port 0 takes any free port.
    pub grpc_address: SocketAddr,
    /// Address of the counters for Prometheus; port 0 takes any free port, none offers none.
    pub metrics_address: Option<SocketAddr>,
    /// Its ports.
    pub ports: Vec<PortSpec>,
    /// Threads for the ports that are Linux interfaces; none given, as many as there are cores, but
    /// at most 8.
    pub threads: Option<NonZeroUsize>,
    /// Numbers of ports that get a [`Link`].
    pub links: Vec<u32>,
    /// Port whose packets go to and come from controllers.
    pub cpu_port: Option<u32>,
    /// Certificates of the server; without some, it speaks in the clear.
    pub tls: Option<Tls>,
    /// What controllers may use up.
    pub limits: Limits,
    /// Which packets have their story written to standard error.
    pub trace: Trace,
    /// Whether to compile programs that gain from it to machine code while they run.
    pub optimise: bool,
    /// A program to start with, and the entries that it was given.
    pub program: Option<Offline>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            device_id: 1,
            grpc_address: SocketAddr::from(([127, 0, 0, 1], 0)),
            metrics_address: None,
            ports: Vec::new(),
            threads: None,
            links: Vec::new(),
            cpu_port: None,
            tls: None,
            limits: Limits::default(),
            trace: Trace::Off,
            optimise: false,
            program: None,
        }
    }
}

/// Why a switch does not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// A port is wrong.
    #[error(transparent)]
    Port(#[from] PortError),
    /// The server's address cannot be used.
    #[error("cannot listen on {address}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// The certificates cannot be used.
    #[error("cannot use the certificate, its key or the authorities of controllers")]
    Tls(#[source] tonic::transport::Error),
}

/// A switch in operation.
#[derive(Debug)]
pub struct Switch {
    device: Arc<Device>,
    control: Arc<Control>,
    grpc_address: SocketAddr,
    metrics_address: Option<SocketAddr>,
    links: BTreeMap<u32, Link>,
    tasks: JoinSet<()>,
    /// Ends the threads also if nobody calls [`Switch::stop`].
    stop: DropGuard,
}

impl Switch {
    /// Opens the ports, loads the program and starts to serve. Must run inside a tokio runtime.
    ///
    /// # Errors
    ///
    /// If a port, the program or the address cannot be used; then nothing is left running.
    pub async fn start(config: Config) -> Result<Self, StartError> {
        let mut transmitters = BTreeMap::new();
        let mut receivers = Vec::new();
        let mut links = BTreeMap::new();
        let mut shares = ports::shares(&config)?;
        for spec in &config.ports {
            let (transmitter, receiver) = ports::open(spec, &mut shares).await?;
            add(&mut transmitters, spec.number, transmitter)?;
            receivers.extend(receiver.map(|receiver| (spec.number, receiver)));
        }
        for number in &config.links {
            let (transmitter, receiver, link) = ports::link();
            add(&mut transmitters, *number, transmitter)?;
            receivers.push((*number, receiver));
            links.insert(*number, link);
        }
        let (listener, grpc_address) = listen(config.grpc_address).await?;
        let metrics = match config.metrics_address {
            Some(address) => Some(listen(address).await?),
            None => None,
        };
        let server = server(&config)?;
        let (device, notifications) = Device::new(&config, transmitters);
        let control = Arc::new(Control::new(Arc::clone(&device), config.limits));
        if let Some(program) = config.program {
            control.commit(Arc::new(program.into_active()));
        }
        let stop = CancellationToken::new();
        let mut tasks = JoinSet::new();
        for (number, receiver) in receivers {
            tasks.spawn(ports::serve(
                Arc::clone(&device),
                number,
                receiver,
                stop.clone(),
            ));
        }
        for (number, share) in (0..).zip(shares) {
            let (device, stop) = (Arc::clone(&device), stop.clone());
            tasks.spawn_blocking(move || share.serve(&device, number, &stop));
        }
        let metrics_address = metrics.as_ref().map(|(_, address)| *address);
        if let Some((listener, _)) = metrics {
            let (device, control) = (Arc::clone(&device), Arc::clone(&control));
            tasks.spawn(metrics::serve(listener, device, control, stop.clone()));
        }
        tasks.spawn(run_hub(Arc::clone(&control), notifications, stop.clone()));
        tasks.spawn(watch_links(Arc::clone(&device), stop.clone()));
        let refused = Arc::clone(&control.refused);
        let incoming = Incoming::new(listener, config.limits.connections, refused);
        tasks.spawn(serve(server, Arc::clone(&control), incoming, stop.clone()));
        Ok(Self {
            device,
            control,
            grpc_address,
            metrics_address,
            links,
            tasks,
            stop: stop.drop_guard(),
        })
    }

    /// Address that the server listens on.
    #[must_use]
    pub fn grpc_address(&self) -> SocketAddr {
        self.grpc_address
    }

    /// Address of the counters for Prometheus, if they were asked for.
    #[must_use]
    pub fn metrics_address(&self) -> Option<SocketAddr> {
        self.metrics_address
    }

    /// The far end of a port that was asked for as a link. Each can be taken once.
    pub fn take_link(&mut self, port: u32) -> Option<Link> {
        self.links.remove(&port)
    }

    /// Counters of the switch, by name.
    #[must_use]
    pub fn statistics(&self) -> Vec<(String, u64)> {
        metrics::list(&self.device, &self.control)
    }

    /// Stops everything and returns the last counters.
    pub async fn stop(mut self) -> Vec<(String, u64)> {
        self.stop.disarm().cancel();
        let drained = async { while self.tasks.join_next().await.is_some() {} };
        if timeout(GRACE, drained).await.is_err() {
            tracing::warn!(left = self.tasks.len(), grace = ?GRACE, "tasks did not stop in time");
        }
        metrics::list(&self.device, &self.control)
    }
}

fn add(
    transmitters: &mut BTreeMap<u32, Transmitter>,
    number: u32,
    transmitter: Transmitter,
) -> Result<(), PortError> {
    match transmitters.insert(number, transmitter) {
        None => Ok(()),
        Some(_) => Err(PortError::Duplicate(number)),
    }
}

async fn listen(address: SocketAddr) -> Result<(TcpListener, SocketAddr), StartError> {
    let failed = |source| StartError::Listen { address, source };
    let listener = TcpListener::bind(address).await.map_err(failed)?;
    let address = listener.local_addr().map_err(failed)?;
    Ok((listener, address))
}

/// A server with its certificates and limits.
fn server(config: &Config) -> Result<Server, StartError> {
    let limits = &config.limits;
    let server = Server::builder()
        .http2_max_header_list_size(MAX_HEADERS)
        .http2_keepalive_interval(Some(KEEPALIVE))
        .http2_keepalive_timeout(Some(KEEPALIVE))
        .max_concurrent_streams(Some(limits.calls));
    match &config.tls {
        None => Ok(server),
        Some(tls) => server.tls_config(tls.config()).map_err(StartError::Tls),
    }
}

async fn serve(
    mut server: Server,
    control: Arc<Control>,
    incoming: Incoming,
    stop: CancellationToken,
) {
    let longest = control.limits.message;
    let service = P4RuntimeServer::new(Service::new(control, stop.clone()))
        .max_decoding_message_size(longest)
        .max_encoding_message_size(usize::MAX);
    let serving = server
        .add_service(service)
        .serve_with_incoming_shutdown(incoming, stop.cancelled());
    if let Err(error) = serving.await {
        tracing::error!(reason = %error, "the P4Runtime server has ended");
    }
}

/// Looks at the links of ports until `stop`.
async fn watch_links(device: Arc<Device>, stop: CancellationToken) {
    let mut next = tokio::time::interval(LINKS);
    next.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = next.tick() => device.look_at_links(),
        }
    }
}
