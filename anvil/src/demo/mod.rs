//! The demonstration: a backend pays its customers through a ring; keys are stolen; nothing much is lost; the master sets
//! it right; every customer is paid exactly once.

mod plan;
mod recovery;
mod report;
mod stage;
mod theft;
mod view;

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use eyre::{Result, WrapErr, eyre};
use futures::future::join_all;
use tokio::sync::watch;
use tokio_util::task::AbortOnDropHandle;

use crate::{Backend, Books, Client, Progress, Stage as RequestStage, deadline, deployment::Payment, orders};

pub use plan::{FEWEST_ORDERS, Plan};
pub use report::{Check, Report};
pub use stage::{RING, Stage};
pub use theft::Theft;
pub use view::View;

/// How long a payment may be made.
const VALIDITY: u64 = 7 * 86_400;
/// How long all payments may take, at the most.
const PAYING: Duration = Duration::from_secs(3_600);
/// How long the backend may take to notice a halt.
const SETTLING: Duration = Duration::from_secs(60);
const LOOK: Duration = Duration::from_millis(200);

type Payer = AbortOnDropHandle<Result<()>>;

/// Plays the story on a stage that is set. What is still running at the end belongs to the stage, and ends with it.
///
/// # Errors
/// Something does not work; the error says what. Broken promises are no error but in the report.
pub async fn run(mut stage: Stage, view: &View) -> Result<(Report, Stage)> {
    let cap = stage.charter().cap;

    let (relayers, relayers_now) = watch::channel(stage.ring.clients()?);
    let (charter, charter_now) = watch::channel(stage.charter().clone());
    let progress = Progress::new(&stage.orders);
    let picture = view.follow(view::Subject {
        deployment: stage.deployment.clone(),
        relayers: relayers_now.clone(),
        charter: charter_now,
        progress: progress.clone(),
    });
    let mut payer = start_paying(&stage, relayers_now, &progress).await?;
    view.say(format!("the backend pays {} orders, listed in orders.csv", stage.orders.len()));

    // The theft comes when three fifths are paid.
    let enough = stage.orders.len() * 3 / 5;
    let paid = deadline::until("three fifths of the orders are paid", PAYING, LOOK, async || {
        look_after(&mut stage, view)?;
        Ok(progress.figures().executed >= enough)
    });
    unless_ended(&mut payer, paid).await?;
    let theft = unless_ended(&mut payer, theft::commit(&mut stage, view)).await?;
    // A halted ring pays nobody: new orders are refused for now, and wait. If the last has been posted there are none.
    let refused = deadline::until("the backend is told of the halt", SETTLING, LOOK, async || {
        look_after(&mut stage, view)?;
        let figures = progress.figures();
        Ok(figures.refused_by_halt > 0 || figures.submitted == figures.orders)
    });
    unless_ended(&mut payer, refused).await?;
    let before = progress.figures().executed;
    let recovery = unless_ended(&mut payer, recovery::recover(&mut stage, &theft, view)).await?;
    charter.send_replace(stage.charter().clone());
    relayers.send_replace(stage.ring.clients()?);
    let nonce = stage.deployment.ring(RING).await?.nonce;
    let ahead = theft.accomplice.try_signed_ahead(&theft.strike, nonce).await?;
    view.say(format!("what the thief had signed ahead is worth nothing any more: {}", ahead.refused_with));

    deadline::until("all orders are paid", PAYING, LOOK, async || {
        look_after(&mut stage, view)?;
        Ok(payer.is_finished())
    })
    .await?;
    payer.await.wrap_err("the backend ended")??;
    view.say("the backend has seen every payment become final");
    stage.chain.finalize().await?;
    drop(picture);

    let payments = stage.deployment.payments().await?;
    let books = Books::compare(&stage.orders, &payments, theft.thief);
    let turns = stage.deployment.turns(RING).await?;
    let misreported = misreported(&stage, &payments).await?;
    let attempts: Vec<_> = theft.attempts.iter().chain([&ahead]).collect();
    let figures = progress.figures();
    let report = Report {
        n: stage.plan.seats,
        w: stage.plan.window,
        q: stage.plan.quorum,
        orders: stage.orders.len(),
        paid: books.paid.len(),
        paid_twice: books.paid_twice.len(),
        lost: books.lost.len(),
        wrong_amount: books.wrong_amount.len(),
        strays: books.strays.len(),
        misreported,
        ordered_value: orders::total(&stage.orders),
        paid_value: books.paid_out.saturating_to(),
        turns: turns.len(),
        stolen_seats: theft.stolen.clone(),
        stolen_turns: turns.iter().filter(|turn| turn.sender == theft.thief).count(),
        bound: theft.bound,
        stolen_value: books.stolen_value().saturating_to(),
        cap,
        left_of_cap_at_theft: theft.strike.left_of_cap,
        cap_afterwards: recovery.cap,
        races_lost: theft.strike.races_lost,
        attempts: attempts.len(),
        attempts_refused: attempts.iter().filter(|attempt| !attempt.succeeded).count(),
        refused_by_halt: figures.refused_by_halt,
        halted: theft.halts.len() == stage.plan.seats,
        resumed: figures.done == stage.orders.len() && before < figures.done,
        epoch: recovery.epoch,
        seconds: view.elapsed().as_secs(),
    };
    report.write(&stage.plan.folder.join("report.json"))?;
    Ok((report, stage))
}

async fn start_paying(
    stage: &Stage,
    relayers: watch::Receiver<Vec<Client>>,
    progress: &Arc<Progress>,
) -> Result<Payer> {
    let backend = Backend {
        requester: stage.requester.open()?,
        domain: stage.deployment.domain,
        ring: RING,
        token: stage.deployment.token,
        expiry: stage.deployment.time().await? + VALIDITY,
    };
    let (orders, progress) = (stage.orders.clone(), progress.clone());
    Ok(AbortOnDropHandle::new(tokio::spawn(async move { backend.pay(&orders, relayers, &progress).await })))
}

/// Does what a service manager does for a relayer that ended: try it with `kill -9`. The chain cannot be started again.
fn look_after(stage: &mut Stage, view: &View) -> Result<()> {
    stage.chain.process().check_running()?;
    for seat in stage.ring.revive()? {
        view.alarm(format!("the relayer of seat {seat} ended, and is started again"));
    }
    Ok(())
}

/// Does something while the backend pays. If the backend ends meanwhile, something is wrong.
async fn unless_ended<T>(payer: &mut Payer, doing: impl Future<Output = Result<T>>) -> Result<T> {
    tokio::select! {
        biased;
        done = doing => done,
        ended = payer => {
            ended.wrap_err("the backend ended")?.wrap_err("the backend cannot go on")?;
            Err(eyre!("all orders were paid before the story was over: take more (--orders)"))
        }
    }
}

/// For how many orders a relayer's answer differs from the chain. They may need a moment to see that all is final.
async fn misreported(stage: &Stage, payments: &[Payment]) -> Result<usize> {
    let by_address: BTreeMap<_, _> = payments.iter().map(|payment| (payment.to, payment.transaction)).collect();
    let clients = stage.ring.clients()?;
    let differs = async |client: &Client, order: &crate::Order| {
        let status = client.status(order.request_id()).await.ok().flatten();
        let right = status.is_some_and(|status| {
            status.stage == RequestStage::Final && status.transaction.as_ref() == by_address.get(&order.address)
        });
        !right
    };
    let count = async || {
        let mut differing = 0;
        for order in stage.orders.iter() {
            let answers = join_all(clients.iter().map(|client| differs(client, order))).await;
            differing += usize::from(answers.contains(&true));
        }
        differing
    };
    let mut last = 0;
    let agreed = deadline::until("the relayers agree with the chain", Duration::from_secs(20), LOOK, async || {
        last = count().await;
        Ok(last == 0)
    });
    // What they still say differently after that is for the report.
    let _ = agreed.await;
    Ok(last)
}
