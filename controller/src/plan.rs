// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Everything that the controller reads from files before it starts.

use std::{
    fmt, fs, io,
    path::{Path, PathBuf},
    sync::Arc,
};

use p4rt::{
    client::Pipeline,
    entries::EntriesFile,
    p4info::{Index, IndexError},
    text::TextError,
};

use crate::{
    config::{Config, Misconfiguration, Switch},
    intent::{Intent, Misfit},
};

/// A switch with its program and the entries that it should hold.
#[derive(Clone, Debug)]
pub struct SwitchPlan {
    /// Its part of the configuration.
    pub switch: Switch,
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
    /// Entries or peers do not fit the program.
    #[error("switch {switch:?} cannot be programmed:{}", lines(.misfits))]
    Misfits {
        /// Name of the switch.
        switch: String,
        /// Everything that does not fit.
        misfits: Vec<Misfit>,
    },
}

/// Reads the configuration and all files that it names, and checks them.
///
/// # Errors
/// Says what cannot be read or cannot work; see [`PlanError`].
pub fn load(path: &Path) -> Result<Vec<SwitchPlan>, PlanError> {
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
    config
        .switches
        .iter()
        .map(|switch| load_switch(switch, &config, folder))
        .collect()
}

fn load_switch(switch: &Switch, config: &Config, folder: &Path) -> Result<SwitchPlan, PlanError> {
    let path = folder.join(&switch.p4info);
    let p4info = p4rt::text::parse(&read_text(&path)?).map_err(|source| PlanError::P4Info {
        path: path.clone(),
        source,
    })?;
    let index = Index::new(&p4info).map_err(|source| PlanError::Index { path, source })?;
    let path = folder.join(&switch.device_config);
    let device_config = fs::read(&path).map_err(|source| PlanError::File {
        path: path.clone(),
        source,
    })?;
    let mut files = Vec::new();
    for name in &switch.entries {
        let path = folder.join(name);
        let file = EntriesFile::parse(&read_text(&path)?)
            .map_err(|source| PlanError::Entries { path, source })?;
        files.push((name.display().to_string(), file));
    }
    let intent =
        Intent::new(switch, config, &files, &index).map_err(|misfits| PlanError::Misfits {
            switch: switch.name.clone(),
            misfits,
        })?;
    let pipeline = Pipeline {
        p4info,
        device_config,
    };
    Ok(SwitchPlan {
        switch: switch.clone(),
        pipeline,
        index: Arc::new(index),
        intent,
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
