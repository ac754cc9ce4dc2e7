//! Who is told what happens.

use std::collections::BTreeSet;

use reqwest::Url;

use super::{check::Check, raw};
use crate::webhook::{Secret, Subject, Webhook};

/// The fewest bytes of a secret.
const SHORTEST_SECRET: usize = 16;

impl Check<'_> {
    pub(super) fn webhooks(&mut self, raw: &[raw::Webhook]) -> Option<Vec<Webhook>> {
        let mut webhooks: Vec<Webhook> = Vec::new();
        let mut is_complete = true;
        for (index, entry) in raw.iter().enumerate() {
            let Some(webhook) = self.webhook(index, entry) else {
                is_complete = false;
                continue;
            };
            if webhooks.iter().any(|other| other.name == webhook.name) {
                let reason = format!("{:?} is listed twice: what has been delivered is remembered by it", webhook.name);
                self.problem::<()>(format!("webhook[{index}].name"), reason);
            }
            webhooks.push(webhook);
        }
        is_complete.then_some(webhooks)
    }

    fn webhook(&mut self, index: usize, raw: &raw::Webhook) -> Option<Webhook> {
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
        let mut subjects = BTreeSet::new();
        let names = || Subject::ALL.map(Subject::name).join(", ");
        for text in &raw.events {
            match Subject::ALL.into_iter().find(|subject| subject.name() == text) {
                Some(subject) => drop(subjects.insert(subject)),
                None => return self.problem(field("events"), format!("{text:?} is none: there are {}", names())),
            }
        }
        if subjects.is_empty() {
            return self.problem(field("events"), format!("none: name at least one of {}", names()));
        }
        Some(Webhook { name: name?, url: url?, secret: secret?, subjects })
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
