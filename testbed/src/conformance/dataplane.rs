// SPDX-License-Identifier: Apache-2.0 OR MIT
//! BMv2's ports without interfaces: its gRPC service `p4.bm.DataplaneInterface`.

use std::time::Duration;

use anyhow::{Context as _, bail};
use tokio::{
    runtime::{Builder, Runtime},
    sync::mpsc::{Receiver, Sender, channel},
    time::timeout,
};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Status, client::Grpc, codegen::http::uri::PathAndQuery, transport::Endpoint};
use tonic_prost::ProstCodec;

use crate::lab::Wire;

const PACKET_STREAM: &str = "/p4.bm.DataplaneInterface/PacketStream";
/// Frames that may wait; the caller has one under way.
const QUEUE: usize = 64;

/// `PacketStreamRequest` and `PacketStreamResponse`, which have the same fields.
#[derive(Clone, PartialEq, prost::Message)]
struct Packet {
    /// Comes back with the packet.
    #[prost(uint64, tag = "1")]
    id: u64,
    #[prost(uint64, tag = "2")]
    device_id: u64,
    #[prost(uint32, tag = "3")]
    port: u32,
    #[prost(bytes = "vec", tag = "4")]
    octets: Vec<u8>,
}

/// All ports of one switch.
#[derive(Debug)]
pub(crate) struct Dataplane {
    runtime: Runtime,
    device_id: u64,
    requests: Sender<Packet>,
    arrivals: Receiver<Result<Packet, Status>>,
}

impl Dataplane {
    /// Connects to the service.
    ///
    /// # Errors
    ///
    /// Nothing listens at the address.
    pub(crate) fn connect(address: &str, device_id: u64) -> anyhow::Result<Self> {
        let runtime = Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .context("cannot start a runtime")?;
        let (requests, outgoing) = channel(QUEUE);
        let (incoming, arrivals) = channel(QUEUE);
        runtime.block_on(async {
            let channel = Endpoint::from_shared(format!("http://{address}"))
                .context("the switch has a strange address")?
                .connect()
                .await
                .with_context(|| format!("cannot connect to the data plane at {address}"))?;
            let mut client = Grpc::new(channel);
            client
                .ready()
                .await
                .context("the data plane is not ready")?;
            // The server answers the call together with its first frame: the call goes on meanwhile.
            tokio::spawn(async move {
                if let Err(status) = carry(client, outgoing, &incoming).await {
                    // Without a receiver nobody wants to know.
                    let _ = incoming.send(Err(status)).await;
                }
            });
            anyhow::Ok(())
        })?;
        Ok(Self {
            runtime,
            device_id,
            requests,
            arrivals,
        })
    }
}

async fn carry(
    mut client: Grpc<tonic::transport::Channel>,
    outgoing: Receiver<Packet>,
    incoming: &Sender<Result<Packet, Status>>,
) -> Result<(), Status> {
    let call = Request::new(ReceiverStream::new(outgoing));
    let path = PathAndQuery::from_static(PACKET_STREAM);
    let codec = ProstCodec::<Packet, Packet>::default();
    let mut responses = client.streaming(call, path, codec).await?.into_inner();
    while let Some(packet) = responses.message().await? {
        if incoming.send(Ok(packet)).await.is_err() {
            break;
        }
    }
    Ok(())
}

impl Wire for Dataplane {
    fn send(&mut self, port: u16, frame: &[u8]) -> anyhow::Result<()> {
        let packet = Packet {
            id: 0,
            device_id: self.device_id,
            port: port.into(),
            octets: frame.to_vec(),
        };
        if self.requests.blocking_send(packet).is_ok() {
            return Ok(());
        }
        // The stream has ended: the last thing in the queue says why.
        while let Ok(arrival) = self.arrivals.try_recv() {
            arrival.context("the stream of the data plane has failed")?;
        }
        bail!("the data plane has closed the stream")
    }

    fn receive(&mut self, deadline: Duration) -> anyhow::Result<Option<(u16, Vec<u8>)>> {
        let arrivals = &mut self.arrivals;
        let arrival = self
            .runtime
            .block_on(async { timeout(deadline, arrivals.recv()).await });
        let Ok(arrival) = arrival else {
            return Ok(None);
        };
        let packet = arrival
            .context("the data plane has closed the stream")?
            .context("the stream of the data plane has failed")?;
        let port = packet
            .port
            .try_into()
            .with_context(|| format!("a frame left on port {}", packet.port))?;
        Ok(Some((port, packet.octets)))
    }
}
