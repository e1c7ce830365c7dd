// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Counters of the switch for Prometheus, in its
//! [text format](https://prometheus.io/docs/instrumenting/exposition_formats/).
//!
//! One answer for each connection: whoever scrapes asks every few seconds, and nobody else should.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    sync::{Arc, atomic::Ordering::Relaxed},
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    task::JoinSet,
    time::timeout,
};
use tokio_util::sync::CancellationToken;

use crate::{
    device::{Device, Traffic},
    server::Control,
};

/// Longest request that is read.
const MAX_REQUEST: usize = 8192;

/// Connections that are answered at once; others wait.
const MAX_CONNECTIONS: usize = 16;

/// How long a connection may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// Names and values of all counters.
pub(crate) fn list(device: &Device, control: &Control) -> Vec<(String, u64)> {
    let mut list = device.statistics().list();
    list.push(("not delivered to a controller".to_owned(), control.lost()));
    let refused = control.refused.load(Relaxed);
    list.push(("not accepted: too many connections".to_owned(), refused));
    list
}

/// Answers requests until `stop`.
pub(crate) async fn serve(
    listener: TcpListener,
    device: Arc<Device>,
    control: Arc<Control>,
    stop: CancellationToken,
) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = connections.join_next(), if connections.len() >= MAX_CONNECTIONS => {}
            accepted = listener.accept(), if connections.len() < MAX_CONNECTIONS => {
                let Ok((stream, _)) = accepted else {
                    continue;
                };
                let (device, control) = (Arc::clone(&device), Arc::clone(&control));
                connections.spawn(async move {
                    // A client that is too slow, or gone, gets no answer.
                    _ = timeout(PATIENCE, answer(stream, &device, &control)).await;
                });
            }
        }
        while connections.try_join_next().is_some() {}
    }
}

async fn answer(mut stream: TcpStream, device: &Device, control: &Control) -> std::io::Result<()> {
    let mut request = Vec::new();
    while !request.windows(4).any(|end| end == b"\r\n\r\n") {
        let read = stream.read_buf(&mut request).await?;
        if read == 0 || request.len() > MAX_REQUEST {
            return Ok(());
        }
    }
    let (status, text) = if request.starts_with(b"GET /metrics ") {
        ("200 OK", exposition(&list(device, control), device))
    } else {
        ("404 Not Found", "the counters are at /metrics\n".to_owned())
    };
    let head = format!(
        "HTTP/1.1 {status}\r\nContent-Type: text/plain; version=0.0.4\r\n\
         Content-Length: {}\r\nConnection: close\r\n\r\n",
        text.len()
    );
    stream.write_all(head.as_bytes()).await?;
    stream.write_all(text.as_bytes()).await?;
    stream.shutdown().await
}

/// Counters, and what tells a restart: the switch begins without a program, and with zeros.
fn exposition(list: &[(String, u64)], device: &Device) -> String {
    let mut text = counters(list);
    _ = write!(
        text,
        "# HELP p4switch_start_time_seconds When the switch started, since the epoch.\n\
         # TYPE p4switch_start_time_seconds gauge\n\
         p4switch_start_time_seconds {}\n\
         # HELP p4switch_programmed Whether there is a program.\n\
         # TYPE p4switch_programmed gauge\n\
         p4switch_programmed {}\n",
        device.started_at(),
        u8::from(device.active().is_some()),
    );
    text.push_str(&traffic(device.traffic()));
    text
}

/// Packets and octets of each port.
fn traffic(ports: &BTreeMap<u32, Traffic>) -> String {
    let mut text = String::new();
    for (unit, what) in [("packets", "Packets"), ("octets", "Octets in packets")] {
        let name = format!("p4switch_port_{unit}_total");
        _ = writeln!(
            text,
            "# HELP {name} {what} on each port.\n# TYPE {name} counter"
        );
        for (port, traffic) in ports {
            for (direction, flow) in [("in", &traffic.received), ("out", &traffic.sent)] {
                let (packets, octets) = flow.read();
                let count = if unit == "packets" { packets } else { octets };
                _ = writeln!(
                    text,
                    "{name}{{port=\"{port}\",direction=\"{direction}\"}} {count}"
                );
            }
        }
    }
    text
}

fn counters(list: &[(String, u64)]) -> String {
    let mut text = String::from(
        "# HELP p4switch_packets_total Packets, digests and messages by what became of them.\n\
         # TYPE p4switch_packets_total counter\n",
    );
    for (name, count) in list {
        let event = name.replace('\\', "\\\\").replace('"', "\\\"");
        _ = writeln!(text, "p4switch_packets_total{{event=\"{event}\"}} {count}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_are_written_in_the_text_format() {
        let list = [("received".to_owned(), 7), ("a \"b\" \\".to_owned(), 0)];
        let text = counters(&list);
        let lines: Vec<&str> = text.lines().skip(2).collect();
        let expected = [
            r#"p4switch_packets_total{event="received"} 7"#,
            r#"p4switch_packets_total{event="a \"b\" \\"} 0"#,
        ];
        assert_eq!(lines, expected);
    }
}
