// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The daemon's native client: the same measurements as `bp-bench` makes with system calls.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use std::{env, io};

use anyhow::{Context as _, ensure};
use bpsock::Address;
use bpsock::net::{Door, Message, Socket};

use super::table::{Figure, What};

/// Longest wait for a message.
const PATIENCE: Duration = Duration::from_secs(30);
/// Round trips at least, however long they take.
const LEAST: usize = 10;

/// A process of this program that ends with this value.
struct Other(Child);

impl Drop for Other {
    fn drop(&mut self) {
        // It may have ended by itself, with an error that the measurement then has, too.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Measures one size, and returns the lines that say how it was.
pub(crate) fn measure(
    path: &Path,
    way: &str,
    size: usize,
    time: Duration,
) -> anyhow::Result<String> {
    let figures = [
        round_trips(path, size, time).context("round trips")?,
        rate(path, size, time).context("rate")?,
    ];
    let lines = figures.map(|(count, what)| {
        let way = way.to_owned();
        Figure {
            way,
            size,
            count,
            what,
        }
        .line()
    });
    lines.into_iter().collect()
}

fn round_trips(path: &Path, size: usize, time: Duration) -> anyhow::Result<(usize, What)> {
    let mut echo = start(path, &["echo"], &[])?;
    let mut said = String::new();
    let output = echo.0.stdout.take().context("the echo has no output")?;
    BufReader::new(output).read_line(&mut said)?;
    let to: Address = said.trim().parse()?;
    let (socket, data) = (bind(path)?, vec![0; size]);
    let mut took = Vec::new();
    let deadline = Instant::now() + time;
    while took.len() < LEAST || Instant::now() < deadline {
        let begun = Instant::now();
        socket.send_to(&data, &to, &Message::default())?;
        let received = socket.recv(Some(PATIENCE))?;
        took.push(begun.elapsed());
        ensure!(received.data.len() == size, "an answer of another size");
    }
    took.sort_unstable();
    let at = |share: usize| took[took.len() * share / 100].as_secs_f64() * 1e6;
    let (p50_us, p99_us) = (at(50), at(99));
    Ok((took.len(), What::RoundTrip { p50_us, p99_us }))
}

fn rate(path: &Path, size: usize, time: Duration) -> anyhow::Result<(usize, What)> {
    let socket = bind(path)?;
    let (own, size) = (socket.local_address().to_string(), size.to_string());
    let _flood = start(path, &["flood"], &[&own, &size])?;
    socket.recv(Some(PATIENCE))?;
    let (begun, mut count) = (Instant::now(), 0_u32);
    while begun.elapsed() < time {
        socket.recv(Some(PATIENCE))?;
        count += 1;
    }
    let per_s = f64::from(count) / begun.elapsed().as_secs_f64();
    Ok((usize::try_from(count)?, What::Rate { per_s }))
}

/// Starts this program as the other end.
fn start(path: &Path, what: &[&str], to: &[&str]) -> anyhow::Result<Other> {
    let program = env::current_exe().context("cannot find this program")?;
    let child = Command::new(program)
        .arg("peer")
        .args(what)
        .arg(path)
        .args(to)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .context("cannot start the other end")?;
    Ok(Other(child))
}

fn bind(path: &Path) -> io::Result<Socket> {
    Door::connect(path)?.bind(&Address::ipn(0, 0))
}

/// Says its address, and sends back what it gets.
pub(crate) fn echo(path: &Path) -> anyhow::Result<()> {
    let socket = bind(path)?;
    println!("{}", socket.local_address());
    loop {
        let received = socket.recv(None)?;
        socket.send_to(&received.data, &received.about.source, &Message::default())?;
    }
}

/// Sends as fast as the daemon takes messages, without waiting for its answers.
pub(crate) fn flood(path: &Path, to: &Address, size: usize) -> anyhow::Result<()> {
    let (socket, data) = (bind(path)?, vec![0; size]);
    loop {
        let ticket = socket.start_send(&data, to, &Message::default(), None)?;
        socket.abandon_send(ticket);
    }
}
