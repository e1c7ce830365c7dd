// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Everything that the controller reads from files before it starts.

use std::{
    fmt, fs, io,
    path::{Path, PathBuf},
    sync::Arc,
};

use contact::{
    Confidence, ContactGraph, GraphOptions, NodeNumber, Plan, Span, UtcTime, hdtn, ionrc, tvgutil,
};
use control::orders::Intent;
use p4rt::{
    client::{Pipeline, Tls},
    entries::EntriesFile,
    p4info::{Index, IndexError},
    text::TextError,
};

use crate::{
    config::{self, Config, Contacts, Misconfiguration, PlanFormat, Switch},
    etcd::EtcdError,
    intent::{self, Misfit},
    keychain::Ring,
    schedule::Network,
    state::{State, StateError},
    tls::CertificateError,
};

/// Everything that the configuration names.
#[derive(Clone, Debug)]
pub struct Site {
    /// The configuration.
    pub config: Config,
    /// The switches, in the order of the configuration.
    pub switches: Vec<SwitchPlan>,
    /// The contact plan, if there is one.
    pub network: Option<Arc<Network>>,
    /// What survives the program, if the configuration has a file for it.
    pub state: Option<State>,
}

/// A switch with its program and the entries that it should hold.
#[derive(Clone, Debug)]
pub struct SwitchPlan {
    /// Its part of the configuration.
    pub switch: Switch,
    /// Certificates for its connection.
    pub tls: Option<Tls>,
    /// The program.
    pub pipeline: Pipeline,
    /// The names of the program.
    pub index: Arc<Index>,
    /// What it should hold.
    pub intent: Intent,
}

/// Why the controller cannot start.
#[derive(Debug, thiserror::Error)]
pub enum PlanError {
    /// A file cannot be read.
    #[error("cannot read {}", .path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The configuration is not of its form.
    #[error("{} is not a configuration", .path.display())]
    Config {
        /// The file.
        path: PathBuf,
        /// Where and why.
        #[source]
        source: Box<toml::de::Error>,
    },
    /// The configuration contradicts itself.
    #[error("the configuration cannot work:{}", lines(.0))]
    Misconfigured(Vec<Misconfiguration>),
    /// A P4Info is not of its form.
    #[error("{} is not a P4Info", .path.display())]
    P4Info {
        /// The file.
        path: PathBuf,
        /// Where and why.
        #[source]
        source: TextError,
    },
    /// A P4Info contradicts itself.
    #[error("{} cannot be used", .path.display())]
    Index {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: IndexError,
    },
    /// An entries file is not of its form.
    #[error("{}", .path.display())]
    Entries {
        /// The file.
        path: PathBuf,
        /// Where and why.
        #[source]
        source: p4rt::entries::ParseError,
    },
    /// A contact plan is not of its form.
    #[error("{} is not a contact plan:{}", .path.display(), lines(.faults))]
    Contacts {
        /// The file.
        path: PathBuf,
        /// Where and why.
        faults: Vec<String>,
    },
    /// What survives the program cannot be used.
    #[error(transparent)]
    State(#[from] StateError),
    /// The etcd of the cluster cannot be used.
    #[error("cannot use the etcd of the cluster")]
    Etcd(#[from] EtcdError),
    /// A certificate or a key cannot be used.
    #[error("cannot use the certificates of {part}")]
    Certificates {
        /// The part of the configuration.
        part: String,
        /// Why.
        #[source]
        source: CertificateError,
    },
    /// Entries or peers do not fit the program.
    #[error("switch {switch:?} cannot be programmed:{}", lines(.misfits))]
    Misfits {
        /// Name of the switch.
        switch: String,
        /// Everything that does not fit.
        misfits: Vec<Misfit>,
    },
}

impl Site {
    /// Whether another site has the same switches with the same programs, so that a controller
    /// can go over to it without a restart. Names the first switch that differs.
    ///
    /// # Errors
    /// What differs, for people.
    pub fn check_same_switches(&self, other: &Self) -> Result<(), String> {
        if self.switches.len() != other.switches.len() {
            return Err("the number of switches has changed; restart the controller".to_owned());
        }
        let same = |(one, other): &(&SwitchPlan, &SwitchPlan)| {
            let key = |plan: &SwitchPlan| {
                let Switch {
                    name,
                    address,
                    device_id,
                    election_id,
                    target,
                    ports,
                    max_macs,
                    ..
                } = plan.switch.clone();
                let connection = (address, device_id, election_id, target);
                (name, connection, ports, max_macs, plan.pipeline.cookie().0)
            };
            key(one) == key(other)
        };
        let mut pairs = self.switches.iter().zip(&other.switches);
        match pairs.find(|pair| !same(pair)) {
            None => Ok(()),
            Some((plan, _)) => Err(format!(
                "switch {:?} or its program has changed; restart the controller",
                plan.switch.name
            )),
        }
    }
}

/// Reads the configuration and all files that it names, and checks them.
///
/// # Errors
/// Says what cannot be read or cannot work; see [`PlanError`].
pub fn load(path: &Path, now: UtcTime) -> Result<Site, PlanError> {
    let text = read_text(path)?;
    let config = Config::parse(&text).map_err(|source| PlanError::Config {
        path: path.to_owned(),
        source,
    })?;
    let found = config.misconfigurations();
    if !found.is_empty() {
        return Err(PlanError::Misconfigured(found));
    }
    let folder = path.parent().unwrap_or(Path::new(""));
    let network = match &config.contacts {
        Some(contacts) => Some(Arc::new(load_network(contacts, &config, folder, now)?)),
        None => None,
    };
    let switches = config
        .switches
        .iter()
        .map(|switch| load_switch(switch, &config, network.as_deref(), folder))
        .collect::<Result<_, _>>()?;
    let state = config.state.as_ref();
    let state = state.map(|state| State::open(&folder.join(&state.path)));
    Ok(Site {
        config,
        switches,
        network,
        state: state.transpose()?,
    })
}

/// Whether all certificates that a site names can be used. Paths are relative to the folder.
///
/// # Errors
/// Says which cannot.
pub fn check_certificates(site: &Site, folder: &Path) -> Result<(), PlanError> {
    Ring::read(site, folder).map(|_| ())
}

fn load_switch(
    switch: &Switch,
    config: &Config,
    network: Option<&Network>,
    folder: &Path,
) -> Result<SwitchPlan, PlanError> {
    let path = folder.join(&switch.p4info);
    let p4info = p4rt::text::parse(&read_text(&path)?).map_err(|source| PlanError::P4Info {
        path: path.clone(),
        source,
    })?;
    let index = Index::new(&p4info).map_err(|source| PlanError::Index { path, source })?;
    let path = folder.join(&switch.device_config);
    let device_config = read(&path)?;
    let mut files = Vec::new();
    for name in &switch.entries {
        let path = folder.join(name);
        let file = EntriesFile::parse(&read_text(&path)?)
            .map_err(|source| PlanError::Entries { path, source })?;
        files.push((name.display().to_string(), file));
    }
    let misfits = |misfits| PlanError::Misfits {
        switch: switch.name.clone(),
        misfits,
    };
    let mut intent = intent::compute(switch, config, &files, &index).map_err(misfits)?;
    let node = network.and_then(|network| Some((network, network.node_of(&switch.name)?)));
    if let Some((network, node)) = node {
        let added = network.add_to(&mut intent, node, &index);
        added.map_err(|misfit| misfits(vec![misfit]))?;
    }
    let pipeline = Pipeline {
        p4info,
        device_config,
    };
    let tls = switch.tls.as_ref();
    Ok(SwitchPlan {
        switch: switch.clone(),
        tls: tls.map(|tls| load_tls(tls, folder)).transpose()?,
        pipeline,
        index: Arc::new(index),
        intent,
    })
}

fn load_network(
    contacts: &Contacts,
    config: &Config,
    folder: &Path,
    now: UtcTime,
) -> Result<Network, PlanError> {
    let path = folder.join(&contacts.plan);
    let text = read_text(&path)?;
    let plan = import(contacts, &text, now);
    let plan = plan.map_err(|faults| PlanError::Contacts { path, faults })?;
    let ms = |ms: u32| Span::from_micros(u64::from(ms) * 1000);
    let options = GraphOptions {
        default_light_time: contacts.default_light_time_ms.map(ms),
        margin_ppm: contacts.margin_ppm,
        least_confidence: contacts.least_confidence.and_then(Confidence::new),
    };
    Ok(Network {
        version: now.micros() / 1000,
        graph: ContactGraph::new(&plan, &options),
        options,
        plan,
        nodes: config.nodes.clone(),
        links: config.links.clone(),
        bundle_octets: contacts.bundle_octets,
        guard: ms(contacts.guard_ms),
        taken: None,
    })
}

/// Reads a contact plan in any of the forms.
fn import(contacts: &Contacts, text: &str, now: UtcTime) -> Result<Plan, Vec<String>> {
    let origin = contacts.origin.map_or(now, |origin| origin.0);
    match contacts.format {
        PlanFormat::Ion => ionrc::import(text, origin).map_err(|faults| texts(&faults)),
        PlanFormat::Hdtn => {
            let options = hdtn::Options {
                origin,
                default_light_time: None,
            };
            hdtn::import(text, &options).map_err(|faults| texts(&faults))
        }
        PlanFormat::TvgUtil => {
            let options = tvgutil::Options {
                origin,
                known_at: None,
            };
            let number = |name: &str| {
                let known = contacts.names.get(name).copied();
                known.or_else(|| name.parse().ok()).map(NodeNumber)
            };
            tvgutil::import(text, &options, number).map_err(|faults| texts(&faults))
        }
    }
}

/// Errors with what they come from.
fn texts<E: std::error::Error>(errors: &[E]) -> Vec<String> {
    let text = |error: &E| {
        let mut text = error.to_string();
        let mut source = error.source();
        while let Some(inner) = source {
            text = format!("{text}: {inner}");
            source = inner.source();
        }
        text
    };
    errors.iter().map(text).collect()
}

/// The certificates of a server, in PEM.
///
/// # Errors
/// A file cannot be read.
pub(crate) fn load_server_tls(
    tls: &config::ServerTls,
    folder: &Path,
) -> Result<crate::tls::Files, PlanError> {
    let clients = tls.clients.as_ref();
    Ok(crate::tls::Files {
        certificate: read(&folder.join(&tls.certificate))?,
        key: read(&folder.join(&tls.key))?,
        clients: clients.map(|path| read(&folder.join(path))).transpose()?,
    })
}

/// The certificates for a connection, in PEM.
///
/// # Errors
/// A file cannot be read.
pub(crate) fn load_tls(tls: &config::Tls, folder: &Path) -> Result<Tls, PlanError> {
    let pair = tls.certificate.as_ref().zip(tls.key.as_ref());
    let pair = pair.map(|(certificate, key)| {
        Ok::<_, PlanError>((read(&folder.join(certificate))?, read(&folder.join(key))?))
    });
    Ok(Tls {
        authority: read(&folder.join(&tls.ca))?,
        identity: pair.transpose()?,
        name: tls.name.clone(),
    })
}

fn read(path: &Path) -> Result<Vec<u8>, PlanError> {
    fs::read(path).map_err(|source| PlanError::File {
        path: path.to_owned(),
        source,
    })
}

fn read_text(path: &Path) -> Result<String, PlanError> {
    fs::read_to_string(path).map_err(|source| PlanError::File {
        path: path.to_owned(),
        source,
    })
}

fn lines<T: fmt::Display>(items: &[T]) -> String {
    items.iter().fold(String::new(), |text, item| {
        text + "\n  " + &item.to_string()
    })
}
