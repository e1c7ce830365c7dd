// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `p4switch run`.

use std::{fs, future::Future, io, net::SocketAddr, num::NonZeroUsize, path::PathBuf};

use anyhow::Context as _;
use switch::{
    Tls,
    ports::PortSpec,
    run::{Config, Limits, Switch, Trace},
};
use tokio::signal::unix::{SignalKind, signal};
use tracing::info;

use super::{Failure, input, load_with, read, system};

#[derive(Debug, clap::Args)]
pub(crate) struct Run {
    /// Program to start with; without one, the switch waits for a controller to push it.
    program: Option<PathBuf>,
    /// Entries to start with, in JSON; may be given several times. A controller may change them.
    #[arg(long, value_name = "FILE", requires = "program")]
    entries: Vec<PathBuf>,
    /// Device id in P4Runtime.
    #[arg(long, value_name = "N", default_value_t = 1)]
    device_id: u64,
    /// Address of the P4Runtime server; port 0 takes any free port.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:9559")]
    grpc_addr: SocketAddr,
    /// Where to write the address that the server listens on.
    #[arg(long, value_name = "FILE")]
    grpc_addr_file: Option<PathBuf>,
    /// Address where Prometheus finds the counters, at `/metrics`; port 0 takes any free port.
    #[arg(long, value_name = "ADDRESS")]
    metrics_addr: Option<SocketAddr>,
    /// Port, as `NUMBER@INTERFACE`, `NUMBER@udp:LOCAL=PEER` or `NUMBER@pcap:IN,OUT`.
    #[arg(short = 'i', long = "port", value_name = "PORT")]
    ports: Vec<PortSpec>,
    /// Threads for the ports that are interfaces: as many as there are cores, but at most 8, if not
    /// given. Each flow stays with one of them.
    #[arg(long, value_name = "N")]
    threads: Option<NonZeroUsize>,
    /// Port whose packets go to and come from controllers.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(0..=510))]
    cpu_port: Option<u32>,
    /// Write what happens to each packet to standard error; with a filter, of those packets only.
    #[arg(
        long,
        value_name = "FILTER",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = ""
    )]
    trace: Option<String>,
    /// Certificates of the server, in PEM: it then speaks TLS only.
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    tls_cert: Option<PathBuf>,
    /// Key of the first certificate.
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    tls_key: Option<PathBuf>,
    /// Authorities of controllers: one without a certificate of them is refused.
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    tls_client_ca: Option<PathBuf>,
}

impl Run {
    pub(crate) fn run(self) -> Result<(), Failure> {
        let runtime = tokio::runtime::Runtime::new()
            .map_err(|error| system(error, "cannot start the runtime"))?;
        runtime.block_on(self.serve())
    }

    fn tls(&self) -> Result<Option<Tls>, Failure> {
        let (Some(certificate), Some(key)) = (&self.tls_cert, &self.tls_key) else {
            return Ok(None);
        };
        Ok(Some(Tls {
            certificate: read(certificate)?,
            key: read(key)?,
            client_ca: self.tls_client_ca.as_deref().map(read).transpose()?,
        }))
    }

    fn trace(&self) -> Result<Trace, Failure> {
        Ok(match self.trace.as_deref() {
            None => Trace::Off,
            Some("") => Trace::All,
            Some(filter) => Trace::Only(filter.parse().map_err(input)?),
        })
    }

    async fn serve(self) -> Result<(), Failure> {
        let (tls, trace) = (self.tls()?, self.trace()?);
        let program = match &self.program {
            Some(path) => Some(load_with(path, &self.entries)?),
            None => None,
        };
        // The handlers are there before the switch is, so that no signal is lost.
        let signalled = stop_signal()
            .context("cannot listen for signals")
            .map_err(Failure::System)?;
        let switch = Switch::start(Config {
            device_id: self.device_id,
            grpc_address: self.grpc_addr,
            metrics_address: self.metrics_addr,
            ports: self.ports,
            threads: self.threads,
            links: Vec::new(),
            cpu_port: self.cpu_port,
            tls,
            limits: Limits::default(),
            trace,
            optimise: cfg!(feature = "native"),
            program,
        })
        .await
        .map_err(|error| Failure::System(error.into()))?;
        let address = switch.grpc_address();
        if let Some(path) = &self.grpc_addr_file {
            // The file appears with its whole text, for scripts that wait for it.
            let partial = path.with_extension("partial");
            fs::write(&partial, format!("{address}\n"))
                .and_then(|()| fs::rename(&partial, path))
                .map_err(|error| system(error, &format!("cannot write {}", path.display())))?;
        }
        println!("{address}");
        if let Some(address) = switch.metrics_address() {
            info!(%address, "counters are at /metrics");
        }
        info!(%address, device_id = self.device_id, "ready");
        if self.program.is_none() {
            // Nothing outlives a restart: a controller has to push and write everything again.
            info!("empty: no program, no entries; waiting for a controller");
        }
        info!(signal = signalled.await, "stopping");
        for (name, count) in switch.stop().await {
            eprintln!("{name}: {count}");
        }
        Ok(())
    }
}

/// Installs the handlers, and returns what waits for a signal.
fn stop_signal() -> io::Result<impl Future<Output = &'static str>> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => "SIGTERM",
            _ = interrupt.recv() => "SIGINT",
        }
    })
}
