// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The certificates with which the local controller connects. They are read again when the program is
//! told to, and connections that there are stay.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use p4rt::client::{Renewable, Tls};
use tokio::signal::unix::Signal;
use tokio::task::spawn_blocking;
use tokio_util::sync::CancellationToken;
use tracing::{error, info};

use crate::config::{self, Controller};
use crate::setup::beside;

/// Certificates, and the files that they are in.
#[derive(Debug)]
pub(crate) struct Certificates {
    controller: Option<Place>,
    switch: Option<Place>,
}

/// The certificates of one connection.
#[derive(Clone, Debug)]
struct Place {
    files: config::Tls,
    /// Its files are relative to this one.
    beside: PathBuf,
    newest: Renewable,
}

impl Certificates {
    /// Reads the files that a configuration names.
    pub(crate) fn read(config: &Controller, file: &Path) -> anyhow::Result<Self> {
        let place = |files: &Option<config::Tls>| {
            let place = files.as_ref().map(|files| Place::read(files, file));
            place.transpose()
        };
        Ok(Self {
            controller: place(&config.tls)?,
            switch: place(&config.switch_tls)?,
        })
    }

    /// For the cluster controller.
    pub(super) fn controller(&self) -> Option<Renewable> {
        self.controller.as_ref().map(|place| place.newest.clone())
    }

    /// For the switch.
    pub(super) fn switch(&self) -> Option<Renewable> {
        self.switch.as_ref().map(|place| place.newest.clone())
    }

    /// Reads all of them again at each SIGHUP, until `stop`. Those that cannot be used change nothing.
    pub(crate) async fn follow(
        self,
        mut hangups: Signal,
        stop: CancellationToken,
    ) -> io::Result<()> {
        loop {
            tokio::select! {
                () = stop.cancelled() => return Ok(()),
                Some(()) = hangups.recv() => {}
            }
            let places = [self.controller.clone(), self.switch.clone()];
            let read = spawn_blocking(move || {
                let places = places.into_iter().flatten();
                let read = places.map(|place| Ok((place.files()?, place.newest)));
                read.collect::<anyhow::Result<Vec<_>>>()
            });
            match read.await.map_err(anyhow::Error::new).flatten() {
                Ok(read) => {
                    for (tls, newest) in read {
                        newest.replace(tls);
                    }
                    info!("certificates are read again");
                }
                Err(error) => error!("the certificates stay as they were: {error:#}"),
            }
        }
    }
}

impl Place {
    fn read(files: &config::Tls, beside: &Path) -> anyhow::Result<Self> {
        let tls = read(files, beside)?;
        Ok(Self {
            files: files.clone(),
            beside: beside.to_owned(),
            newest: tls.into(),
        })
    }

    fn files(&self) -> anyhow::Result<Tls> {
        read(&self.files, &self.beside)
    }
}

fn read(tls: &config::Tls, file: &Path) -> anyhow::Result<Tls> {
    let read = |path: &PathBuf| {
        let path = beside(file, path);
        fs::read(&path).with_context(|| format!("cannot read {}", path.display()))
    };
    let pair = tls.certificate.as_ref().zip(tls.key.as_ref());
    anyhow::ensure!(
        pair.is_some() || (tls.certificate.is_none() && tls.key.is_none()),
        "tls needs both certificate and key, or neither"
    );
    let identity = pair.map(|(certificate, key)| anyhow::Ok((read(certificate)?, read(key)?)));
    let tls = Tls {
        authority: read(&tls.ca)?,
        identity: identity.transpose()?,
        name: tls.name.clone(),
    };
    tls.check().context("the certificates cannot be used")?;
    Ok(tls)
}
