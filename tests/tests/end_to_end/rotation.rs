//! All keys of a ring change while it works.

use std::{
    ffi::OsString,
    fs,
    path::{Path, PathBuf},
};

use alloy::primitives::{Address, U256};
use ring_anvil::{KeyFiles, demo::RING};
use serde_json::Value;

use crate::world::{PATIENCE, World};

impl World {
    async fn rotate(&self, step: &str, more: &[&str]) -> eyre::Result<String> {
        let stage = &self.stage;
        let (ring, contract) = (RING.to_string(), stage.deployment.domain.contract.to_string());
        let rpc = stage.chain.http();
        let told = ["rotate", step, "--json", "--rpc", &rpc, "--contract", &contract, "--ring", &ring];
        let arguments = told.iter().chain(more).map(OsString::from);
        Ok(stage.keys.run(arguments).await?.stdout)
    }

    /// The same, of the relayers of all seats.
    async fn rotate_with(&self, step: &str, charter: &Path, more: &[&str]) -> eyre::Result<String> {
        let urls: Vec<String> = self.stage.ring.seats().iter().map(|seat| seat.url()).collect();
        let charter = charter.display().to_string();
        let mut arguments = vec!["--charter", &charter];
        arguments.extend(urls.iter().flat_map(|url| ["--relayer", url]));
        arguments.extend(more);
        self.rotate(step, &arguments).await
    }

    /// New keys for all seats, with coin, and the charter with them in a file. What the seats are to be told, too.
    async fn plan_rotation(&self) -> (Vec<KeyFiles>, PathBuf, String) {
        let folder = self.stage.plan.folder.join("next");
        let mut next = Vec::new();
        for seat in 0..self.stage.ring.seats().len() {
            next.push(self.stage.keys.new_key(&folder, &format!("operator-{seat}")).await.unwrap());
        }
        let seats = addresses(&next).iter().map(Address::to_string).collect::<Vec<_>>().join(",");
        let charter = folder.join("charter");
        let out = charter.display().to_string();
        let plan = self.rotate("plan", &["--seat", &seats, "--expires", "90d", "--out", &out]).await.unwrap();
        let plan: Value = serde_json::from_str(&plan).unwrap();
        (next, charter, plan["announcement"].as_str().unwrap().to_owned())
    }

    /// Writes what the ring is to be next into the configuration of a seat.
    fn announce(&self, seat: usize, announcement: &str, key: &KeyFiles) {
        let file = self.stage.ring.seats()[seat].config();
        let (keystore, password) = (key.keystore.display(), key.password_file.display());
        let text = fs::read_to_string(&file).unwrap();
        let signer = format!("keystore = \"{keystore}\"\npassword_file = \"{password}\"\n");
        fs::write(&file, format!("{text}\n{announcement}\n{signer}")).unwrap();
    }

    async fn give_coin(&self, keys: &[KeyFiles]) {
        for key in keys {
            self.stage.chain.give(key.address, U256::from(10).pow(U256::from(18))).await.unwrap();
        }
    }

    async fn keys_of_seats(&self) -> Vec<Address> {
        let mut keys = Vec::new();
        for client in self.stage.ring.clients().unwrap() {
            keys.push(client.health().await.unwrap().key);
        }
        keys
    }
}

fn addresses(keys: &[KeyFiles]) -> Vec<Address> {
    keys.iter().map(|key| key.address).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn all_keys_are_rotated_while_orders_are_paid_and_no_process_ends() {
    let mut world = World::new(3, 2, 2, 40).await;
    let (next, charter, announcement) = world.plan_rotation().await;
    let (form, signed) = (charter.with_extension("form"), charter.with_extension("signed"));
    let out = form.display().to_string();
    let refused = world.rotate_with("prepare", &charter, &["--out", &out]).await.unwrap_err().to_string();
    assert_eq!(refused.matches("it was told of no change").count(), 3, "{refused}");
    assert_eq!(refused.matches("has no coin").count(), 3, "{refused}");
    assert!(!form.exists());

    world.give_coin(&next).await;
    let mut processes = Vec::new();
    for (seat, key) in next.iter().enumerate() {
        world.announce(seat, &announcement, key);
        world.reload(seat, "the seat goes on with the configuration as it is now").await;
        processes.push(world.stage.ring.seat(seat).process().unwrap().id());
    }
    world.stage.ring.wait_ready(PATIENCE).await.unwrap();
    let paying = world.start_paying();
    let old = world.keys_of_seats().await;

    let record = charter.with_extension("record");
    let record_name = record.display().to_string();
    world.rotate_with("prepare", &charter, &["--out", &out, "--record", &record_name]).await.unwrap();
    let unformed = world.rotate_with("wait", &charter, &[]).await.unwrap_err().to_string();
    assert!(unformed.contains("has not this charter yet"), "{unformed}");
    world.stage.master.sign_and_submit(&form, &signed).await.unwrap();
    world.rotate_with("wait", &charter, &["--record", &record_name]).await.unwrap();
    let written = fs::read_to_string(&record).unwrap();
    assert!(written.contains("was told of its next keys") && written.contains("the keys are rotated"), "{written}");
    let keys = addresses(&next);
    assert_eq!(world.keys_of_seats().await, keys);
    assert!(keys.iter().all(|key| !old.contains(key)));
    paying.await.unwrap().unwrap();
    world.assert_each_paid_once(&world.stage.orders).await;
    for (seat, process) in processes.into_iter().enumerate() {
        assert_eq!(world.stage.ring.seat(seat).process().unwrap().id(), process, "the same process");
    }

    // Its configuration says what was, and what was to be; its store remembers that it is.
    world.stage.ring.seat(0).kill().await;
    world.stage.ring.seat(0).start().unwrap();
    world.stage.ring.wait_ready(PATIENCE).await.unwrap();
    assert_eq!(world.keys_of_seats().await, keys);
    // And when the configuration is written as it has become, it goes on, too.
    let file = world.stage.ring.seats()[1].config();
    let text = fs::read_to_string(&file).unwrap();
    let mut table: toml::Table = text.parse().unwrap();
    let announced = table.remove("next").unwrap();
    for (section, new) in announced.as_table().unwrap() {
        let section = table[section].as_table_mut().unwrap();
        section.extend(new.as_table().unwrap().clone());
    }
    fs::write(&file, table.to_string()).unwrap();
    world.reload(1, "the seat goes on with the configuration as it is now").await;
    world.stage.ring.wait_ready(PATIENCE).await.unwrap();
    assert_eq!(world.keys_of_seats().await, keys);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_seat_that_nobody_told_halts_and_is_let_go_on_with_its_new_key_and_its_old_store() {
    let mut world = World::new(3, 2, 2, 20).await;
    let (next, charter, announcement) = world.plan_rotation().await;
    world.give_coin(&next).await;
    for (seat, key) in next.iter().enumerate().take(2) {
        world.announce(seat, &announcement, key);
        world.reload(seat, "the seat goes on with the configuration as it is now").await;
    }
    let json = serde_json::from_slice(&fs::read(&charter).unwrap()).unwrap();
    world.stage.master.form_ring("rotation", RING, &json).await.unwrap();
    let client = world.stage.ring.seats()[2].client().unwrap();
    world.until("seat 2 halts", async || Ok(client.health().await?.halted_because.is_some())).await;
    let paying = world.start_paying();

    world.announce(2, &announcement, &next[2]);
    let epoch = 2;
    let seat = world.stage.ring.seat(2);
    seat.stop().await;
    seat.resume(epoch).await.unwrap();
    seat.start().unwrap();
    world.stage.ring.wait_ready(PATIENCE).await.unwrap();
    assert_eq!(world.keys_of_seats().await, addresses(&next));
    paying.await.unwrap().unwrap();
    world.assert_each_paid_once(&world.stage.orders).await;
}
