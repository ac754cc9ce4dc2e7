//! Whatever comes from outside: never a panic, never a 500.

use axum::http::{HeaderMap, HeaderValue};
use proptest::prelude::*;
use ring_contracts::SignedRequest;
use tower::ServiceExt;

use super::*;

/// JSON of any shape, somewhat like a request.
fn json_like() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        ".{0,8}".prop_map(Value::from),
        "0x[0-9a-f]{0,140}".prop_map(Value::from),
        Just(request_json()),
        Just(request_json()["request"].clone()),
    ];
    let key = prop_oneof![
        Just("request".to_owned()),
        Just("requests".to_owned()),
        Just("signature".to_owned()),
        Just("id".to_owned()),
        Just("value".to_owned()),
        Just("gas".to_owned()),
        ".{0,4}",
    ];
    leaf.prop_recursive(4, 24, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            prop::collection::btree_map(key.clone(), inner, 0..5).prop_map(Value::from_iter),
        ]
    })
}

/// Bytes: any, JSON, and JSON that was cut or has a byte changed.
fn body_like() -> impl Strategy<Value = Vec<u8>> {
    let damaged = (json_like(), any::<prop::sample::Index>(), any::<u8>()).prop_map(|(json, at, byte)| {
        let mut bytes = json.to_string().into_bytes();
        let index = at.index(bytes.len());
        bytes[index] = byte;
        bytes
    });
    let cut = (json_like(), any::<prop::sample::Index>()).prop_map(|(json, at)| {
        let mut bytes = json.to_string().into_bytes();
        bytes.truncate(at.index(bytes.len()));
        bytes
    });
    prop_oneof![
        prop::collection::vec(any::<u8>(), 0..64),
        json_like().prop_map(|json| json.to_string().into_bytes()),
        json_like().prop_map(|json| json!({ "requests": [json] }).to_string().into_bytes()),
        damaged,
        cut,
    ]
}

/// Paths with queries: any, and such with names and values that there are.
fn uri_like() -> impl Strategy<Value = String> {
    let value = prop_oneof![
        "[a-z,]{0,10}",
        "[0-9]{0,3}",
        "[0-9]{15,25}",
        "c[0-9a-f]{0,20}",
        "0x[0-9a-fA-F]{0,42}",
        "%[0-9a-f]{0,2}",
        "[ -~]{0,12}",
        Just("final".to_owned()),
        Just(EventId::new(KEY, crate::store::Place::START).to_string()),
    ];
    let of_path = prop_oneof![
        Just((REQUESTS.to_owned(), &["status", "requester", "limit", "cursor"][..])),
        Just((format!("{REQUESTS}/{ID}"), &["wait", "timeout"][..])),
        Just((EVENTS.to_owned(), &["lastEventId"][..])),
    ];
    let known = (of_path.clone(), prop::collection::vec((any::<prop::sample::Index>(), value), 0..3));
    let known = known.prop_map(|((path, names), pairs)| {
        let pairs = pairs.into_iter().map(|(name, value)| format!("{}={value}", name.get(names)));
        format!("{path}?{}", pairs.collect::<Vec<_>>().join("&"))
    });
    prop_oneof![3 => known, 1 => (of_path, ".{0,40}").prop_map(|((path, _), query)| format!("{path}?{query}"))]
}

/// Answers everything as nobody would mind.
fn anybody(command: Command) {
    match command {
        Command::Submit { reply, .. } => drop(reply.send(Receipt::Known(status(Phase::Accepted)))),
        Command::SubmitAll { requests, .. } => {
            for (_, reply) in requests {
                let _ = reply.send(Receipt::Known(status(Phase::Accepted)));
            }
        }
        Command::Detail { reply, .. } | Command::Watch { reply, .. } => drop(reply.send(None)),
        Command::List { reply, .. } => drop(reply.send(crate::driver::Page { requests: Vec::new(), next: None })),
        Command::History { after, reply, .. } => {
            let place = crate::store::Place::START;
            drop(reply.send(crate::store::History { changes: Vec::new(), reached: after, end: place }));
        }
        other => panic!("{other:?}"),
    }
}

/// The status of the answer to a request, through the whole router.
fn answered(method: &str, uri: &str, headers: HeaderMap, body: Vec<u8>) -> Option<u16> {
    let mut request = Request::builder().method(method).uri(uri).body(axum::body::Body::from(body)).ok()?;
    *request.headers_mut() = headers;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    runtime.block_on(async {
        let (handle, mut commands) = Handle::channel(16);
        tokio::spawn(async move {
            while let Some(command) = commands.recv().await {
                anybody(command);
            }
        });
        let tokens = match request.headers().contains_key("authorization") {
            true => vec![Token { name: "t".into(), hash: TokenHash::of("t"), scopes: Scope::ALL.into() }],
            false => Vec::new(),
        };
        let router =
            of_client(router(Setup { tokens, ..setup(handle) }, CancellationToken::new()), [127, 0, 0, 1].into());
        Some(router.oneshot(request).await.unwrap().status().as_u16())
    })
}

fn json_headers() -> HeaderMap {
    HeaderMap::from_iter([(header::CONTENT_TYPE, HeaderValue::from_static(JSON))])
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn no_body_makes_a_parser_panic(bytes in body_like()) {
        let _ = body::parse::<SignedRequest>(&bytes);
        let _ = body::parse::<Vec<ring_core::Message>>(&bytes);
        if let Ok(items) = batch::read(&bytes) {
            prop_assert!((1..=500).contains(&items.len()));
        }
    }

    #[test]
    fn no_body_makes_a_server_fail(bytes in body_like()) {
        for path in [REQUESTS, BATCH] {
            let status = answered("POST", path, json_headers(), bytes.clone()).unwrap();
            prop_assert!([200, 400].contains(&status), "{path} {status}");
        }
    }

    #[test]
    fn no_query_makes_a_server_fail(uri in uri_like()) {
        if let Some(status) = answered("GET", &uri, HeaderMap::new(), Vec::new()) {
            prop_assert!([200, 400, 404].contains(&status), "{uri} {status}");
        }
    }

    #[test]
    fn no_path_method_or_header_makes_a_server_fail(
        path in "/[ -~]{0,30}",
        id in "[ -~]{0,40}",
        method in "[A-Z]{1,8}",
        header in prop::collection::vec(any::<u8>(), 0..40),
    ) {
        for uri in [path, format!("{REQUESTS}/{id}"), format!("{REQUESTS}/%{id}")] {
            if let Some(status) = answered(&method, &uri, HeaderMap::new(), Vec::new()) {
                prop_assert!(status < 500, "{method} {uri} {status}");
            }
        }
        if let Ok(value) = HeaderValue::from_bytes(&header) {
            for name in [header::AUTHORIZATION, header::CONTENT_TYPE, "last-event-id".parse().unwrap()] {
                for (method, path) in [("POST", REQUESTS), ("GET", EVENTS)] {
                    let headers = HeaderMap::from_iter([(name.clone(), value.clone())]);
                    let status = answered(method, path, headers, Vec::new()).unwrap();
                    prop_assert!(status < 500, "{method} {path} {name} {status}");
                }
            }
        }
    }

    #[test]
    fn what_is_written_is_read_again(before in 1i64.., seq in 0i64.., index: u32) {
        let listing = query::listing(Some(&format!("cursor={}", query::cursor(before)))).unwrap();
        prop_assert_eq!(listing.before, Some(before));
        let place = crate::store::Place { seq, index };
        prop_assert_eq!(EventId::parse(&EventId::new(KEY, place).to_string(), KEY), Some(place));
    }
}
