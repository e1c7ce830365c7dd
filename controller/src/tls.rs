// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Certificates of the servers, and connections to them with or without these.

use std::{
    fmt, io,
    net::SocketAddr,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll},
    time::Duration,
};

use axum::{extract::connect_info::Connected, serve::IncomingStream};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{TcpListener, TcpStream},
    sync::mpsc,
    task::JoinSet,
    time::{sleep, timeout},
};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{
        self, RootCertStore, ServerConfig,
        crypto::ring::default_provider,
        pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
        server::{VerifierBuilderError, WebPkiClientVerifier},
    },
};
use tonic::transport::server;
use tracing::{debug, warn};

use crate::subject::subject;

/// Files of a server, in PEM.
#[derive(Clone)]
pub(crate) struct Files {
    pub(crate) certificate: Vec<u8>,
    pub(crate) key: Vec<u8>,
    pub(crate) clients: Option<Vec<u8>>,
}

impl fmt::Debug for Files {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The key is nobody's business.
        f.debug_struct("Files")
            .field("clients", &self.clients.is_some())
            .finish_non_exhaustive()
    }
}

/// Why certificates cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum CertificateError {
    /// A file is not of its form.
    #[error("a file is not in PEM")]
    Pem(#[from] rustls::pki_types::pem::Error),
    /// Certificate and key do not fit.
    #[error(transparent)]
    Tls(#[from] rustls::Error),
    /// There is no authority of clients.
    #[error(transparent)]
    Clients(#[from] VerifierBuilderError),
    /// No connection can be made with them.
    #[error(transparent)]
    Connection(#[from] tonic::transport::Error),
}

impl Files {
    /// For connections that speak one of these protocols, or what they like if there are none.
    pub(crate) fn acceptor(
        &self,
        anonymous: bool,
        protocols: &[&[u8]],
    ) -> Result<TlsAcceptor, CertificateError> {
        let provider = Arc::new(default_provider());
        let certificates = CertificateDer::pem_slice_iter(&self.certificate);
        let certificates = certificates.collect::<Result<Vec<_>, _>>()?;
        let key = PrivateKeyDer::from_pem_slice(&self.key)?;
        let builder = ServerConfig::builder_with_provider(provider.clone())
            .with_safe_default_protocol_versions()?;
        let builder = match &self.clients {
            None => builder.with_no_client_auth(),
            Some(clients) => {
                let mut roots = RootCertStore::empty();
                for root in CertificateDer::pem_slice_iter(clients) {
                    roots.add(root?)?;
                }
                let verifier =
                    WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
                let verifier = if anonymous {
                    verifier.allow_unauthenticated()
                } else {
                    verifier
                };
                builder.with_client_cert_verifier(verifier.build()?)
            }
        };
        let mut config = builder.with_single_cert(certificates, key)?;
        config.alpn_protocols = protocols.iter().map(|name| name.to_vec()).collect();
        Ok(TlsAcceptor::from(Arc::new(config)))
    }
}

/// Who is at the other end of a connection.
#[derive(Clone, Debug)]
pub(crate) struct Caller {
    address: SocketAddr,
    /// Whether it may write.
    pub(crate) is_operator: bool,
    /// The subject of its certificate, if it has one.
    subject: Option<Arc<str>>,
}

/// The certificates with which new connections are accepted; none is in the clear. They can be
/// replaced.
#[derive(Clone, Default)]
pub(crate) struct Keys(Arc<Mutex<Option<TlsAcceptor>>>);

impl Keys {
    /// Accepts new connections with others. Those that there are stay.
    pub(crate) fn replace(&self, acceptor: Option<TlsAcceptor>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = acceptor;
    }

    pub(crate) fn is_protected(&self) -> bool {
        self.newest().is_some()
    }

    fn newest(&self) -> Option<TlsAcceptor> {
        let acceptor = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        acceptor.clone()
    }
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keys").finish_non_exhaustive()
    }
}

impl Connected<IncomingStream<'_, Door>> for Caller {
    fn connect_info(stream: IncomingStream<'_, Door>) -> Self {
        stream.remote_addr().clone()
    }
}

/// Octets both ways.
pub(crate) trait Wire: AsyncRead + AsyncWrite + Unpin + Send {}

impl<T: AsyncRead + AsyncWrite + Unpin + Send> Wire for T {}

/// Where connections come in.
pub(crate) struct Door {
    listener: TcpListener,
    keys: Keys,
    handshakes: JoinSet<Option<(Box<dyn Wire>, Caller)>>,
}

impl Door {
    pub(crate) fn new(listener: TcpListener, keys: Keys) -> Self {
        let handshakes = JoinSet::new();
        Self {
            listener,
            keys,
            handshakes,
        }
    }
}

impl Door {
    /// Hands connections to a server of gRPC, for as long as there is one.
    pub(crate) async fn admit(mut self, guests: mpsc::Sender<io::Result<Guest>>) {
        loop {
            let (wire, _) = self.next().await;
            if guests.send(Ok(Guest(wire))).await.is_err() {
                // It ends when what it has begun is done.
                return std::future::pending().await;
            }
        }
    }

    async fn next(&mut self) -> (Box<dyn Wire>, Caller) {
        loop {
            let has_room = self.handshakes.len() < MOST_HANDSHAKES;
            tokio::select! {
                Some(done) = self.handshakes.join_next() => {
                    if let Ok(Some(connection)) = done {
                        return connection;
                    }
                }
                accepted = self.listener.accept(), if has_room => match (accepted, self.keys.newest()) {
                    (Ok((stream, address)), None) => {
                        // The configuration allows this on the loopback interface only.
                        let caller = Caller { address, is_operator: true, subject: None };
                        return (Box::new(stream), caller);
                    }
                    (Ok((stream, address)), Some(acceptor)) => {
                        self.handshakes.spawn(shake(acceptor, stream, address));
                    }
                    (Err(error), _) => {
                        warn!(%error, "no connection can be accepted");
                        sleep(ACCEPT_PAUSE).await;
                    }
                }
            }
        }
    }
}

impl axum::serve::Listener for Door {
    type Io = Box<dyn Wire>;
    type Addr = Caller;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        self.next().await
    }

    fn local_addr(&self) -> io::Result<Self::Addr> {
        let address = self.listener.local_addr()?;
        Ok(Caller {
            address,
            is_operator: false,
            subject: None,
        })
    }
}

/// A connection to a server of gRPC.
pub(crate) struct Guest(Box<dyn Wire>);

impl server::Connected for Guest {
    type ConnectInfo = ();

    fn connect_info(&self) {}
}

impl AsyncRead for Guest {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(context, buffer)
    }
}

impl AsyncWrite for Guest {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        octets: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(context, octets)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(context)
    }
}

async fn shake(
    acceptor: TlsAcceptor,
    stream: TcpStream,
    address: SocketAddr,
) -> Option<(Box<dyn Wire>, Caller)> {
    match timeout(HANDSHAKE_DEADLINE, acceptor.accept(stream)).await {
        Ok(Ok(stream)) => {
            let certificates = stream.get_ref().1.peer_certificates();
            let own = certificates.and_then(|chain| chain.first());
            let caller = Caller {
                address,
                is_operator: own.is_some(),
                subject: own.and_then(|own| Some(subject(own)?.into())),
            };
            Some((Box::new(stream), caller))
        }
        Ok(Err(error)) => {
            debug!(%address, %error, "a connection was refused");
            None
        }
        Err(_) => None,
    }
}

impl fmt::Display for Caller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.subject {
            Some(subject) => write!(f, "{subject} at {}", self.address),
            None => self.address.fmt(f),
        }
    }
}

/// Connections whose certificates are being looked at. Others wait.
const MOST_HANDSHAKES: usize = 64;
/// A caller that is slower is gone.
const HANDSHAKE_DEADLINE: Duration = Duration::from_secs(10);
/// After a failure, such as too many open files.
const ACCEPT_PAUSE: Duration = Duration::from_millis(200);
