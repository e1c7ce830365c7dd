// SPDX-License-Identifier: Apache-2.0 OR MIT
//! How a connection to a switch is protected.

use std::fmt;

use tonic::transport::{Certificate, ClientTlsConfig, Identity};

/// Certificates of a connection, in PEM.
#[derive(Clone)]
pub struct Tls {
    /// Authorities of switches: one without a certificate of them is not spoken to.
    pub authority: Vec<u8>,
    /// The caller's own certificates, and the key of the first, for switches that ask.
    pub identity: Option<(Vec<u8>, Vec<u8>)>,
    /// The name in the certificate of the switch; that in its address if unset.
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

impl Tls {
    pub(super) fn config(&self) -> ClientTlsConfig {
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
