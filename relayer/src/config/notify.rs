//! Who is told what happens.

use std::{collections::BTreeSet, os::unix::fs::PermissionsExt as _, path::Path};

use reqwest::Url;

use super::{check::Check, raw};
use crate::notify::{Means, Program, Secret, Subject, Subscriber, Webhook};

/// The fewest bytes of a secret.
const SHORTEST_SECRET: usize = 16;

impl Check<'_> {
    pub(super) fn subscribers(
        &mut self,
        webhooks: &[raw::Webhook],
        commands: &[raw::NotifyCommand],
    ) -> Option<Vec<Subscriber>> {
        let webhooks: Vec<_> = webhooks.iter().enumerate().map(|(index, raw)| self.webhook(index, raw)).collect();
        let commands: Vec<_> = commands.iter().enumerate().map(|(index, raw)| self.command(index, raw)).collect();
        let fields = (0..webhooks.len()).map(|index| format!("webhook[{index}].name"));
        let fields = fields.chain((0..commands.len()).map(|index| format!("notify_command[{index}].name")));
        let mut names = BTreeSet::new();
        let all = webhooks.into_iter().chain(commands).zip(fields).map(|(subscriber, field)| {
            let name = subscriber.as_ref().map(|subscriber| subscriber.name.clone());
            if let Some(name) = name.filter(|name| !names.insert(name.clone())) {
                let reason = format!("{name:?} is listed twice: what has been delivered is remembered by it");
                self.problem::<()>(field, reason);
            }
            subscriber
        });
        // All of them are looked at, though one is wrong.
        all.collect::<Vec<_>>().into_iter().collect()
    }

    fn webhook(&mut self, index: usize, raw: &raw::Webhook) -> Option<Subscriber> {
        let field = |name: &str| format!("webhook[{index}].{name}");
        let name = self.name(&field("name"), &raw.name);
        let url = self.webhook_url(&field("url"), &raw.url);
        let path = self.base.join(&raw.secret_file);
        let secret = self.secret(&field("secret_file"), &path).and_then(|mut bytes| {
            // A line break at the end is not part of it.
            while bytes.last().is_some_and(|byte| matches!(byte, b'\n' | b'\r')) {
                bytes.pop();
            }
            if bytes.len() < SHORTEST_SECRET {
                let reason =
                    format!("{} has fewer than {SHORTEST_SECRET} bytes: put a long random one there", path.display());
                return self.problem(field("secret_file"), reason);
            }
            Some(Secret::new(bytes))
        });
        let subjects = self.subjects(field("events"), &raw.events)?;
        let webhook = match Webhook::new(url?, secret?) {
            Ok(webhook) => webhook,
            Err(error) => return self.problem(field("url"), format!("no HTTP client can be made: {error}")),
        };
        Some(Subscriber { name: name?, means: Means::Webhook(webhook), subjects })
    }

    fn command(&mut self, index: usize, raw: &raw::NotifyCommand) -> Option<Subscriber> {
        let field = |name: &str| format!("notify_command[{index}].{name}");
        let name = self.name(&field("name"), &raw.name);
        let program = match raw.command.split_first() {
            Some((path, arguments)) if Path::new(path).is_absolute() => match is_executable(Path::new(path)) {
                true => Some(Program { path: path.into(), arguments: arguments.to_vec() }),
                false => self.problem(field("command"), format!("{path} is not there, or no program: chmod +x it")),
            },
            Some((path, _)) => {
                self.problem(field("command"), format!("{path:?} is not a whole path: write it from / on"))
            }
            None => self.problem(field("command"), "empty: name a program, by its whole path"),
        };
        let subjects = self.subjects(field("events"), &raw.events)?;
        Some(Subscriber { name: name?, means: Means::Program(program?), subjects })
    }

    fn subjects(&mut self, field: String, events: &[String]) -> Option<BTreeSet<Subject>> {
        let mut subjects = BTreeSet::new();
        let names = || Subject::ALL.map(Subject::name).join(", ");
        for text in events {
            match Subject::ALL.into_iter().find(|subject| subject.name() == text) {
                Some(subject) => drop(subjects.insert(subject)),
                None => return self.problem(field, format!("{text:?} is none: there are {}", names())),
            }
        }
        if subjects.is_empty() {
            return self.problem(field, format!("none: name at least one of {}", names()));
        }
        Some(subjects)
    }

    fn webhook_url(&mut self, field: &str, text: &str) -> Option<Url> {
        // The value itself is not repeated: its path may be a secret.
        let is_usable = |url: &Url| url.has_host() && url.username().is_empty() && url.password().is_none();
        match Url::parse(text) {
            Ok(url) if matches!(url.scheme(), "http" | "https") && is_usable(&url) => {
                let is_loopback = matches!(url.host_str(), Some("localhost" | "127.0.0.1" | "[::1]"));
                if url.scheme() == "http" && !is_loopback {
                    self.warnings.push(format!(
                        "{field}: http:// to another host: what is posted there can be read and changed on the way; use https://"
                    ));
                }
                Some(url)
            }
            _ => self.problem(field, "not the address of a webhook: write https://HOST/PATH, without user or password"),
        }
    }
}

fn is_executable(path: &Path) -> bool {
    path.metadata().is_ok_and(|metadata| metadata.is_file() && metadata.permissions().mode() & 0o111 != 0)
}
