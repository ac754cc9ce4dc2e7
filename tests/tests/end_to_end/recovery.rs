//! Stores that are lost, and stores that are put back: nothing is paid again, and nothing is signed again.

use std::{fs, sync::Arc};

use ring_anvil::{Stage as Phase, demo::RING};
use tokio::process::Command;

use crate::world::{PATIENCE, World};

/// Runs a command of a seat whose process does not run, and returns what it says.
async fn command(world: &World, seat: usize, arguments: &[&str]) -> Result<String, String> {
    let config = world.stage.ring.seats()[seat].config();
    let output = Command::new(world.relayer()).arg("--config").arg(config).args(arguments).output().await.unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!said.contains("panicked"), "{said}");
    if output.status.success() { Ok(said) } else { Err(said) }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_and_an_old_store_sign_nothing_before_a_later_epoch_and_pay_nothing_again() {
    let mut world = World::new(3, 2, 2, 60).await;
    let last = Arc::make_mut(&mut world.stage.orders).pop().unwrap();
    world.stage.ring.seat(1).stop().await;
    let copy = world.stage.ring.seats()[1].store().with_file_name("backup.sqlite");
    let out = copy.to_str().unwrap();
    command(&world, 1, &["backup", "--out", out]).await.unwrap();
    assert!(command(&world, 1, &["backup", "--out", out]).await.unwrap_err().contains("already"));
    world.stage.ring.start().unwrap();
    world.start_paying().await.unwrap().unwrap();

    // The disk of seat 0 is lost, that of seat 1 is put back as it was before anything was paid.
    for seat in [0, 1] {
        world.stage.ring.seat(seat).kill().await;
        let store = world.stage.ring.seats()[seat].store();
        for name in [store.clone(), store.with_extension("sqlite-wal")] {
            let _ = fs::remove_file(name);
        }
    }
    command(&world, 0, &["rebuild"]).await.unwrap();
    assert!(command(&world, 0, &["rebuild"]).await.unwrap_err().contains("already"), "a store is never overwritten");
    fs::rename(&copy, world.stage.ring.seats()[1].store()).unwrap();
    let epoch = world.stage.deployment.ring(RING).await.unwrap().epoch;
    let resume = |epoch: u32| epoch.to_string();
    let refused = command(&world, 1, &["resume", "--epoch", &resume(epoch)]).await.unwrap_err();
    assert!(refused.contains("restored"), "{refused}");
    command(&world, 1, &["restored"]).await.unwrap();
    for seat in [0, 1] {
        let refused = command(&world, seat, &["resume", "--epoch", &resume(epoch)]).await.unwrap_err();
        assert!(refused.contains("takes part in epoch"), "{refused}");
    }

    // They stand still, and halt nobody else; what was paid they know from the chain.
    world.stage.ring.start().unwrap();
    for seat in [0, 1] {
        let client = world.stage.ring.seats()[seat].client().unwrap();
        let halted = async || Ok(client.health().await.is_ok_and(|health| health.halted.is_some()));
        world.until("the seat says that it is halted", halted).await;
        let refused = client.submit(&world.backend.request(&last).unwrap()).await;
        assert!(refused.is_err_and(|error| error.is_halted()));
    }
    let rebuilt = world.stage.ring.seats()[0].client().unwrap();
    for order in world.stage.orders.iter() {
        let known = rebuilt.submit(&world.backend.request(order).unwrap()).await.unwrap();
        assert_eq!(known.stage, Phase::Final, "{order:?}");
    }
    assert!(!world.stage.deployment.ring(RING).await.unwrap().halted);

    // The master raises the epoch with the same keys, and all go on.
    let charter = world.stage.charter().clone();
    world.stage.master.form_ring("raise-the-epoch", RING, &charter).await.unwrap();
    world.stage.chain.finalize().await.unwrap();
    world.stage.ring.stop().await;
    for seat in 0..3 {
        command(&world, seat, &["resume", "--epoch", &resume(epoch + 1)]).await.unwrap();
    }
    world.stage.ring.start().unwrap();
    world.stage.ring.wait_ready(PATIENCE).await.unwrap();
    Arc::make_mut(&mut world.stage.orders).push(last);
    let client = world.stage.ring.seats()[1].client().unwrap();
    for order in world.stage.orders.iter() {
        client.submit(&world.backend.request(order).unwrap()).await.unwrap();
    }
    let id = world.stage.orders.last().unwrap().request_id();
    let done = async || Ok(client.status(id).await?.is_some_and(|status| status.stage == Phase::Final));
    world.until("the last order is paid", done).await;
    world.assert_each_paid_once(&world.stage.orders).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_of_a_seat_that_works_knows_what_was_paid_and_signs_nothing() {
    let mut world = World::new(3, 2, 2, 40).await;
    let paying = world.start_paying();
    let client = world.stage.ring.seats()[1].client().unwrap();
    let first = world.stage.orders[0].request_id();
    let paid = async || Ok(client.status(first).await?.is_some_and(|status| status.stage == Phase::Final));
    world.until("the first order is final", paid).await;

    // It makes one at once, since there is none yet.
    let config = world.stage.ring.seats()[1].config();
    let folder = config.with_file_name("backups");
    fs::create_dir(&folder).unwrap();
    let backups = format!("\n[store.backups]\nfolder = {:?}\nevery_hours = 1\n", folder.to_str().unwrap());
    fs::write(&config, fs::read_to_string(&config).unwrap() + &backups).unwrap();
    world.reload(1, "the seat goes on with the configuration as it is now").await;
    let made = || {
        let files = fs::read_dir(&folder).unwrap().map(|file| file.unwrap().path());
        files.filter(|file| file.extension().is_some_and(|ending| ending == "sqlite")).collect::<Vec<_>>()
    };
    world.until("there is a backup", async || Ok(made().len() == 1)).await;
    let backup = made().pop().unwrap();
    // Reading the file did not cost the process its lock.
    let refused = command(&world, 1, &["check-store"]).await.unwrap_err();
    assert!(refused.contains("in use"), "{refused}");
    paying.await.unwrap().unwrap();
    world.assert_each_paid_once(&world.stage.orders).await;

    // In the place of its original it stands still, before anybody said what it is; and it knows what it knew.
    world.stage.ring.seat(1).kill().await;
    let store = world.stage.ring.seats()[1].store();
    for name in [store.clone(), store.with_extension("sqlite-wal")] {
        let _ = fs::remove_file(name);
    }
    fs::copy(&backup, &store).unwrap();
    world.stage.ring.start().unwrap();
    let halted = async || Ok(client.health().await.is_ok_and(|health| health.halted.is_some()));
    world.until("the seat says that it is halted", halted).await;
    world.stage.ring.seat(1).stop().await;
    command(&world, 1, &["restored"]).await.unwrap();
    world.stage.ring.start().unwrap();
    world.until("the seat says that it is halted", halted).await;
    assert_eq!(client.status(first).await.unwrap().unwrap().stage, Phase::Final);
    assert!(!world.stage.deployment.ring(RING).await.unwrap().halted, "it halts nobody else");
}
