// SPDX-License-Identifier: Apache-2.0 OR MIT
//! How a connection to a switch, or to another server of the control plane, is protected.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use tonic::transport::{Certificate, ClientTlsConfig, Endpoint, Identity};

/// Certificates of a connection, in PEM.
#[derive(Clone)]
pub struct Tls {
    /// Authorities of servers: one without a certificate of them is not spoken to.
    pub authority: Vec<u8>,
    /// The caller's own certificates, and the key of the first, for servers that ask.
    pub identity: Option<(Vec<u8>, Vec<u8>)>,
    /// The name in the certificate of the server; that in its address if unset.
    pub name: Option<String>,
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The key is nobody's business.
        f.debug_struct("Tls")
            .field("identity", &self.identity.is_some())
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

/// Certificates that are renewed while a program runs: each new connection has the newest. Clones are
/// the same.
#[derive(Clone, Debug)]
pub struct Renewable(Arc<Mutex<Tls>>);

impl Renewable {
    /// Connects with others from now on. Connections that there are stay.
    pub fn replace(&self, tls: Tls) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = tls;
    }

    /// Those for a new connection.
    #[must_use]
    pub fn newest(&self) -> Tls {
        let tls = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        tls.clone()
    }
}

impl From<Tls> for Renewable {
    fn from(tls: Tls) -> Self {
        Self(Arc::new(Mutex::new(tls)))
    }
}

impl Tls {
    /// Whether a connection can be made with them.
    ///
    /// # Errors
    /// They are not in PEM, or key and certificate do not fit.
    pub fn check(&self) -> Result<(), tonic::transport::Error> {
        let endpoint = Endpoint::from_static("https://localhost");
        endpoint.tls_config(self.config()).map(|_| ())
    }

    /// The same for tonic.
    #[must_use]
    pub fn config(&self) -> ClientTlsConfig {
        let authority = Certificate::from_pem(&self.authority);
        let mut config = ClientTlsConfig::new().ca_certificate(authority);
        if let Some((certificate, key)) = &self.identity {
            config = config.identity(Identity::from_pem(certificate, key));
        }
        match &self.name {
            Some(name) => config.domain_name(name),
            None => config,
        }
    }
}
