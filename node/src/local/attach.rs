// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The stream to the cluster controller: introduction, plans, acknowledgements, reports.

use std::time::Duration;

use control::proto::node_control_client::NodeControlClient;
use control::proto::node_message::Message;
use control::proto::{Ack, ControllerMessage, Hello, NodeMessage, Report};
use p4rt::cause::{of_status, with_causes};
use p4rt::client::Renewable;
use p4rt::session::Jitter;
use tokio::sync::{mpsc, watch};
use tokio::time::{interval, sleep};
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;
use tonic::transport::Endpoint;
use tracing::{info, warn};

use super::{BACKOFF, QUEUE};
use crate::config::Controller;

/// Keeps a stream to the controller.
pub(super) struct Attachment {
    /// Of all controllers of the cluster.
    addresses: Vec<String>,
    tls: Option<Renewable>,
    node: u64,
    report_every: Duration,
    inbox: mpsc::Sender<ControllerMessage>,
    acks: mpsc::Receiver<Ack>,
    report: watch::Receiver<Report>,
}

/// How long the controller may take to answer a connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// A controller that is gone without a word is noticed after this time, twice.
const KEEP_ALIVE: Duration = Duration::from_secs(10);
/// A plan for a large program with many rules.
const MAX_MESSAGE_BYTES: usize = 64 << 20;

impl Attachment {
    pub(super) fn new(
        config: &Controller,
        tls: Option<Renewable>,
        inbox: mpsc::Sender<ControllerMessage>,
        acks: mpsc::Receiver<Ack>,
        report: watch::Receiver<Report>,
    ) -> Self {
        Self {
            addresses: config
                .address
                .split(',')
                .map(|text| text.trim().to_owned())
                .collect(),
            tls,
            node: config.node,
            report_every: Duration::from_secs(config.report_s.into()),
            inbox,
            acks,
            report,
        }
    }

    /// Connects again and again until `stop`.
    pub(super) async fn run(mut self, stop: CancellationToken) {
        let mut failures = 0;
        let mut place = 0;
        loop {
            let address = self.addresses[place % self.addresses.len()].clone();
            let ended = tokio::select! {
                () = stop.cancelled() => return,
                ended = self.attach(&address, &mut failures) => ended,
            };
            failures += 1;
            // Told once each: a controller may be away for long.
            if usize::try_from(failures).is_ok_and(|failures| failures <= self.addresses.len()) {
                warn!(address, reason = ended, "no controller");
            }
            place += 1;
            if place % self.addresses.len() != 0 && failures > 0 {
                continue;
            }
            tokio::select! {
                () = stop.cancelled() => return,
                () = sleep(BACKOFF.wait(failures, Jitter(0))) => {}
            }
        }
    }

    fn endpoint(&self, address: &str) -> Result<Endpoint, tonic::transport::Error> {
        let Some(tls) = &self.tls else {
            return Endpoint::from_shared(format!("http://{address}"));
        };
        Endpoint::from_shared(format!("https://{address}"))?.tls_config(tls.newest().config())
    }

    /// Connects, and passes messages on until the stream ends. Returns why it did.
    async fn attach(&mut self, address: &str, failures: &mut u32) -> String {
        let endpoint = match self.endpoint(address) {
            Ok(endpoint) => endpoint,
            Err(error) => return with_causes(&error),
        };
        let endpoint = endpoint
            .connect_timeout(CONNECT_TIMEOUT)
            .http2_keep_alive_interval(KEEP_ALIVE)
            .keep_alive_timeout(KEEP_ALIVE)
            .keep_alive_while_idle(true);
        let channel = match endpoint.connect().await {
            Ok(channel) => channel,
            Err(error) => return with_causes(&error),
        };
        let mut client =
            NodeControlClient::new(channel).max_decoding_message_size(MAX_MESSAGE_BYTES);
        let (out, outgoing) = mpsc::channel(QUEUE);
        // The newest plan may be one that has not taken effect yet.
        let hello = Message::Hello(Hello {
            node: self.node,
            version: self.report.borrow().newest,
        });
        if send(&out, hello).await.is_err() {
            return "the stream is closed".to_owned();
        }
        let stream = match client.attach(ReceiverStream::new(outgoing)).await {
            Ok(stream) => stream,
            Err(status) => return of_status(&status),
        };
        let mut incoming = stream.into_inner();
        info!(address, "attached to the controller");
        *failures = 0;
        let mut tick = interval(self.report_every);
        loop {
            let message = tokio::select! {
                message = incoming.message() => match message {
                    Ok(Some(message)) => {
                        if self.inbox.send(message).await.is_err() {
                            return "the node is stopping".to_owned();
                        }
                        continue;
                    }
                    Ok(None) => return "the controller closed the stream".to_owned(),
                    Err(status) => return of_status(&status),
                },
                Some(ack) = self.acks.recv() => Message::Ack(ack),
                _ = tick.tick() => Message::Report(self.report.borrow().clone()),
                Ok(()) = self.report.changed() => {
                    let report = self.report.borrow_and_update().clone();
                    Message::Report(report)
                }
            };
            if send(&out, message).await.is_err() {
                return "the controller closed the stream".to_owned();
            }
        }
    }
}

async fn send(
    out: &mpsc::Sender<NodeMessage>,
    message: Message,
) -> Result<(), mpsc::error::SendError<NodeMessage>> {
    out.send(NodeMessage {
        message: Some(message),
    })
    .await
}
