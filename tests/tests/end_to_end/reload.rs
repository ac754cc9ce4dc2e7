//! Configurations that are read again while the seats work.

use std::{fs, net::TcpListener, sync::Arc};

use alloy::signers::local::PrivateKeySigner;

use crate::world::{PATIENCE, World};

impl World {
    /// Has a seat read its configuration again, and waits for what it says to that.
    pub(crate) async fn reload(&mut self, seat: usize, expected: &str) {
        let log = self.stage.ring.seats()[seat].log().to_owned();
        let count = |log: &str| log.matches(expected).count();
        let before = count(&fs::read_to_string(&log).unwrap());
        self.stage.ring.seat(seat).process().unwrap().hang_up();
        self.until(expected, async || Ok(count(&fs::read_to_string(&log)?) > before)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn seats_go_on_with_a_changed_configuration_and_with_the_old_one_if_it_is_wrong() {
    let mut world = World::new(3, 2, 2, 20).await;
    let last = Arc::make_mut(&mut world.stage.orders).pop().unwrap();
    let mut colleague = world.backend.clone();
    colleague.requester = PrivateKeySigner::random();
    let request = colleague.request(&last).unwrap();
    let client = world.stage.ring.seats()[0].client().unwrap();
    assert!(client.submit(&request).await.is_err(), "nobody knows this requester yet");
    let mut processes = Vec::new();
    for seat in 0..3 {
        processes.push(world.stage.ring.seat(seat).process().unwrap().id());
    }
    let paying = world.start_paying();

    let file = world.stage.ring.seats()[0].config();
    let right = fs::read_to_string(&file).unwrap();
    let elsewhere = right.replace("store.sqlite", "other.sqlite");
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let listen = right.lines().find(|line| line.starts_with("listen = ")).unwrap();
    let elsewhere_heard = right.replace(listen, &format!("listen = \"{}\"", taken.local_addr().unwrap()));
    assert!(elsewhere != right && elsewhere_heard != right);
    for (wrong, reason) in [
        (format!("{right}\n[nonsense]\n"), "the configuration is not taken, the seat goes on as it was: "),
        (elsewhere_heard, "cannot listen on"),
        (elsewhere, "it is of another seat or store: that takes a new process"),
    ] {
        fs::write(&file, wrong).unwrap();
        world.reload(0, reason).await;
        assert!(client.submit(&request).await.is_err(), "as it was");
    }
    let address = colleague.requester.address();
    world.stage.ring.reconfigure(|settings| settings.requesters.push(address)).unwrap();
    for seat in 0..3 {
        world.reload(seat, "the seat goes on with the configuration as it is now").await;
    }
    world.stage.ring.wait_ready(PATIENCE).await.unwrap();
    client.submit(&request).await.unwrap();
    paying.await.unwrap().unwrap();
    Arc::make_mut(&mut world.stage.orders).push(last);
    let payments = async || Ok(world.stage.deployment.payments().await?.len() == world.stage.orders.len());
    world.until("all is paid", payments).await;
    world.assert_each_paid_once(&world.stage.orders).await;
    for (seat, process) in processes.into_iter().enumerate() {
        assert_eq!(world.stage.ring.seat(seat).process().unwrap().id(), process, "the same process");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_seat_changes_its_certificate_while_orders_are_paid() {
    let mut world = World::new(3, 2, 2, 40).await;
    let paying = world.start_paying();
    let configs: Vec<_> = world.stage.ring.seats().iter().map(|seat| seat.config()).collect();
    let edit = |seat: usize, old: &str, new: &str| {
        let text = fs::read_to_string(&configs[seat]).unwrap();
        assert!(text.contains(old), "{old} is not in {text}");
        fs::write(&configs[seat], text.replace(old, new)).unwrap();
    };
    let folder = configs[0].parent().unwrap();
    let (certificate, key) = (folder.join("new.crt"), folder.join("new.key"));
    let made = std::process::Command::new(world.relayer())
        .args(["certificate", "--name", "127.0.0.1", "--out-cert"])
        .arg(&certificate)
        .arg("--out-key")
        .arg(&key)
        .status();
    assert!(made.unwrap().success());
    let line = |seat: usize, name: &str, after: &str| {
        let text = fs::read_to_string(&configs[seat]).unwrap();
        let from = text.find(after).unwrap();
        let line = text[from..].lines().find(|line| line.starts_with(name)).unwrap();
        line.split_once(" = ").unwrap().1.to_owned()
    };
    let goes_on = "the seat goes on with the configuration as it is now";
    let new = format!("{:?}", certificate.to_str().unwrap());
    let old: Vec<String> = [1, 2].iter().map(|seat| line(*seat, "certificate", "seat = 0\n")).collect();
    for (seat, old) in [1, 2].into_iter().zip(&old) {
        edit(seat, &format!("certificate = {old}"), &format!("certificate = [{old}, {new}]"));
        world.reload(seat, goes_on).await;
    }
    edit(0, &line(0, "certificate", "[peers]"), &new);
    edit(0, &line(0, "private_key", "[peers]"), &format!("{:?}", key.to_str().unwrap()));
    world.reload(0, goes_on).await;
    world.stage.ring.wait_ready(PATIENCE).await.unwrap();
    for (seat, old) in [1, 2].into_iter().zip(&old) {
        edit(seat, &format!("[{old}, {new}]"), &new);
        world.reload(seat, goes_on).await;
    }
    world.stage.ring.wait_ready(PATIENCE).await.unwrap();
    paying.await.unwrap().unwrap();
    world.assert_each_paid_once(&world.stage.orders).await;
}
