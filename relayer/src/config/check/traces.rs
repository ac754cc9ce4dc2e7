//! Where traces go.

use reqwest::Url;

use super::{Check, evidence::Entry};
use crate::{
    config::raw,
    traces::{Collector, CollectorSettings},
};

impl Check<'_> {
    pub(super) fn traces(&mut self, raw: &raw::Traces) -> Option<Collector> {
        let entry = Entry::only("traces");
        let endpoint = self.endpoint(&entry.field("endpoint"), &raw.endpoint);
        let headers = raw.headers_file.as_deref().map(|path| self.secret_text(&entry, "headers_file", path));
        let headers = headers.map_or(Some(None), |headers| headers.map(Some));
        let authorities = self.authorities(&entry, raw.authorities_file.as_deref());
        let one_in = match raw.one_in.map_or(1, |number| number.0) {
            0 => {
                self.problem(entry.field("one_in"), "0: write 1 to trace every request, 100 to trace one in a hundred")
            }
            number => Some(number),
        };
        let settings =
            CollectorSettings { endpoint: endpoint?, headers: headers?, authorities: authorities?, one_in: one_in? };
        Collector::new(settings).map_or_else(|(name, reason)| self.problem(entry.field(name), reason), Some)
    }

    fn endpoint(&mut self, field: &str, text: &str) -> Option<Url> {
        // The value itself is not repeated: it may hold a token.
        let is_usable = |url: &Url| url.has_host() && url.username().is_empty() && url.password().is_none();
        match Url::parse(text) {
            Ok(url) if matches!(url.scheme(), "http" | "https") && is_usable(&url) => Some(url),
            _ => self.problem(
                field,
                "not the address of a collector: write https://HOST:4318/v1/traces, without user or password",
            ),
        }
    }
}
