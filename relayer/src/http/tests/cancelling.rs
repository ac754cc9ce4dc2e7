//! Cancelling a request.

use ring_contracts::SignatureError;
use ring_core::{BoundTurn, CancelRefusal};

use super::*;

pub(super) fn body_json() -> Value {
    let digest = B256::repeat_byte(7);
    json!({ "cancellation": { "id": ID, "ring": 1, "request": digest }, "signature": format!("0x{}", "11".repeat(65)) })
}

fn path() -> String {
    CANCEL.replace("{id}", &ID.to_string())
}

/// What a client is told if the driver answers so.
async fn cancelled(answer: Result<RequestStatus, CancelRefusal>) -> Answer {
    let mut answer = Some(answer);
    let server = Server::start(limits()).await.answering(move |command| match command {
        Command::Cancel { cancellation, reply } => {
            assert_eq!(serde_json::to_value(cancellation).unwrap(), body_json());
            reply.send(answer.take().unwrap()).unwrap();
        }
        other => panic!("{other:?}"),
    });
    server.send(&path(), JSON, body_json().to_string()).await
}

#[tokio::test]
async fn a_cancellation_that_is_kept_is_answered_with_how_far_the_request_is() {
    let answer = cancelled(Ok(status(Phase::Cancelling { turn: None }))).await;
    assert_eq!((answer.status, answer.body), (202, json!({ "id": ID, "status": "cancelling" })));
    let turn = Some(BoundTurn { epoch: 2, nonce: 7 });
    let answer = cancelled(Ok(status(Phase::Cancelling { turn }))).await;
    let body = json!({ "id": ID, "status": "cancelling", "epoch": 2, "nonce": 7 });
    assert_eq!((answer.status, answer.body), (202, body));
    let answer = cancelled(Ok(status(Phase::Cancelled))).await;
    assert_eq!((answer.status, answer.body), (200, json!({ "id": ID, "status": "cancelled" })));
}

#[tokio::test]
async fn each_refusal_of_a_cancellation_has_its_status_code_and_field() {
    let (signer, requester) = (Address::with_last_byte(3), Address::with_last_byte(4));
    let (named, actual) = (B256::ZERO, B256::repeat_byte(1));
    for (refusal, status, code, field) in [
        (CancelRefusal::Unknown(ID), 404, "unknown_request", None),
        (CancelRefusal::WrongRing { expected: 1, actual: 2 }, 422, "wrong_ring", Some("cancellation.ring")),
        (CancelRefusal::OtherContent { id: ID, named, actual }, 409, "conflict", Some("cancellation.request")),
        (SignatureError::HighS.into(), 400, "invalid_signature", Some("signature")),
        (CancelRefusal::WrongSigner { signer, requester }, 403, "wrong_signer", Some("signature")),
        (CancelRefusal::Executed { id: ID, nonce: 1, transaction: named }, 409, "too_late", None),
        (CancelRefusal::Ended(ID), 409, "too_late", None),
        (CancelRefusal::JustEnding(ID), 503, "busy", None),
    ] {
        let said = refusal.to_string();
        let answer = cancelled(Err(refusal)).await;
        assert_eq!((answer.status, answer.code(), answer.field()), (status, code, field));
        assert_eq!(answer.message(), said);
    }
}

#[tokio::test]
async fn a_cancellation_of_another_request_than_that_of_the_path_goes_no_further() {
    let mut server = Server::start(limits()).await;
    let with = |pointer: &str, value: Value| {
        let mut json = body_json();
        *json.pointer_mut(pointer).unwrap() = value;
        json.to_string()
    };
    let other = RequestId::repeat_byte(1);
    for (body, field) in [
        (with("/cancellation/id", json!(other)), Some("cancellation.id")),
        (with("/cancellation/request", json!("0x11")), Some("cancellation.request")),
        (with("/signature", json!("0x11")), Some("signature")),
        (with("/cancellation/ring", json!("1")), Some("cancellation.ring")),
        (String::new(), None),
    ] {
        let answer = server.send(&path(), JSON, body).await;
        assert_eq!((answer.status, answer.code(), answer.field()), (400, "malformed", field));
    }
    let answer = server.send(&path(), "text/plain", body_json().to_string()).await;
    assert_eq!((answer.status, answer.code()), (415, "not_json"));
    let answer = server.send("/v1/requests/7/cancel", JSON, body_json().to_string()).await;
    assert_eq!((answer.status, answer.code()), (400, "invalid_id"));
    server.was_not_asked();
}

#[tokio::test]
async fn a_seat_that_runs_cancels_what_waits_and_says_of_what_is_bound_that_it_may_still_be_paid() {
    let mut bench = Bench::new();
    let mut running = bench.start().await;
    let server = Server::of(&bench, &running).await;
    let [bound, waits] = [1, 2].map(|number| bench.request(number));
    for request in [&bound, &waits] {
        server.submit(request).await;
    }
    let cancel = async |by: usize, request: &ring_contracts::SignedRequest| {
        let body = serde_json::to_string(&bench.cancellation_by(by, &request.request)).unwrap();
        let path = CANCEL.replace("{id}", &request.request.id.to_string());
        let answer = server.send(&path, JSON, body).await;
        (
            answer.status,
            answer.body["status"].as_str().or(answer.body["code"].as_str()).unwrap().to_owned(),
            answer.body,
        )
    };
    let listed = async |status: &str| -> Vec<Value> {
        let answer = server.get(&format!("{REQUESTS}?status={status}")).await;
        answer.body["requests"].as_array().unwrap().iter().map(|request| request["id"].clone()).collect()
    };
    // The other requester did not ask for it.
    assert_eq!(cancel(1, &waits).await.0, 403);
    for _ in 0..2 {
        let (status, phase, _) = cancel(0, &waits).await;
        assert_eq!((status, phase.as_str()), (200, "cancelled"));
        let (status, phase, body) = cancel(0, &bound).await;
        assert_eq!((status, phase.as_str(), &body["nonce"]), (202, "cancelling", &json!(0)));
    }
    assert_eq!(cancel(0, &bench.request(3)).await.0, 404);
    assert_eq!(listed("cancelled").await, [json!(waits.request.id)]);
    assert_eq!(listed("cancelling").await, [json!(bound.request.id)]);
    assert_eq!(server.get(HEALTH).await.body["cancelling"], 1);

    bench.execute(&mut running, &[]).await;
    bench.finalize(&running).await;
    assert_eq!(listed("final").await, [json!(bound.request.id)]);
    let body = serde_json::to_string(&bench.cancellation_by(0, &bound.request)).unwrap();
    let answer = server.send(&CANCEL.replace("{id}", &bound.request.id.to_string()), JSON, body).await;
    assert_eq!((answer.status, answer.code()), (409, "too_late"));
    assert_eq!(server.submit(&waits).await.body["status"], "cancelled");
}
