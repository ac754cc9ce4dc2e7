use super::*;

/// What `/readyz` says of a seat, with this wrong.
async fn readiness(overview: Overview, change: impl FnOnce(Setup) -> Setup) -> (u16, Vec<String>) {
    let server = Server::start_with(limits(), change).await.answering(move |command| match command {
        Command::Overview { reply } => drop(reply.send(overview.clone())),
        Command::Probe { reply } => drop(reply.send(())),
        other => panic!("{other:?}"),
    });
    let answer = server.get(READY).await;
    let reasons = answer.body["reasons"].as_array().unwrap();
    assert_eq!(answer.body["ready"], json!(reasons.is_empty()));
    assert!(reasons.iter().all(|reason| !reason["detail"].as_str().unwrap().is_empty()));
    (answer.status, reasons.iter().map(|reason| reason["code"].as_str().unwrap().to_owned()).collect())
}

fn alone() -> Overview {
    Overview { window: vec![0], ..overview() }
}

#[tokio::test]
async fn a_seat_is_ready_only_if_a_request_would_be_paid() {
    assert_eq!(readiness(alone(), |setup| setup).await, (200, vec![]));
    let halt = Overview { halted_because: Some("drill".into()), ..alone() };
    let fault = chain::Connection { fault: Some("connection refused".into()), ..Default::default() };
    let chain = watch::Sender::new(fault).subscribe();
    for (overview, change, reasons) in [
        (Overview { head: None, ..alone() }, None, &["chain"][..]),
        (Overview { epoch: None, ..alone() }, None, &["not_joined"]),
        (halt, None, &["halted"]),
        (Overview { window: vec![1, 2], ..alone() }, None, &["no_quorum"]),
        (Overview { window: vec![0, 1], ..alone() }, Some((2, 2)), &["no_quorum", "no_copies"]),
        (Overview { window: vec![0, 1], ..alone() }, Some((1, 2)), &["no_copies"]),
        (Overview { head: None, epoch: None, window: vec![], ..alone() }, None, &["chain", "not_joined"]),
    ] {
        let (quorum, copies) = change.unwrap_or((1, 1));
        let found = readiness(overview, |setup| Setup { quorum, copies, ..setup }).await;
        assert_eq!(found, (503, reasons.iter().map(|reason| (*reason).to_owned()).collect()));
    }
    assert_eq!(readiness(alone(), |setup| Setup { chain, ..setup }).await, (503, vec!["chain".to_owned()]));
}

#[tokio::test]
async fn a_process_that_answers_is_alive_whatever_else_it_is() {
    let mut server = Server::start(limits()).await;
    server.commands = None;
    assert_eq!(server.get(ALIVE).await.status, 200);
    let answer = server.get(READY).await;
    assert_eq!((answer.status, &answer.body["reasons"][0]["code"]), (503, &json!("stopping")));
}

#[tokio::test]
async fn a_seat_that_runs_is_ready_and_its_store_is_tried() {
    let bench = Bench::new();
    let running = bench.start().await;
    let server = Server::of(&bench, &running).await;
    assert_eq!(server.get(READY).await.status, 200);
    running.stop();
    assert_eq!(server.get(READY).await.status, 503);
    bench.store().probe().unwrap();
}
