// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Requests to the controller's HTTP interface, with or without certificates.

use std::{
    fs,
    io::{self, BufRead, BufReader, Read, Write},
    net::{TcpStream, ToSocketAddrs as _},
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use serde_json::Value;
use tokio_rustls::rustls::{
    self, ClientConfig, ClientConnection, RootCertStore, StreamOwned,
    crypto::ring::default_provider,
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject as _},
};

use crate::ctl::CtlError;

/// A person is waiting.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Where the controller is, and how it knows the caller.
#[derive(Clone, Debug, clap::Args)]
pub(super) struct Remote {
    /// Address of the controller's HTTP interface, as host:port.
    #[arg(
        long,
        value_name = "ADDRESS",
        default_value = "127.0.0.1:9561",
        global = true
    )]
    api: String,
    /// Authorities of the controller, in PEM; absent, the connection is in the clear.
    #[arg(long, value_name = "FILE", global = true)]
    ca: Option<PathBuf>,
    /// Your certificates in PEM, for a controller that asks.
    #[arg(long, value_name = "FILE", global = true, requires = "key")]
    certificate: Option<PathBuf>,
    /// The key of the first of them.
    #[arg(long, value_name = "FILE", global = true, requires = "certificate")]
    key: Option<PathBuf>,
}

trait Stream: Read + Write {}

impl<T: Read + Write> Stream for T {}

impl Remote {
    /// Asks, and returns the answer.
    pub(super) fn request(
        &self,
        method: &str,
        path: &str,
        body: Option<&Value>,
    ) -> Result<Value, CtlError> {
        let answer = self.exchange(method, path, body);
        let answer = answer.map_err(|source| self.unreachable(source))?;
        let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
        let body: Value = serde_json::from_str(body).unwrap_or_default();
        if head.split(' ').nth(1) == Some("200") {
            return Ok(body);
        }
        let reason = body["error"].as_str();
        Err(CtlError::Refused(reason.unwrap_or(head).to_owned()))
    }

    /// Follows the events of the controller until `each` has seen enough, or the stream ends.
    pub(super) fn follow(
        &self,
        mut each: impl FnMut(&str, &str) -> io::Result<bool>,
    ) -> Result<(), CtlError> {
        let mut follow = || {
            // The controller says something at least every few seconds.
            let mut stream = self.connect(KEEP_ALIVE)?;
            self.send(&mut *stream, "GET", "/v1/events", None)?;
            let mut name = String::new();
            for line in BufReader::new(stream).lines() {
                let line = line?;
                if let Some(event) = line.strip_prefix("event: ") {
                    event.clone_into(&mut name);
                } else if let Some(data) = line.strip_prefix("data: ")
                    && !each(&name, data)?
                {
                    break;
                }
            }
            Ok(())
        };
        follow().map_err(|source| self.unreachable(source))
    }

    fn unreachable(&self, source: io::Error) -> CtlError {
        CtlError::Api {
            address: self.api.clone(),
            source,
        }
    }

    fn exchange(&self, method: &str, path: &str, body: Option<&Value>) -> io::Result<String> {
        let mut stream = self.connect(TIMEOUT)?;
        self.send(&mut *stream, method, path, body)?;
        let mut answer = Vec::new();
        match stream.read_to_end(&mut answer) {
            // A server that closes without a farewell has said everything that it wanted to.
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof && !answer.is_empty() => {}
            read => {
                read?;
            }
        }
        String::from_utf8(answer).map_err(io::Error::other)
    }

    fn send(
        &self,
        stream: &mut dyn Stream,
        method: &str,
        path: &str,
        body: Option<&Value>,
    ) -> io::Result<()> {
        let body = body.map(Value::to_string).unwrap_or_default();
        let (api, length) = (&self.api, body.len());
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: {api}\r\nContent-Length: {length}\r\n\
             Connection: close\r\n\r\n{body}"
        );
        stream.write_all(request.as_bytes())?;
        stream.flush()
    }

    fn connect(&self, timeout: Duration) -> io::Result<Box<dyn Stream>> {
        let none = || io::Error::from(io::ErrorKind::AddrNotAvailable);
        let address = self.api.to_socket_addrs()?.next().ok_or_else(none)?;
        let stream = TcpStream::connect_timeout(&address, TIMEOUT)?;
        stream.set_read_timeout(Some(timeout))?;
        let Some(ca) = &self.ca else {
            return Ok(Box::new(stream));
        };
        let config = self.tls(ca)?;
        let host = self
            .api
            .rsplit_once(':')
            .map_or(&*self.api, |(host, _)| host);
        let host = host.trim_matches(['[', ']']).to_owned();
        let name = ServerName::try_from(host).map_err(io::Error::other)?;
        let session = ClientConnection::new(Arc::new(config), name).map_err(io::Error::other)?;
        Ok(Box::new(StreamOwned::new(session, stream)))
    }

    fn tls(&self, ca: &Path) -> io::Result<ClientConfig> {
        let mut roots = RootCertStore::empty();
        for root in certificates(ca)? {
            roots.add(root).map_err(io::Error::other)?;
        }
        let builder = ClientConfig::builder_with_provider(Arc::new(default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(io::Error::other)?
            .with_root_certificates(roots);
        let Some((certificate, key)) = self.certificate.as_ref().zip(self.key.as_ref()) else {
            return Ok(builder.with_no_client_auth());
        };
        let key = PrivateKeyDer::from_pem_slice(&fs::read(key)?).map_err(io::Error::other)?;
        let config = builder.with_client_auth_cert(certificates(certificate)?, key);
        config.map_err(io::Error::other)
    }
}

fn certificates(path: &Path) -> io::Result<Vec<CertificateDer<'static>>> {
    let octets = fs::read(path)
        .map_err(|error| io::Error::new(error.kind(), format!("{}: {error}", path.display())))?;
    let read = CertificateDer::pem_slice_iter(&octets);
    read.collect::<Result<_, rustls::pki_types::pem::Error>>()
        .map_err(io::Error::other)
}

/// The stream of events has a comment every fifteen seconds.
const KEEP_ALIVE: Duration = Duration::from_secs(40);
