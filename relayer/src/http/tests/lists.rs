//! Lists, waiting, and many requests in one body.

use ring_contracts::SignedRequest;

use super::*;

fn batch(requests: &[Value]) -> String {
    json!({ "requests": requests }).to_string()
}

fn value(request: &SignedRequest) -> Value {
    serde_json::to_value(request).unwrap()
}

/// All pages of a list: the first byte of each id, in order.
async fn listed(server: &Server, query: &str) -> Vec<u8> {
    let (mut all, mut cursor) = (Vec::new(), String::new());
    loop {
        let answer = server.get(&format!("{REQUESTS}?limit=2&{query}{cursor}")).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        let requests = answer.body["requests"].as_array().unwrap();
        assert!(requests.len() <= 2);
        all.extend(requests.iter().map(|request| request["id"].as_str().unwrap().parse::<RequestId>().unwrap()[0]));
        match answer.body["nextCursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return all,
        }
    }
}

#[tokio::test]
async fn each_request_of_a_batch_is_taken_or_refused_by_itself() {
    let bench = Bench::new();
    let running = bench.start().await;
    let server = Server::of(&bench, &running).await;
    let mut other_content = bench.request(1);
    other_content.request.gas = 60_000;
    let mut without_gas = value(&bench.request(3));
    without_gas["request"].as_object_mut().unwrap().remove("gas");
    let mut wrong_ring = bench.request(4);
    wrong_ring.request.ring = 2;
    let requests = [
        value(&bench.request(1)),
        value(&other_content),
        json!(7),
        value(&bench.request(2)),
        without_gas,
        value(&wrong_ring),
        value(&bench.request(2)),
    ];
    let answer = server.post_batch(batch(&requests)).await;
    assert_eq!(answer.status, 200);
    let results = answer.body["results"].as_array().unwrap();
    let codes: Vec<_> = results.iter().map(|result| result["statusCode"].as_u64().unwrap()).collect();
    assert_eq!(codes, [202, 409, 400, 202, 400, 422, 200]);
    for (result, request) in results.iter().zip(&requests) {
        match result["problem"].is_null() {
            true => assert_eq!(result["request"]["id"], request["request"]["id"]),
            false => check_problem(&result["problem"], result["statusCode"].as_u64().unwrap() as u16),
        }
    }
    assert_eq!(results[2]["problem"]["field"], "requests[2]");
    assert_eq!(results[4]["problem"]["field"], "requests[4].request");
    let found = server.get(&format!("{REQUESTS}/{}", RequestId::repeat_byte(2))).await;
    assert_eq!((found.status, &found.body["request"]), (200, &requests[3]["request"]));
}

#[tokio::test]
async fn a_batch_has_one_to_five_hundred_requests_and_a_longer_body() {
    let bench = Bench::new();
    let running = bench.start().await;
    let server = Server::of(&bench, &running).await;
    for text in
        [batch(&[]), batch(&vec![json!(1); 501]), "[]".into(), "{}".into(), json!({ "requests": 1 }).to_string()]
    {
        let answer = server.post_batch(text).await;
        assert_eq!((answer.status, answer.code()), (400, "malformed"));
    }
    let answer = server.post_batch(batch(&vec![value(&bench.request(1)); 500])).await;
    assert_eq!(answer.body["results"].as_array().unwrap().len(), 500);
    let padded = |length: usize| batch(&[value(&bench.request(1))]) + &" ".repeat(length);
    assert_eq!(server.post_batch(padded(2_000_000)).await.status, 200);
    assert_eq!(server.post_batch(padded(2 * 1024 * 1024)).await.code(), "too_large");
}

#[tokio::test]
async fn a_list_has_what_is_asked_for_and_the_newest_first() {
    let mut bench = Bench::new();
    let mut running = bench.start().await;
    let server = Server::of(&bench, &running).await;
    for number in [1, 2] {
        server.submit(&bench.request_by(0, number)).await;
        bench.execute(&mut running, &[RequestId::repeat_byte(2)]).await;
    }
    bench.finalize(&running).await;
    server.submit(&bench.request_by(1, 3)).await;
    bench.execute(&mut running, &[]).await;
    server.submit(&bench.request_by(0, 4)).await;
    let (one, other) = (bench.requester(0), bench.requester(1));
    for (query, expected) in [
        ("".to_owned(), &[4, 3, 2, 1][..]),
        ("status=final".into(), &[1]),
        ("status=failed".into(), &[2]),
        ("status=final,failed".into(), &[2, 1]),
        ("status=executed".into(), &[3]),
        ("status=signing".into(), &[4]),
        ("status=final,signing,executed".into(), &[4, 3, 1]),
        ("status=disputed".into(), &[]),
        (format!("requester={one}"), &[4, 2, 1]),
        (format!("requester={other}"), &[3]),
        (format!("requester={one}&status=signing,failed"), &[4, 2]),
        (format!("requester={}", Address::ZERO), &[]),
    ] {
        assert_eq!(listed(&server, &query).await, expected, "{query}");
    }
    let answer = server.get(&format!("{REQUESTS}?status=final")).await;
    let found = &answer.body["requests"][0];
    assert_eq!(found["requester"], json!(one));
    assert_eq!(found["request"], value(&bench.request(1))["request"]);
}

#[tokio::test]
async fn what_arrives_meanwhile_changes_no_page_behind() {
    let bench = Bench::new();
    let running = bench.start().await;
    let server = Server::of(&bench, &running).await;
    for number in 1..=5 {
        server.submit(&bench.request(number)).await;
    }
    let first = server.get(&format!("{REQUESTS}?limit=2")).await;
    let cursor = first.body["nextCursor"].as_str().unwrap().to_owned();
    for number in 6..=9 {
        server.submit(&bench.request(number)).await;
    }
    let second = server.get(&format!("{REQUESTS}?limit=2&cursor={cursor}")).await;
    let ids: Vec<_> = second.body["requests"].as_array().unwrap().iter().map(|request| &request["id"]).collect();
    assert_eq!(ids, [&json!(RequestId::repeat_byte(3)), &json!(RequestId::repeat_byte(2))]);
}

#[tokio::test]
async fn a_query_that_makes_no_sense_is_refused_by_its_parameter() {
    let mut server = Server::start(limits()).await;
    let id = format!("{REQUESTS}/{ID}");
    for (path, field) in [
        (format!("{REQUESTS}?status=paid"), "status"),
        (format!("{REQUESTS}?status="), "status"),
        (format!("{REQUESTS}?status=final,"), "status"),
        (format!("{REQUESTS}?status=final&status=failed"), "status"),
        (format!("{REQUESTS}?limit=0"), "limit"),
        (format!("{REQUESTS}?limit=101"), "limit"),
        (format!("{REQUESTS}?limit=%2B5"), "limit"),
        (format!("{REQUESTS}?limit=-1"), "limit"),
        (format!("{REQUESTS}?cursor=5"), "cursor"),
        (format!("{REQUESTS}?cursor=c-5"), "cursor"),
        (format!("{REQUESTS}?cursor=c05"), "cursor"),
        (format!("{REQUESTS}?requester=0x12"), "requester"),
        (format!("{REQUESTS}?state=final"), "state"),
        (format!("{id}?wait=forever"), "wait"),
        (format!("{id}?wait=final&timeout=61"), "timeout"),
        (format!("{id}?timeout=5"), "timeout"),
        (format!("{EVENTS}?since=5"), "since"),
    ] {
        let answer = server.get(&path).await;
        assert_eq!((answer.status, answer.code(), answer.field()), (400, "invalid_query", Some(field)), "{path}");
    }
    server.was_not_asked();
}

#[tokio::test]
async fn whoever_waits_is_answered_when_the_request_is_so_far_and_not_before() {
    let mut bench = Bench::new();
    let mut running = bench.start().await;
    let server = Arc::new(Server::of(&bench, &running).await);
    server.submit(&bench.request(1)).await;
    let wait = |goal: &'static str| {
        let server = server.clone();
        tokio::spawn(async move {
            let answer = server.get(&format!("{REQUESTS}/{}?wait={goal}&timeout=60", RequestId::repeat_byte(1))).await;
            (answer.status, answer.body["status"].as_str().unwrap().to_owned())
        })
    };
    assert_eq!(wait("accepted").await.unwrap().0, 200);
    let (executed, end) = (wait("executed"), wait("final"));
    bench.execute(&mut running, &[RequestId::repeat_byte(1)]).await;
    assert_eq!(executed.await.unwrap(), (200, "executed".into()));
    assert!(!end.is_finished());
    bench.finalize(&running).await;
    assert_eq!(end.await.unwrap(), (200, "failed".into()));
    assert_eq!(wait("accepted").await.unwrap(), (200, "failed".into()));
}

#[tokio::test]
async fn whoever_runs_out_of_patience_is_told_how_far_it_is() {
    let bench = Bench::new();
    let running = bench.start().await;
    let server = Server::of(&bench, &running).await;
    server.submit(&bench.request(1)).await;
    let answer = server.get(&format!("{REQUESTS}/{}?wait=final&timeout=0", RequestId::repeat_byte(1))).await;
    assert_eq!((answer.status, &answer.body["status"]), (200, &json!("signing")));
    let unknown = server.get(&format!("{REQUESTS}/{}?wait=final&timeout=60", RequestId::repeat_byte(9))).await;
    assert_eq!((unknown.status, unknown.code()), (404, "unknown_request"));
}
