// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Who the server is, and whom it lets in.

use tonic::transport::{Certificate, Identity, ServerTlsConfig};

/// Certificates of the server, in PEM.
#[derive(Clone)]
pub struct Tls {
    /// Its chain of certificates.
    pub certificate: Vec<u8>,
    /// The key of the first one.
    pub key: Vec<u8>,
    /// Authorities of controllers: with some, a controller without a certificate of one of them
    /// is not let in.
    pub client_ca: Option<Vec<u8>>,
}

impl std::fmt::Debug for Tls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The key is nobody's business.
        f.debug_struct("Tls")
            .field("asks_clients", &self.client_ca.is_some())
            .finish_non_exhaustive()
    }
}

impl Tls {
    pub(crate) fn config(&self) -> ServerTlsConfig {
        let identity = Identity::from_pem(&self.certificate, &self.key);
        let config = ServerTlsConfig::new().identity(identity);
        match &self.client_ca {
            Some(authorities) => config.client_ca_root(Certificate::from_pem(authorities)),
            None => config,
        }
    }
}
