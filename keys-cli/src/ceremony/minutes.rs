//! The record of a ceremony, as far as the ceremony itself reads it again: what it is about, and which steps are done.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use super::CeremonyError;
use crate::{
    error::Error,
    record::{self, Record},
};

/// What the line begins with that says up to which block the contract's events are in the record.
pub(super) const BLOCK: &str = "block";

/// Something that a ceremony is about, with its name.
pub(super) type Line = (&'static str, String);

/// How a step ended, and when.
#[derive(Clone, Debug)]
pub(super) struct Ending {
    pub(super) skipped: bool,
    pub(super) at: String,
}

/// A record that is open.
#[derive(Debug)]
pub(super) struct Minutes {
    name: &'static str,
    path: PathBuf,
    record: Record,
    begun: BTreeMap<String, String>,
    endings: BTreeMap<String, Ending>,
    /// Whether it came to its end.
    pub(super) has_ended: bool,
    /// The last block whose events of the contract are in the record.
    pub(super) block: Option<u64>,
}

impl Minutes {
    /// Opens a record, and reads what is there of a ceremony of this name. Without writing, nothing that is added is
    /// written.
    pub(super) fn open(path: &Path, name: &'static str, writes: bool) -> Result<Self, Error> {
        let mut record = Record::open(Some(path).filter(|_| writes))?;
        record.lock()?;
        let mut minutes = Self {
            name,
            path: path.to_owned(),
            record,
            begun: BTreeMap::new(),
            endings: BTreeMap::new(),
            has_ended: false,
            block: None,
        };
        if writes || path.exists() {
            record::read(path)?.iter().try_for_each(|entry| minutes.read(entry))?;
        }
        Ok(minutes)
    }

    fn read(&mut self, entry: &record::Entry) -> Result<(), CeremonyError> {
        let Some(what) = entry.what.strip_prefix("ceremony ") else { return Ok(()) };
        let Some(what) = what.strip_prefix(self.name).and_then(|rest| rest.strip_prefix(' ')) else {
            return Err(CeremonyError::OtherCeremony { record: self.path.clone(), what: what.to_owned() });
        };
        let block =
            entry.words.iter().filter_map(|line| line.strip_prefix(BLOCK)?.trim_start().parse().ok()).next_back();
        self.block = block.or(self.block);
        if what == "begun" {
            let pairs = entry.words.iter().filter_map(|line| line.split_once("  "));
            self.begun = pairs.map(|(label, value)| (label.to_owned(), value.trim_start().to_owned())).collect();
        } else if what == "at its end" {
            self.has_ended = true;
        } else if let Some((id, how)) = what.strip_prefix("step ").and_then(|rest| rest.split_once(' '))
            && matches!(how, "done" | "skipped")
        {
            self.endings.insert(id.to_owned(), Ending { skipped: how == "skipped", at: entry.at.clone() });
        }
        Ok(())
    }

    /// Whether the record holds a ceremony that is under way, or at its end.
    pub(super) fn has_begun(&self) -> bool {
        !self.begun.is_empty()
    }

    /// A value that was written down at the beginning.
    pub(super) fn value(&self, label: &str) -> Option<&str> {
        self.begun.get(label).map(String::as_str)
    }

    /// How a step ended, if it did.
    pub(super) fn ending(&self, id: &str) -> Option<&Ending> {
        self.endings.get(id)
    }

    /// Refuses a record of a ceremony that is about something else.
    pub(super) fn check_subject(&self, subject: &[Line]) -> Result<(), CeremonyError> {
        for (label, here) in subject {
            let there = self.value(label).unwrap_or("nothing");
            if there != here {
                let (label, there, here) = ((*label).to_owned(), there.to_owned(), here.clone());
                return Err(CeremonyError::OtherSubject { record: self.path.clone(), label, there, here });
            }
        }
        Ok(())
    }

    /// Writes down that it begins.
    pub(super) fn begin(&mut self, lines: &[Line]) -> Result<(), Error> {
        let words: Vec<String> = lines.iter().map(|(label, value)| format!("{label:<14}  {value}")).collect();
        self.add("begun", &words.join("\n"))?;
        self.begun = lines.iter().map(|(label, value)| ((*label).to_owned(), value.clone())).collect();
        Ok(())
    }

    /// Writes down how a step ended.
    pub(super) fn end_step(&mut self, id: &str, skipped: bool, words: &str) -> Result<(), Error> {
        let at = self.add(&format!("step {id} {}", if skipped { "skipped" } else { "done" }), words)?;
        self.endings.insert(id.to_owned(), Ending { skipped, at });
        Ok(())
    }

    /// Writes down something else. Answers when.
    pub(super) fn add(&mut self, what: &str, words: &str) -> Result<String, Error> {
        Ok(self.record.add(&format!("ceremony {} {what}", self.name), words)?)
    }
}
