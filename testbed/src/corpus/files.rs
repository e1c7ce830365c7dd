// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The files of the corpus, and what they include.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, ensure};

/// Folders of p4c's declaration files that programs include from without naming them.
const INCLUDE_FOLDERS: &[&str] = &["", "bmv2", "dpdk", "tc"];

/// Declarations that the front end has of its own.
const BUILTIN: &[&str] = &["core.p4", "v1model.p4"];

/// p4c's test data.
pub(crate) struct Corpus {
    testdata: PathBuf,
    include: PathBuf,
}

/// A program of the corpus.
pub(crate) struct Program {
    /// Path in its set.
    pub(crate) name: String,
    pub(crate) path: PathBuf,
    pub(crate) text: String,
}

impl Corpus {
    pub(crate) fn open(testdata: &Path, include: Option<&Path>) -> anyhow::Result<Self> {
        let samples = testdata.join("p4_16_samples");
        ensure!(
            samples.is_dir(),
            "{} is not p4c's test data: there is no folder p4_16_samples",
            testdata.display()
        );
        let beside = testdata
            .parent()
            .unwrap_or(Path::new(".."))
            .join("p4include");
        let include = include.map_or(beside, Path::to_path_buf);
        ensure!(include.is_dir(), "there is no folder {}", include.display());
        Ok(Self {
            testdata: testdata.to_path_buf(),
            include,
        })
    }

    /// All programs of a set, in order of their names.
    pub(crate) fn programs(&self, set: &str) -> anyhow::Result<Vec<Program>> {
        let root = self.testdata.join(set);
        let mut paths = Vec::new();
        collect(&root, &mut paths)?;
        paths.sort();
        let mut programs = Vec::new();
        for path in paths {
            let name = path
                .strip_prefix(&root)
                .unwrap_or(&path)
                .display()
                .to_string();
            // Some are links to files of other folders, which may be absent.
            let Ok(bytes) = fs::read(&path) else { continue };
            let text = String::from_utf8_lossy(&bytes).into_owned();
            programs.push(Program { name, path, text });
        }
        Ok(programs)
    }

    /// A file of the test data, if it is there.
    pub(crate) fn file(&self, path: &str) -> Option<String> {
        fs::read_to_string(self.testdata.join(path)).ok()
    }

    /// Runs a part with a program as the front end reads it.
    pub(crate) fn with_source<T>(
        &self,
        program: &Program,
        part: impl FnOnce(&p4::Source<'_>) -> T,
    ) -> T {
        let own = program.path.parent().unwrap_or(Path::new("."));
        let include = |wanted: &str, from: &str| {
            let mut folders = vec![
                Path::new(from)
                    .parent()
                    .unwrap_or(Path::new("."))
                    .to_path_buf(),
                own.to_path_buf(),
            ];
            if !BUILTIN.contains(&wanted) {
                folders.extend(
                    INCLUDE_FOLDERS
                        .iter()
                        .map(|folder| self.include.join(folder)),
                );
            }
            folders.iter().find_map(|folder| {
                let path = folder.join(wanted);
                let bytes = fs::read(&path).ok()?;
                let text = String::from_utf8_lossy(&bytes).into_owned();
                Some((path.display().to_string(), text))
            })
        };
        part(&p4::Source {
            name: &program.path.display().to_string(),
            text: &program.text,
            defines: &[],
            include: &include,
        })
    }
}

impl Program {
    /// Whether it is written for v1model.
    pub(crate) fn is_v1model(&self) -> bool {
        self.text
            .lines()
            .any(|line| line.trim_start().starts_with("#include") && line.contains("v1model.p4"))
    }
}

/// The programs in a folder and below.
fn collect(folder: &Path, paths: &mut Vec<PathBuf>) -> anyhow::Result<()> {
    let entries = fs::read_dir(folder)
        .with_context(|| format!("cannot read the folder {}", folder.display()))?;
    for entry in entries {
        let path = entry.context("cannot read a folder")?.path();
        if path.is_dir() {
            // What is in such a folder is part of other programs.
            if path.file_name().is_none_or(|name| name != "include") {
                collect(&path, paths)?;
            }
        } else if path.extension().is_some_and(|extension| extension == "p4") {
            paths.push(path);
        }
    }
    Ok(())
}
