//! This seat's sources of evidence.

use std::{collections::BTreeSet, fmt::Display, time::Duration};

use super::{Check, files};
use crate::{
    chain::Finality,
    config::{
        Chain, Ring,
        raw::{self, Raw, Whole, decimal},
    },
    evidence::{
        ConditionSettings, Event, EventSettings, ExpectedError, Field, Https, HttpsSettings, Literal, Method,
        Otherwise, Pace, Refills, Simulation, Source, Sources, Sql, SqlSettings,
    },
    refill::Refilling,
};

/// How many accounts are looked at at a time, and how long that may take.
const REFILLS_AT_A_TIME: usize = 2;
const REFILL_TIMEOUT: Duration = Duration::from_secs(5);
/// For how many seconds what was tried out counts, unless it is said.
const CONFIRMED_SECONDS: u64 = 60;

impl Check<'_> {
    pub(super) fn evidence(
        &mut self,
        raw: &Raw,
        chain: Option<&Chain>,
        ring: Option<&Ring>,
        refill: Option<Refilling>,
    ) -> Option<Sources> {
        let mut names = BTreeSet::new();
        let mut sources: Vec<Option<Box<dyn Source>>> = Vec::new();
        for (index, sql) in raw.evidence.sql.iter().enumerate() {
            let entry = Entry::new("sql", index);
            self.source_name(&mut names, &entry, &sql.name);
            sources.push(self.sql(&entry, sql).map(|sql| Box::new(sql) as _));
        }
        for (index, https) in raw.evidence.https.iter().enumerate() {
            let entry = Entry::new("https", index);
            self.source_name(&mut names, &entry, &https.name);
            sources.push(self.https(&entry, https).map(|https| Box::new(https) as _));
        }
        for (index, event) in raw.evidence.event.iter().enumerate() {
            let entry = Entry::new("event", index);
            self.source_name(&mut names, &entry, &event.name);
            sources.push(self.event(&entry, event).map(|event| Box::new(event) as _));
        }
        if let Some(simulation) = &raw.evidence.simulation {
            let entry = Entry::only("evidence.simulation");
            self.source_name(&mut names, &entry, Simulation::NAME);
            let simulation = self.simulation(&entry, simulation, chain, ring);
            sources.push(simulation.map(|simulation| Box::new(simulation) as _));
        }
        let requesters = self.requester_limits(&raw.requester);
        let recipients = self.recipient_limits(&raw.recipient_limit);
        let is_empty = sources.is_empty() && raw.requester.is_empty() && raw.recipient_limit.is_empty();
        if !is_empty && raw.policy.evidence != Some(true) {
            self.problem::<()>(
                "policy.evidence",
                "not true, so no source would be asked and no limit kept: set it to true at every seat of the ring",
            );
        }
        let sources = sources.into_iter().collect::<Option<Vec<_>>>()?;
        let (chain, seats) = (chain?, &ring?.charter.seats);
        if raw.refill.is_some() {
            // Others may not be named like it: it has metrics of its own.
            self.source_name(&mut names, &Entry::only("refill"), Refills::NAME);
        }
        let refills = refill.map(|Refilling { refill, below }| {
            let rpcs = chain.rpc.iter().map(|rpc| rpc.expose().clone()).collect();
            let pace = Pace { parallel: REFILLS_AT_A_TIME, timeout: REFILL_TIMEOUT };
            Refills::new((rpcs, chain.agree), chain.domain, seats.clone(), refill, below, pace)
        });
        Some(Sources::with_limits(chain.domain, sources, requesters?, recipients?, refills))
    }

    /// For how long what the sources confirm counts; `Some(None)`: for good.
    pub(super) fn confirmed_for(&mut self, raw: &raw::Evidence) -> Option<Option<Duration>> {
        // What was tried out is of one block.
        let default = raw.simulation.as_ref().map(|_| CONFIRMED_SECONDS);
        if raw.confirmed_seconds.is_none() && default.is_none() {
            return Some(None);
        }
        let (least, most) = (1, 86_400);
        let field = "evidence.confirmed_seconds";
        let seconds = self.within(field, raw.confirmed_seconds, default.unwrap_or(CONFIRMED_SECONDS), least, most);
        seconds.map(|seconds| Some(Duration::from_secs(seconds)))
    }

    /// A name goes into logs and metrics.
    fn source_name(&mut self, names: &mut BTreeSet<String>, entry: &Entry, name: &str) {
        let is_plain = name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_');
        if !is_plain || !(1..=40).contains(&name.len()) {
            let reason = format!("{name:?} is no name for metrics: write 1 to 40 of a-z, 0-9 and _");
            self.problem::<()>(entry.field("name"), reason);
        } else if !names.insert(name.to_owned()) {
            self.problem::<()>(
                entry.field("name"),
                format!("{name:?} is the name of another source too: choose another"),
            );
        }
    }

    pub(super) fn pace(&mut self, entry: &Entry, timeout_ms: Option<Whole>, parallel: Option<Whole>) -> Option<Pace> {
        let timeout = self.within(&entry.field("timeout_ms"), timeout_ms, 2_000, 10, 60_000);
        let parallel = self.within(&entry.field("parallel"), parallel, 8, 1, 64);
        Some(Pace { parallel: parallel? as usize, timeout: Duration::from_millis(timeout?) })
    }

    fn sql(&mut self, entry: &Entry, raw: &raw::Sql) -> Option<Sql> {
        let pace = self.pace(entry, raw.timeout_ms, raw.parallel);
        let url = self.secret_text(entry, "url_file", &raw.url_file);
        let authorities = self.authorities(entry, raw.authorities_file.as_deref());
        let (name, query) = (raw.name.clone(), raw.query.clone());
        let settings = SqlSettings { name, url: url?, authorities: authorities?, query, pace: pace? };
        Sql::new(settings).map_or_else(|error| self.problem(entry.field("url_file"), error), Some)
    }

    fn https(&mut self, entry: &Entry, raw: &raw::Https) -> Option<Https> {
        let pace = self.pace(entry, raw.timeout_ms, raw.parallel);
        let headers = raw.headers_file.as_deref().map(|path| self.secret_text(entry, "headers_file", path));
        let headers = headers.map_or(Some(None), |headers| headers.map(Some));
        let authorities = self.authorities(entry, raw.authorities_file.as_deref());
        let method = match raw.method.as_deref() {
            None | Some("GET") => Some(Method::Get),
            Some("POST") => Some(Method::Post),
            Some(other) => self.problem(entry.field("method"), format!("{other:?} is neither \"GET\" nor \"POST\"")),
        };
        let expect = self.conditions(entry, "expect", &raw.expect);
        let refute = self.conditions(entry, "refute", &raw.refute);
        let not_yet_status = raw.not_yet_status.as_deref().unwrap_or(&[Whole(404)]);
        let not_yet_status = not_yet_status.iter().map(|status| u16::try_from(status.0).unwrap_or(u16::MAX)).collect();
        let (name, url, body) = (raw.name.clone(), raw.url.clone(), raw.body.clone());
        let (method, headers, authorities) = (method?, headers?, authorities?);
        let (expect, refute, pace) = (expect?, refute?, pace?);
        let settings =
            HttpsSettings { name, url, method, body, headers, authorities, expect, refute, not_yet_status, pace };
        match Https::new(settings) {
            Ok(https) => {
                self.warn_of_any_recipient(&entry.field("expect"), https.compared_fields());
                Some(https)
            }
            Err(error) => self.problem(entry.field(error.field()), error),
        }
    }

    fn event(&mut self, entry: &Entry, raw: &raw::Event) -> Option<Event> {
        let pace = self.pace(entry, raw.timeout_ms, raw.parallel);
        let rpc = self.rpc_at(&entry.field("rpc"), &raw.rpc);
        let contract = self.address(&entry.field("contract"), &raw.contract);
        let finality = match raw.confirmations.0.as_str() {
            "finalized" => Some(Finality::Finalized),
            text => match decimal(text) {
                Some(depth) => Some(Finality::Depth(depth)),
                None => self.problem(
                    entry.field("confirmations"),
                    format!("{text:?} is neither a number of blocks on top nor \"finalized\": write one of them"),
                ),
            },
        };
        let settings = EventSettings {
            name: raw.name.clone(),
            rpc: rpc?.expose().clone(),
            chain_id: raw.chain_id.0,
            contract: contract?,
            event: raw.event.clone(),
            compared: raw.compared.clone().into_iter().collect(),
            finality: finality?,
            from_block: raw.from_block.0,
            pace: pace?,
        };
        match Event::new(settings) {
            Ok(event) => {
                self.warn_of_any_recipient(&entry.field("match"), event.compared_fields());
                Some(event)
            }
            Err(error @ ExpectedError::Signature(..)) => self.problem(entry.field("event"), error),
            Err(error) => self.problem(entry.field("match"), error),
        }
    }

    fn warn_of_any_recipient(&mut self, field: &str, mut compared: impl Iterator<Item = Field>) {
        if !compared.any(|field| field == Field::Recipient) {
            let warning = format!("{field}: nothing is compared with {{recipient}}: whoever may ask says who is paid");
            self.warnings.push(warning);
        }
    }

    fn conditions(&mut self, entry: &Entry, name: &str, raw: &[raw::Condition]) -> Option<Vec<ConditionSettings>> {
        let mut conditions = Vec::new();
        for (index, condition) in raw.iter().enumerate() {
            let otherwise = match condition.otherwise.as_deref() {
                None => Some(None),
                Some("not yet") => Some(Some(Otherwise::NotYet)),
                Some("refute") => Some(Some(Otherwise::Refute)),
                Some(other) => self.problem(
                    entry.field(format_args!("{name}[{index}].otherwise")),
                    format!("{other:?} is neither \"not yet\" nor \"refute\""),
                ),
            };
            let equals = match &condition.equals {
                raw::Literal::Text(text) => Literal::Text(text.clone()),
                raw::Literal::Number(number) => Literal::Number(*number),
                raw::Literal::Truth(truth) => Literal::Truth(*truth),
            };
            let pointer = condition.pointer.clone();
            conditions.push(otherwise.map(|otherwise| ConditionSettings { pointer, equals, otherwise }));
        }
        conditions.into_iter().collect()
    }

    /// Certificates to believe; `Some(None)`: those that this host believes.
    pub(super) fn authorities(&mut self, entry: &Entry, path: Option<&str>) -> Option<Option<Vec<u8>>> {
        let Some(path) = path.map(|path| self.base.join(path)) else { return Some(None) };
        match files::public(&path) {
            Ok(pem) => Some(Some(pem)),
            Err(error) => {
                self.problem(entry.field("authorities_file"), format!("cannot read {}: {error}", path.display()))
            }
        }
    }

    /// A file with a secret that is text.
    pub(super) fn secret_text(&mut self, entry: &Entry, name: &str, path: &str) -> Option<zeroize::Zeroizing<String>> {
        let path = self.base.join(path);
        let secret = self.secret(&entry.field(name), &path)?;
        match std::str::from_utf8(&secret) {
            Ok(text) => Some(zeroize::Zeroizing::new(text.to_owned())),
            Err(_) => {
                self.problem(entry.field(name), format!("{} is no text: it is not the right file", path.display()))
            }
        }
    }
}

/// A table, where there are several of a kind: one of them.
pub(super) struct Entry(String);

impl Entry {
    pub(super) fn only(table: &str) -> Self {
        Self(table.to_owned())
    }

    fn new(kind: &str, index: usize) -> Self {
        Self(format!("evidence.{kind}[{index}]"))
    }

    pub(super) fn field(&self, name: impl Display) -> String {
        format!("{}.{name}", self.0)
    }
}
