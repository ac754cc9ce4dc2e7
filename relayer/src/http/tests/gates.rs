//! Tokens, scopes and rates.

use std::num::NonZeroU32;

use super::*;

const SECRET: &str = "ring_0123456789abcdef";

fn token(scopes: &[Scope]) -> Token {
    Token { name: "shop".into(), hash: TokenHash::of(SECRET), scopes: scopes.iter().copied().collect() }
}

fn rate(burst: u32) -> Option<Rate> {
    // So slow that no test sees a second turn.
    let number = |number| NonZeroU32::new(number).unwrap();
    Some(Rate { per_second: number(1), burst: number(burst) })
}

async fn with_tokens(tokens: Vec<Token>) -> Server {
    Server::start_with(limits(), |setup| Setup { tokens, ..setup }).await.answering(|command| match command {
        Command::Submit { reply, .. } => drop(reply.send(Receipt::Known(status(Phase::Accepted)))),
        Command::Detail { reply, .. } => drop(reply.send(Some(detail(Phase::Accepted)))),
        Command::Overview { reply } => drop(reply.send(overview())),
        other => panic!("{other:?}"),
    })
}

fn ask(server: &Server, authorization: &str) -> reqwest::RequestBuilder {
    server.client.get(server.url(&format!("{REQUESTS}/{ID}"))).header("authorization", authorization)
}

#[tokio::test]
async fn without_a_token_that_is_known_nothing_is_done() {
    let mut server = Server::start_with(limits(), |setup| Setup { tokens: vec![token(&Scope::ALL)], ..setup }).await;
    let (url, client) = (server.url(&format!("{REQUESTS}/{ID}")), &server.client);
    let none = server.call(client.get(&url)).await;
    assert_eq!(
        (none.status, none.code(), none.challenge.as_deref()),
        (401, "unauthorized", Some("Bearer realm=\"ring\""))
    );
    let hash = ring_contracts::hex::encode(TokenHash::of(SECRET).0);
    for wrong in ["Bearer", "Bearer ", "Bearer x", &format!("Basic {SECRET}"), SECRET, &format!("Bearer {hash}")] {
        let answer = server.call(ask(&server, wrong)).await;
        assert_eq!((answer.status, answer.code()), (401, "unauthorized"), "{wrong}");
    }
    let twice = ask(&server, &format!("Bearer {SECRET}")).header("authorization", format!("Bearer {SECRET}"));
    assert_eq!(server.call(twice).await.status, 401);
    server.was_not_asked();
}

#[tokio::test]
async fn a_token_opens_what_its_scopes_are_for_and_nothing_else() {
    let submit = |server: &Server| server.client.post(server.url(REQUESTS)).header("content-type", JSON).body(body());
    let batch = |server: &Server| server.client.post(server.url(BATCH)).header("content-type", JSON).body("{}");
    for scope in Scope::ALL {
        let server = with_tokens(vec![token(&[scope])]).await;
        for (needed, request) in [
            (Scope::Submit, submit(&server)),
            (Scope::Submit, batch(&server)),
            (Scope::Read, server.client.get(server.url(&format!("{REQUESTS}/{ID}")))),
            (Scope::Read, server.client.get(server.url(&format!("{REQUESTS}?limit=0")))),
            (Scope::Read, server.client.get(server.url(super::super::KEY))),
            (Scope::Events, server.client.get(server.url(&format!("{EVENTS}?lastEventId=x")))),
        ] {
            let answer = server.call(request.header("authorization", format!("bearer {SECRET}"))).await;
            match scope == needed {
                true => assert!([200, 400].contains(&answer.status), "{scope:?} {answer:?}"),
                false => {
                    assert_eq!((answer.status, answer.code()), (403, "scope_missing"), "{scope:?} {needed:?}");
                    assert!(answer.challenge.unwrap().contains(&format!("scope=\"{}\"", needed.name())));
                }
            }
        }
    }
}

#[tokio::test]
async fn how_a_relayer_is_and_its_description_are_open_always() {
    let server = with_tokens(vec![token(&[Scope::Submit])]).await;
    assert_eq!(server.get(HEALTH).await.status, 200);
    assert_eq!(server.get(ALIVE).await.status, 200);
    assert_eq!(server.client.get(server.url(OPENAPI)).send().await.unwrap().status(), 200);
    assert_eq!(server.get("/nowhere").await.status, 404);
}

#[tokio::test]
async fn wrong_tokens_are_counted_and_a_right_one_counts_all_the_same() {
    let server = with_tokens(vec![token(&Scope::ALL)]).await;
    for _ in 0..10 {
        assert_eq!(server.call(ask(&server, "Bearer x")).await.status, 401);
    }
    let answer = server.call(ask(&server, "Bearer x")).await;
    assert_eq!((answer.status, answer.code()), (429, "too_many_requests"));
    assert!(answer.retry_after.unwrap() >= 1);
    assert_eq!(server.call(ask(&server, &format!("Bearer {SECRET}"))).await.status, 200);
}

#[tokio::test]
async fn each_token_has_a_rate_of_its_own() {
    let other = Token { name: "other".into(), hash: TokenHash::of("ring_other"), scopes: [Scope::Read].into() };
    let tokens = vec![token(&[Scope::Read]), other];
    let slow = Rate { per_second: NonZeroU32::MIN, burst: NonZeroU32::new(3).unwrap() };
    let setup = |setup| Setup { tokens, rate: Some(slow), ..setup };
    let server = Server::start_with(limits(), setup).await.answering(|command| match command {
        Command::Detail { reply, .. } => drop(reply.send(None)),
        other => panic!("{other:?}"),
    });
    let mut statuses = BTreeSet::new();
    // More than could come back within the time that all of these take.
    for _ in 0..60 {
        statuses.insert(server.call(ask(&server, &format!("Bearer {SECRET}"))).await.status);
    }
    assert_eq!(statuses, BTreeSet::from([404, 429]));
    assert_eq!(server.call(ask(&server, "Bearer ring_other")).await.status, 404);
}

#[tokio::test]
async fn without_tokens_each_address_has_a_rate() {
    let setup = |setup| Setup { rate: rate(2), ..setup };
    let server = Server::start_with(limits(), setup).await.answering(|command| match command {
        Command::Detail { reply, .. } => drop(reply.send(None)),
        Command::Overview { reply } => drop(reply.send(overview())),
        other => panic!("{other:?}"),
    });
    let mut last = server.get(&format!("{REQUESTS}/{ID}")).await;
    for _ in 0..60 {
        if last.status == 429 {
            break;
        }
        last = server.get(&format!("{REQUESTS}/{ID}")).await;
    }
    assert_eq!((last.status, last.code()), (429, "too_many_requests"));
    assert_eq!(server.get(HEALTH).await.status, 200, "health is not limited");
}
