//! What every key has to do, wherever it lives.

use std::{collections::BTreeMap, time::Instant};

use alloy::primitives::{B256, Signature, U256, uint};
use eyre::{Result, bail, ensure, eyre};
use futures::future::try_join_all;
use ring_key::{Key, KeyError, PATIENCE};

use crate::{
    keeper::{Fate, Keeper},
    report::{Entry, Outcome, Status},
};

/// How many digests are signed one after the other, and verified.
const SIGNATURES: u64 = 1_000;
/// How many are signed at once.
const AT_ONCE: u64 = 32;
/// The number of a digest that was not signed before.
const NEVER_SIGNED: u64 = SIGNATURES + 1;
/// Half the order of secp256k1's group (SEC 2): s is at most this (EIP-2).
const HALF_ORDER: U256 = uint!(0x7fffffffffffffffffffffffffffffff5d576e7357a4501ddfe92f46681b20a0_U256);

/// Runs everything.
pub(crate) async fn run(mut keeper: impl Keeper) -> Entry {
    let mut checks = BTreeMap::new();
    let mut times = Vec::new();
    let mut note = |name: &'static str, checked: Result<bool>| {
        let outcome = match checked {
            Ok(true) => Outcome::Passed,
            Ok(false) => Outcome::DoesNotApply,
            Err(error) => Outcome::Failed(format!("{error:#}")),
        };
        let said = match &outcome {
            Outcome::Passed => "ok",
            Outcome::Failed(why) => why,
            Outcome::DoesNotApply => "there is no such thing",
        };
        eprintln!("  {name}: {said}");
        checks.insert(name, outcome);
    };
    note("its address is the key's", address(&keeper).await);
    note("a thousand signatures have low s and recover its address", signatures(&keeper, &mut times).await);
    note("many at once are each of their own digest", at_once(&keeper).await);
    note("after a restart it signs the same", restart(&keeper).await);
    note("a lost answer is asked for again", lost_answer(&keeper).await);
    note("a session that ended is begun anew", session(&mut keeper).await);
    note("a login is renewed before it is over", renewal(&mut keeper).await);
    note("while the keeper is away it says so in time, and signs when it is back", absence(&mut keeper).await);
    note("a wrong secret opens nothing", stranger(&keeper).await);
    note("neither key nor secret is in its Debug and errors", silence(&keeper).await);
    // From here on the key is not what it was.
    note("another key in its place signs nothing", exchange(&mut keeper).await);
    note("where it may no longer be used it signs nothing", fate(&mut keeper, Fate::Forbidden).await);
    note("where it was deleted it signs nothing", fate(&mut keeper, Fate::Deleted).await);

    times.sort_by(f64::total_cmp);
    let at = |part: usize| times.get(times.len() * part / 100).copied();
    let is_good = checks.values().all(|outcome| !matches!(outcome, Outcome::Failed(_)));
    let status = match (is_good, keeper.is_real()) {
        (true, true) => Status::Passed,
        (true, false) => Status::NotRun,
        (false, _) => Status::Failed,
    };
    // How long a stand-in takes says nothing about the service.
    let at = |part| at(part).filter(|_| keeper.is_real());
    Entry { status, real: keeper.real(), p50_ms: at(50), p99_ms: at(99), checks }
}

fn check(key: &dyn Key, digest: B256, signature: &Signature) -> Result<()> {
    let signer = signature.recover_address_from_prehash(&digest)?;
    ensure!(signer == key.address(), "the signature of {digest} is by {signer}, not by {}", key.address());
    ensure!(signature.s() <= HALF_ORDER, "the signature of {digest} has high s");
    Ok(())
}

async fn signs(keeper: &impl Keeper, key: &dyn Key) -> Result<()> {
    let digest = keeper.digest(0);
    check(key, digest, &key.sign(digest).await?)
}

async fn address(keeper: &impl Keeper) -> Result<bool> {
    let (found, right) = (keeper.open().await?.address(), keeper.address());
    ensure!(found == right, "it is {found}, and the key's is {right}");
    Ok(true)
}

async fn signatures(keeper: &impl Keeper, times: &mut Vec<f64>) -> Result<bool> {
    let key = keeper.open().await?;
    let mut parities = [0u64; 2];
    for number in 0..SIGNATURES {
        let digest = keeper.digest(number);
        let start = Instant::now();
        let signature = key.sign(digest).await?;
        times.push(start.elapsed().as_secs_f64() * 1e3);
        check(&*key, digest, &signature)?;
        parities[usize::from(signature.v())] += 1;
    }
    ensure!(parities.iter().all(|count| *count > SIGNATURES / 4), "recovery ids 0 and 1 came {parities:?} times");
    Ok(true)
}

async fn at_once(keeper: &impl Keeper) -> Result<bool> {
    let key = &keeper.open().await?;
    try_join_all(
        (0..AT_ONCE).map(async |number| check(&**key, keeper.digest(number), &key.sign(keeper.digest(number)).await?)),
    )
    .await?;
    Ok(true)
}

async fn restart(keeper: &impl Keeper) -> Result<bool> {
    for _ in 0..3 {
        signs(keeper, &*keeper.open().await?).await?;
    }
    Ok(true)
}

async fn lost_answer(keeper: &impl Keeper) -> Result<bool> {
    let Some(losses) = keeper.losses() else { return Ok(false) };
    let key = keeper.open().await?;
    for lost in 1..=2 {
        losses.lose(lost);
        signs(keeper, &*key).await?;
        ensure!(losses.left() == 0, "no answer was lost");
    }
    Ok(true)
}

async fn session(keeper: &mut impl Keeper) -> Result<bool> {
    let key = keeper.open().await?;
    signs(keeper, &*key).await?;
    if !keeper.end_sessions().await? {
        return Ok(false);
    }
    signs(keeper, &*key).await?;
    Ok(true)
}

async fn renewal(keeper: &mut impl Keeper) -> Result<bool> {
    keeper.outlive_login().await
}

async fn absence(keeper: &mut impl Keeper) -> Result<bool> {
    let key = keeper.open().await?;
    if !keeper.leave().await? {
        return Ok(false);
    }
    let start = Instant::now();
    let signed = key.sign(keeper.digest(1)).await;
    let took = start.elapsed();
    keeper.come_back().await?;
    match signed {
        Err(KeyError::Unavailable { .. }) => {}
        Err(error) => bail!("it says that {error}"),
        Ok(_) => bail!("it signed"),
    }
    ensure!(took < PATIENCE * 2, "it took {} s to say so", took.as_secs());
    signs(keeper, &*key).await?;
    Ok(true)
}

async fn stranger(keeper: &impl Keeper) -> Result<bool> {
    match keeper.open_with_wrong_secret().await {
        None => Ok(false),
        Some(Err(KeyError::Refused { .. } | KeyError::NotAKey { .. })) => Ok(true),
        Some(Err(error)) => Err(eyre!("it says that {error}")),
        Some(Ok(_)) => Err(eyre!("it opened")),
    }
}

async fn silence(keeper: &impl Keeper) -> Result<bool> {
    let key = keeper.open().await?;
    let mut told = vec![format!("{key:?}")];
    if let Some(Err(error)) = keeper.open_with_wrong_secret().await {
        told.extend([format!("{error:?}"), format!("{error}")]);
    }
    for secret in keeper.secrets() {
        ensure!(told.iter().all(|text| !text.contains(&secret)), "a secret is in {told:?}");
    }
    Ok(true)
}

async fn exchange(keeper: &mut impl Keeper) -> Result<bool> {
    let key = keeper.open().await?;
    if !keeper.change(Fate::Exchanged).await? {
        return Ok(false);
    }
    let signed = key.sign(keeper.digest(2)).await;
    keeper.change(Fate::AsItWas).await?;
    match signed {
        Err(KeyError::OtherKey { .. }) => {}
        Err(error) => bail!("it says that {error}"),
        Ok(_) => bail!("it signed"),
    }
    signs(keeper, &*key).await?;
    Ok(true)
}

async fn fate(keeper: &mut impl Keeper, fate: Fate) -> Result<bool> {
    let key = keeper.open().await?;
    if !keeper.change(fate).await? {
        return Ok(false);
    }
    let signed = key.sign(keeper.digest(NEVER_SIGNED)).await;
    keeper.change(Fate::AsItWas).await?;
    match (fate, signed) {
        (_, Ok(_)) => bail!("it signed"),
        (_, Err(KeyError::Refused { .. } | KeyError::NotAKey { .. })) => Ok(true),
        (_, Err(error)) => bail!("it says that {error}"),
    }
}
