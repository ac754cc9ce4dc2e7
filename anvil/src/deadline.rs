//! Waiting for things that happen elsewhere: looked at again and again, but not for ever.

use std::time::{Duration, Instant};

use eyre::{Result, bail};

/// Asks until there is an answer.
///
/// # Errors
/// Asking fails, or there is no answer in time.
pub async fn poll<T>(
    what: &str,
    patience: Duration,
    interval: Duration,
    mut ask: impl AsyncFnMut() -> Result<Option<T>>,
) -> Result<T> {
    let start = Instant::now();
    loop {
        if let Some(answer) = ask().await? {
            return Ok(answer);
        }
        if start.elapsed() >= patience {
            bail!("{what}: not within {} s", patience.as_secs());
        }
        tokio::time::sleep(interval).await;
    }
}

/// Asks until the answer is yes.
///
/// # Errors
/// Asking fails, or the answer stays no.
pub async fn until(
    what: &str,
    patience: Duration,
    interval: Duration,
    mut holds: impl AsyncFnMut() -> Result<bool>,
) -> Result<()> {
    poll(what, patience, interval, async || Ok(holds().await?.then_some(()))).await
}
