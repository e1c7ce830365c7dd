// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What operators asked for, and where it is kept: in the etcd of the cluster, or in a file.

use std::{path::Path, sync::Arc, time::Duration};

use p4rt::client::Renewable;

use crate::{
    config::Config,
    etcd::Etcd,
    keychain, lease_etcd,
    overrides::Overrides,
    plan::{PlanError, Site},
    state::State,
};

/// The etcd that controllers of the cluster share, if the configuration names one.
///
/// # Errors
/// An address or a certificate cannot be used.
pub(crate) fn etcd_of(
    config: &Config,
    tls: Option<Renewable>,
) -> Result<Option<Arc<Etcd>>, PlanError> {
    let Some(lease) = &config.lease else {
        return Ok(None);
    };
    let Some(servers) = &lease.etcd else {
        return Ok(None);
    };
    // A late answer does no harm: terms count from before the question.
    let patience = (Duration::from_millis(lease.ttl_ms.into()) / 4).max(Duration::from_secs(1));
    let etcd = Etcd::new(&servers.endpoints, tls, &servers.prefix, patience)?;
    Ok(Some(Arc::new(etcd)))
}

/// The overrides of a site, as the controller keeps them.
///
/// # Errors
/// They cannot be read.
pub(crate) fn overrides(site: &Site, etcd: Option<&Etcd>) -> Result<Overrides, PlanError> {
    match etcd {
        Some(etcd) => Ok(etcd.wait(lease_etcd::overrides(etcd))?),
        None => in_file(site),
    }
}

/// The same for a program that is not the controller.
///
/// # Errors
/// They cannot be read.
pub(crate) async fn overrides_of(site: &Site, folder: &Path) -> Result<Overrides, PlanError> {
    let lease = site.config.lease.as_ref();
    let servers = lease.and_then(|lease| lease.etcd.as_ref());
    let tls = servers.and_then(|servers| servers.tls.as_ref());
    let tls = keychain::client(keychain::ETCD, tls, folder)?;
    match etcd_of(&site.config, tls.map(Renewable::from))? {
        Some(etcd) => Ok(lease_etcd::overrides(&etcd).await?),
        None => in_file(site),
    }
}

fn in_file(site: &Site) -> Result<Overrides, PlanError> {
    let kept = site.state.as_ref().map(State::overrides);
    Ok(kept.transpose()?.unwrap_or_default())
}
