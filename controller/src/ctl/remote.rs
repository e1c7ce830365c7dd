// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `sddtnctl nodes` and `sddtnctl reload`: what the controller itself knows and does.

use std::{
    io::{Read as _, Write as _},
    net::{TcpStream, ToSocketAddrs as _},
    time::Duration,
};

use serde_json::Value;

use crate::ctl::{
    CtlError, Format,
    report::{Section, show},
};

/// A person is waiting.
const TIMEOUT: Duration = Duration::from_secs(10);

/// What stands in the columns of `sddtnctl nodes`, by the names of the interface.
const COLUMNS: [&str; 9] = [
    "node",
    "connected",
    "wanted",
    "held",
    "active",
    "ack_ms",
    "standing",
    "stored_bundles",
    "refusal",
];

/// Shows the nodes.
pub(super) fn nodes(api: &str, format: Format) -> Result<String, CtlError> {
    let nodes = request(api, "GET", "/v1/nodes")?;
    let cell = |value: &Value| match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    let row = |node: &Value| COLUMNS.iter().map(|name| cell(&node[*name])).collect();
    let section = Section {
        title: "nodes".to_owned(),
        note: String::new(),
        columns: COLUMNS.map(str::to_owned).into(),
        rows: nodes.as_array().into_iter().flatten().map(row).collect(),
    };
    Ok(show(&[section], format))
}

/// Makes the controller read its configuration again.
pub(super) fn reload(api: &str) -> Result<String, CtlError> {
    let done = request(api, "POST", "/v1/reload")?;
    Ok(format!("{done:#}\n"))
}

fn request(api: &str, method: &str, path: &str) -> Result<Value, CtlError> {
    let unreachable = |source| CtlError::Api {
        address: api.to_owned(),
        source,
    };
    let answer = exchange(api, method, path).map_err(unreachable)?;
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
    let body: Value = serde_json::from_str(body).unwrap_or_default();
    if head.split(' ').nth(1) == Some("200") {
        return Ok(body);
    }
    let reason = body["error"].as_str();
    Err(CtlError::Refused(reason.unwrap_or(head).to_owned()))
}

fn exchange(api: &str, method: &str, path: &str) -> std::io::Result<String> {
    let none = || std::io::Error::from(std::io::ErrorKind::AddrNotAvailable);
    let address = api.to_socket_addrs()?.next().ok_or_else(none)?;
    let mut stream = TcpStream::connect_timeout(&address, TIMEOUT)?;
    stream.set_read_timeout(Some(TIMEOUT))?;
    let request = format!(
        "{method} {path} HTTP/1.1\r\nHost: {api}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
    );
    stream.write_all(request.as_bytes())?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer)
}
