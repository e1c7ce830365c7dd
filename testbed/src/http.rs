// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Requests to the daemons' HTTP interfaces on loopback.

use std::{
    io::{Read as _, Write as _},
    net::TcpStream,
    time::Duration,
};

use anyhow::{Context as _, ensure};

/// Asks, and returns the body of the answer.
///
/// # Errors
///
/// Nobody listens, or the answer is no success.
pub fn request(address: &str, method: &str, path: &str) -> anyhow::Result<String> {
    let context = || format!("{method} {path} at {address}");
    let mut stream = TcpStream::connect(address).with_context(context)?;
    stream.set_read_timeout(Some(Duration::from_secs(10)))?;
    let text = format!(
        "{method} {path} HTTP/1.1\r\nHost: {address}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
    );
    stream.write_all(text.as_bytes()).with_context(context)?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).with_context(context)?;
    let (head, body) = answer.split_once("\r\n\r\n").with_context(context)?;
    ensure!(
        head.split(' ').nth(1) == Some("200"),
        "{}: {answer}",
        context()
    );
    Ok(body.to_owned())
}
