//! A service's client with what it logged in by. A client keeps its token for as long as that should be good, and some keep for
//! ever that they were refused; so one whose login is not accepted is left, and asked once more with a new one.

use std::sync::{Arc, Mutex, PoisonError};

use futures::future::BoxFuture;

use crate::{KeyError, PATIENCE};

/// Why a question had no answer.
#[derive(Debug)]
pub(crate) struct Failure {
    /// For whoever asked.
    pub(crate) error: KeyError,
    /// Whether it is the login that was not accepted.
    pub(crate) is_login: bool,
}

type Make<C> = dyn Fn() -> BoxFuture<'static, Result<C, KeyError>> + Send + Sync;

/// A client, made when it is first needed and when it was left; its errors are `E`.
pub(crate) struct Login<C, E> {
    keeper: String,
    judge: fn(&str, &E) -> Failure,
    make: Box<Make<C>>,
    client: Mutex<Option<Arc<C>>>,
}

impl<C, E> Login<C, E> {
    /// A client of `keeper` that is made like this, and whose errors mean what `judge` says.
    pub(crate) fn new(
        keeper: String,
        judge: fn(&str, &E) -> Failure,
        make: impl Fn() -> BoxFuture<'static, Result<C, KeyError>> + Send + Sync + 'static,
    ) -> Self {
        Self { keeper, judge, make: Box::new(make), client: Mutex::new(None) }
    }

    /// Who keeps the key.
    pub(crate) fn keeper(&self) -> &str {
        &self.keeper
    }

    /// Asks, within [`PATIENCE`]; a second time if an old login is no longer accepted.
    ///
    /// # Errors
    /// That of the last question; `Unavailable` after that time.
    pub(crate) async fn ask<T, F>(&self, question: impl Fn(Arc<C>) -> F) -> Result<T, KeyError>
    where
        F: Future<Output = Result<T, E>>,
    {
        let asked = async {
            loop {
                let (client, is_new) = self.client().await?;
                let Failure { error, is_login } = match question(client).await {
                    Ok(answer) => return Ok(answer),
                    Err(error) => (self.judge)(&self.keeper, &error),
                };
                if is_login {
                    *self.lock() = None;
                }
                if !is_login || is_new {
                    return Err(error);
                }
            }
        };
        tokio::time::timeout(PATIENCE, asked).await.unwrap_or_else(|_| {
            let why = format!("no answer within {} s", PATIENCE.as_secs());
            Err(KeyError::Unavailable { keeper: self.keeper.clone(), why })
        })
    }

    /// The client, and whether nobody has asked with it yet.
    async fn client(&self) -> Result<(Arc<C>, bool), KeyError> {
        if let Some(client) = &*self.lock() {
            return Ok((client.clone(), false));
        }
        let client = Arc::new((self.make)().await?);
        *self.lock() = Some(client.clone());
        Ok((client, true))
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<Arc<C>>> {
        self.client.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use futures::FutureExt as _;

    use super::*;

    /// Logins are numbered from 0; an error says whether it is one's fault.
    fn login() -> Login<u32, bool> {
        let made = AtomicU32::new(0);
        let judge = |keeper: &str, is_login: &bool| Failure {
            error: KeyError::Refused { keeper: keeper.to_owned(), why: "no".into() },
            is_login: *is_login,
        };
        Login::new("it".into(), judge, move || std::future::ready(Ok(made.fetch_add(1, Ordering::SeqCst))).boxed())
    }

    #[tokio::test]
    async fn a_login_is_kept_until_it_is_not_accepted_and_then_made_once_more() {
        let login = login();
        let accepted = |least: u32| {
            login.ask(move |client| std::future::ready(if *client < least { Err(true) } else { Ok(*client) }))
        };
        assert_eq!(accepted(0).await.unwrap(), 0);
        assert_eq!(accepted(0).await.unwrap(), 0);
        assert_eq!(accepted(1).await.unwrap(), 1, "the old one is not accepted, the new one is");
        // Neither the old one nor a new one is: nobody asks for ever, and the next question begins anew.
        accepted(4).await.unwrap_err();
        accepted(4).await.unwrap_err();
        assert_eq!(accepted(4).await.unwrap(), 4);
    }

    #[tokio::test]
    async fn what_has_nothing_to_do_with_the_login_keeps_it() {
        let login = login();
        login.ask(|_| std::future::ready(Err::<(), _>(false))).await.unwrap_err();
        assert_eq!(login.ask(|client| std::future::ready(Ok(*client))).await.unwrap(), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn who_does_not_answer_is_unavailable_in_time() {
        let asked = login().ask(|_| std::future::pending::<Result<(), bool>>()).await;
        assert!(matches!(asked, Err(KeyError::Unavailable { .. })), "{asked:?}");
    }
}
