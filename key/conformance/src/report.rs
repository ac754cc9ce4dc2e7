//! What was found, for people and as JSON.

use std::{collections::BTreeMap, fmt, fs, io, path::Path};

use comfy_table::{ContentArrangement, Table, presets::ASCII_MARKDOWN};
use serde::Serialize;

/// How a way to hold a key did.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Status {
    Passed,
    /// Against the real thing, or against what stands in for it.
    Failed,
    /// Not against the real thing. What the checks found, if there are any, was found against a stand-in.
    NotRun,
}

/// What became of one check.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Outcome {
    Passed,
    Failed(String),
    /// There is no such thing there.
    DoesNotApply,
}

/// One way to hold a key.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Entry {
    pub(crate) status: Status,
    /// What stood behind it; or why it was not run.
    pub(crate) real: String,
    /// A signature, from asking to the answer, in milliseconds.
    pub(crate) p50_ms: Option<f64>,
    pub(crate) p99_ms: Option<f64>,
    pub(crate) checks: BTreeMap<&'static str, Outcome>,
}

impl Entry {
    pub(crate) fn not_run(why: &str) -> Self {
        let (p50_ms, p99_ms, checks) = (None, None, BTreeMap::new());
        Self { status: Status::NotRun, real: why.to_owned(), p50_ms, p99_ms, checks }
    }
}

/// All of them.
#[derive(Debug, Default)]
pub(crate) struct Report(Vec<(&'static str, Entry)>);

impl Report {
    pub(crate) fn add(&mut self, name: &'static str, entry: Entry) {
        self.0.push((name, entry));
    }

    /// Whether nothing failed.
    pub(crate) fn is_good(&self) -> bool {
        self.0.iter().all(|(_, entry)| entry.status != Status::Failed)
    }

    pub(crate) fn write(&self, path: &Path) -> io::Result<()> {
        let entries: BTreeMap<_, _> = self.0.iter().map(|(name, entry)| (name, entry)).collect();
        fs::write(path, serde_json::to_vec_pretty(&entries)?)
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut table = Table::new();
        table.load_style(ASCII_MARKDOWN).set_content_arrangement(ContentArrangement::Disabled);
        table.set_header(["key", "", "p50, ms", "p99, ms", "checks passed", "what was real"]);
        let time = |time: Option<f64>| time.map(|time| format!("{time:.2}")).unwrap_or_default();
        for (name, entry) in &self.0 {
            let status = match entry.status {
                Status::Passed => "passed",
                Status::Failed => "FAILED",
                Status::NotRun => "not run",
            };
            let passed = entry.checks.values().filter(|outcome| **outcome == Outcome::Passed).count();
            let passed = if entry.checks.is_empty() { String::new() } else { passed.to_string() };
            table.add_row([
                (*name).to_owned(),
                status.to_owned(),
                time(entry.p50_ms),
                time(entry.p99_ms),
                passed,
                entry.real.clone(),
            ]);
        }
        writeln!(f, "{table}")?;
        for (name, entry) in &self.0 {
            for (check, outcome) in &entry.checks {
                match outcome {
                    Outcome::Failed(why) => writeln!(f, "{name}: {check}: FAILED: {why}")?,
                    Outcome::DoesNotApply => writeln!(f, "{name}: {check}: there is no such thing")?,
                    Outcome::Passed => {}
                }
            }
        }
        Ok(())
    }
}
