//! This seat's own sources: whether a request is genuine beside its signature. Every seat asks its own, for co-signers that
//! believe one input are one signer.
//!
//! A source answers [`Evidence`], or what troubles it. Trouble is never a contradiction: the request waits. Before the sources
//! are asked, and when all of them have confirmed, come this seat's limits.

mod breaker;
mod decimal;
mod event;
mod facts;
mod guard;
mod https;
mod limits;
mod nodes;
mod refills;
mod simulation;
mod sql;
mod template;

#[cfg(test)]
pub(crate) mod samples;

use std::{fmt, sync::Arc, time::Duration};

use futures::{
    future::{BoxFuture, join_all},
    stream::{FuturesUnordered, StreamExt as _},
};
use ring_contracts::{Domain, SignedRequest};
use ring_core::Evidence;

use guard::Guarded;
use limits::Limits;
use refills::Rule;

pub use event::{Event, EventSettings, ExpectedError};
pub use facts::{Facts, Field};
pub use guard::Pace;
pub use https::{
    AddressError, BodyError, ConditionError, ConditionSettings, Https, HttpsError, HttpsSettings, Literal, Method,
    Otherwise, PointerError, Which,
};
pub(crate) use limits::LONGEST_PERIOD;
pub use limits::{Ledger, Question, RecipientLimit, RequesterLimit};
pub use refills::Refills;
pub use ring_contracts::Transfer;
pub use simulation::{EVENTS, Simulation, SimulationSettings};
pub use sql::{Sql, SqlSettings};
pub use template::{Missing, Placeholder, Template, TemplateError};

/// Somewhere to ask.
pub trait Source: Send + Sync {
    /// What people call it, in logs and metrics.
    fn name(&self) -> &str;

    /// How it may be asked.
    fn pace(&self) -> Pace;

    /// Finds out before the first question whether it can be asked as it is configured. [`Trouble::Useless`] says that it
    /// cannot, whatever happens.
    fn check(&self) -> BoxFuture<'_, Result<(), Trouble>>;

    /// Asks once. It is dropped if it takes too long.
    fn ask<'a>(&'a self, facts: &'a Facts) -> BoxFuture<'a, Result<Evidence, Trouble>>;
}

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Trouble {
    /// The source does not work now.
    #[error("{reason}")]
    Down {
        /// What happened. Without secrets.
        reason: String,
        /// How long it wants to be left alone.
        retry_after: Option<Duration>,
    },
    /// The source works, and its answer says nothing.
    #[error("{0}")]
    Useless(String),
}

impl Trouble {
    /// The source does not work now.
    pub fn down(reason: impl Into<String>) -> Self {
        Self::Down { reason: reason.into(), retry_after: None }
    }
}

impl From<Missing> for Trouble {
    fn from(missing: Missing) -> Self {
        Self::Useless(missing.to_string())
    }
}

/// All sources and limits of a seat.
#[derive(Clone, Default)]
pub struct Sources(Option<Arc<Asked>>);

struct Asked {
    domain: Domain,
    sources: Vec<Guarded>,
    limits: Limits,
    /// Which requests are refills, which nothing else is asked about.
    refills: Option<(Rule, Guarded)>,
}

/// A source cannot be asked as it is configured.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the source of evidence {name:?} cannot be asked as it is configured: {reason}")]
pub struct SourceError {
    /// Which source.
    pub name: String,
    /// What is wrong, in the source's own words.
    pub reason: String,
}

impl Sources {
    /// These sources, for requests in this domain. With none, every signed request is genuine.
    pub fn new(domain: Domain, sources: Vec<Box<dyn Source>>) -> Self {
        Self::with_limits(domain, sources, Vec::new(), Vec::new(), None)
    }

    /// The same, with limits on what requesters may ask for and recipients may get, and with refills of the seats' accounts.
    pub fn with_limits(
        domain: Domain,
        sources: Vec<Box<dyn Source>>,
        requesters: Vec<RequesterLimit>,
        recipients: Vec<RecipientLimit>,
        refills: Option<Refills>,
    ) -> Self {
        let sources = sources.into_iter().map(Guarded::new).collect();
        let limits = Limits::new(requesters, recipients);
        let refills = refills.map(|refills| (refills.rule(), Guarded::new(Box::new(refills))));
        Self(Some(Arc::new(Asked { domain, sources, limits, refills })))
    }

    /// What remembers what is confirmed, where limits are for a period: the driver's, which has the store. Until it is asked for,
    /// nothing of that is confirmed. `None`: there is nothing to be remembered, or somebody has it.
    pub fn ledger(&self) -> Option<Ledger> {
        self.0.as_ref()?.limits.ledger()
    }

    /// Tells the chain's time, in Unix seconds, which periods go by.
    pub fn note_time(&self, now: u64) {
        if let Some(asked) = &self.0 {
            asked.limits.note_time(now);
        }
    }

    /// Finds out whether all of them can be asked. Returns what is to be told of those that do not answer now; they are
    /// asked all the same.
    ///
    /// # Errors
    /// One of them never can, as it is configured.
    pub async fn check(&self) -> Result<Vec<String>, SourceError> {
        let Some(asked) = &self.0 else { return Ok(Vec::new()) };
        let sources = asked.sources.iter().chain(asked.refills.as_ref().map(|(_, source)| source));
        let outcomes = join_all(sources.map(|source| async { (source.name(), source.check().await) })).await;
        let mut warnings = Vec::new();
        for (name, outcome) in outcomes {
            match outcome {
                Ok(()) => {}
                Err(Trouble::Down { reason, .. }) => {
                    warnings.push(format!("the source of evidence {name:?} does not answer: {reason}"));
                }
                Err(Trouble::Useless(reason)) => return Err(SourceError { name: name.to_owned(), reason }),
            }
        }
        Ok(warnings)
    }

    /// Asks all of them at once. One that contradicts is enough to refute; only all together confirm.
    pub async fn ask(&self, request: &SignedRequest) -> Evidence {
        let Some(asked) = &self.0 else { return Evidence::Genuine };
        match Facts::of(request, &asked.domain) {
            Ok(facts)
                if let Some((_, source)) =
                    asked.refills.as_ref().filter(|(rule, _)| rule.is_kept_by(&request.request)) =>
            {
                source.ask(&facts).await
            }
            Ok(facts) => asked.ask(&facts).await,
            Err(error) => Evidence::Refuted { reason: error.to_string() },
        }
    }
}

impl Asked {
    async fn ask(&self, facts: &Facts) -> Evidence {
        // What is over a limit need not be asked about; and only what is confirmed counts.
        match self.limits.check(facts).await {
            Evidence::Genuine => {}
            other => return other,
        }
        match self.ask_sources(facts).await {
            Evidence::Genuine => self.limits.book(facts).await,
            other => other,
        }
    }

    async fn ask_sources(&self, facts: &Facts) -> Evidence {
        let ask = |source| async move { (Guarded::name(source), source.ask(facts).await) };
        let mut answers: FuturesUnordered<_> = self.sources.iter().map(ask).collect();
        let mut evidence = Evidence::Genuine;
        while let Some((name, answer)) = answers.next().await {
            match answer {
                Evidence::Genuine => {}
                Evidence::NotYet => evidence = Evidence::NotYet,
                Evidence::Refuted { reason } => return Evidence::Refuted { reason: format!("{name}: {reason}") },
            }
        }
        evidence
    }
}

impl fmt::Debug for Sources {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.iter().flat_map(|asked| &asked.sources).map(Guarded::name)).finish()
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt as _;

    use super::{samples::token_transfer, *};

    struct Says(Option<Evidence>);

    impl Source for Says {
        fn name(&self) -> &str {
            "books"
        }

        fn pace(&self) -> Pace {
            Pace { parallel: 1, timeout: Duration::from_secs(1) }
        }

        fn check(&self) -> BoxFuture<'_, Result<(), Trouble>> {
            std::future::ready(Ok(())).boxed()
        }

        fn ask<'a>(&'a self, _: &'a Facts) -> BoxFuture<'a, Result<Evidence, Trouble>> {
            match &self.0 {
                Some(answer) => std::future::ready(Ok(answer.clone())).boxed(),
                None => std::future::pending().boxed(),
            }
        }
    }

    fn ask(answers: &[Option<Evidence>]) -> Option<Evidence> {
        let sources = answers.iter().map(|answer| Guarded::new(Box::new(Says(answer.clone()))));
        let domain = Domain { chain_id: 1, contract: Default::default() };
        let asked = Asked { domain, sources: sources.collect(), limits: Limits::default(), refills: None };
        asked.ask(&token_transfer(1)).now_or_never()
    }

    #[tokio::test]
    async fn all_have_to_confirm_and_one_refutes() {
        let (yes, later) = (Some(Evidence::Genuine), Some(Evidence::NotYet));
        let no = || Some(Evidence::Refuted { reason: "unknown order".into() });
        assert_eq!(ask(&[]), yes);
        assert_eq!(ask(&[yes.clone(), yes.clone()]), yes);
        assert_eq!(ask(&[later.clone(), yes.clone()]), later);
        let refuted = Some(Evidence::Refuted { reason: "books: unknown order".into() });
        assert_eq!(ask(&[yes.clone(), no(), later.clone()]), refuted);
        assert_eq!(ask(&[later, no()]), refuted);
    }

    #[tokio::test]
    async fn a_source_that_is_silent_does_not_keep_another_from_refuting() {
        let no = Some(Evidence::Refuted { reason: "unknown order".into() });
        assert_eq!(ask(&[None, no]), Some(Evidence::Refuted { reason: "books: unknown order".into() }));
    }
}
