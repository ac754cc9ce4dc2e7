//! This seat's own sources: whether a request is genuine beside its signature. Every seat asks its own, for co-signers that
//! believe one input are one signer.

use std::{fmt, sync::Arc};

use futures::future::{BoxFuture, join_all};
use ring_contracts::SignedRequest;
use ring_core::Evidence;

/// Somewhere to ask.
pub trait Source: Send + Sync {
    /// What people call it.
    fn name(&self) -> &str;

    /// Asks once. Has to end, sooner or later; what could not be asked is [`Evidence::NotYet`].
    fn ask<'a>(&'a self, request: &'a SignedRequest) -> BoxFuture<'a, Evidence>;
}

/// All sources of a seat.
#[derive(Clone, Default)]
pub struct Sources(Arc<[Box<dyn Source>]>);

impl Sources {
    /// These sources. With none, every signed request is genuine.
    pub fn new(sources: Vec<Box<dyn Source>>) -> Self {
        Self(sources.into())
    }

    /// Asks all of them at once. One that contradicts is enough to refute; only all together confirm.
    pub async fn ask(&self, request: &SignedRequest) -> Evidence {
        let answers = join_all(self.0.iter().map(|source| async { (source.name(), source.ask(request).await) })).await;
        let mut evidence = Evidence::Genuine;
        for (name, answer) in answers {
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
        f.debug_list().entries(self.0.iter().map(|source| source.name())).finish()
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt as _;
    use ring_contracts::Request;

    use super::*;

    struct Says(Evidence);

    impl Source for Says {
        fn name(&self) -> &str {
            "books"
        }

        fn ask<'a>(&'a self, _: &'a SignedRequest) -> BoxFuture<'a, Evidence> {
            std::future::ready(self.0.clone()).boxed()
        }
    }

    fn ask(answers: &[Evidence]) -> Evidence {
        let sources = answers.iter().map(|answer| Box::new(Says(answer.clone())) as Box<dyn Source>);
        let (id, target, data, signature) = Default::default();
        let request = Request { id, ring: 1, target, value: 1, data, gas: 1, expiry: 1 };
        let asked = Sources::new(sources.collect());
        asked.ask(&SignedRequest { request, signature }).now_or_never().unwrap_or(Evidence::NotYet)
    }

    #[test]
    fn all_have_to_confirm_and_one_refutes() {
        let no = || Evidence::Refuted { reason: "unknown order".into() };
        assert_eq!(ask(&[]), Evidence::Genuine);
        assert_eq!(ask(&[Evidence::Genuine, Evidence::Genuine]), Evidence::Genuine);
        assert_eq!(ask(&[Evidence::NotYet, Evidence::Genuine]), Evidence::NotYet);
        let refuted = Evidence::Refuted { reason: "books: unknown order".into() };
        assert_eq!(ask(&[Evidence::Genuine, no(), Evidence::NotYet]), refuted);
        assert_eq!(ask(&[Evidence::NotYet, no()]), refuted);
    }
}
