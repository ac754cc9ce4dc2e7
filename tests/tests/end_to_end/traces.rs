//! What OpenTelemetry shows of a ring.

use std::{collections::BTreeMap, fs::OpenOptions, io::Write as _, os::unix::fs::OpenOptionsExt as _};

use opentelemetry_proto::tonic::trace::v1::Span;

use crate::{
    collecting::{Collecting, spans},
    world::{PATIENCE, World},
};

#[tokio::test(flavor = "multi_thread")]
async fn one_request_is_one_trace_over_all_seats() {
    let mut world = World::new(3, 2, 2, 1).await;
    let mut collecting = Collecting::start(0).await;
    world.stage.ring.stop().await;
    for seat in 0..3 {
        let config = world.stage.ring.seat(seat).config();
        let mut headers = OpenOptions::new();
        let headers = headers.write(true).create_new(true).mode(0o600).open(config.with_file_name("collector.headers"));
        headers.unwrap().write_all(Collecting::HEADERS.as_bytes()).unwrap();
        let traces =
            format!("\n[traces]\nendpoint = \"{}\"\nheaders_file = \"collector.headers\"\n", collecting.endpoint());
        OpenOptions::new().append(true).open(config).unwrap().write_all(traces.as_bytes()).unwrap();
    }
    world.stage.ring.start().unwrap();
    world.stage.ring.wait_ready(PATIENCE).await.unwrap();

    let order = world.stage.orders[0].clone();
    let client = &world.stage.ring.clients().unwrap()[0];
    client.submit(&world.backend.request(&order).unwrap()).await.unwrap();
    let mut all: Vec<Span> = Vec::new();
    let named = |all: &[Span], name: &str| all.iter().filter(|span| span.name == name).cloned().collect::<Vec<_>>();
    while ["request", "seat 0", "seat 1", "seat 2"].iter().any(|name| named(&all, name).is_empty()) {
        all.extend(spans(&collecting.next().await).into_iter().cloned());
    }
    assert!(all.iter().all(|span| span.trace_id == order.request_id().as_slice()), "{all:#?}");
    let by_id: BTreeMap<&[u8], &Span> = all.iter().map(|span| (&*span.span_id, span)).collect();
    assert_eq!(by_id.len(), all.len(), "no two spans have the same id");
    let roots: Vec<&Span> = all.iter().filter(|span| span.parent_span_id.is_empty()).collect();
    assert!(matches!(roots[..], [root] if root.name == "request"), "{roots:#?}");
    for span in all.iter().filter(|span| span.name != "request") {
        let parent = by_id.get(&*span.parent_span_id).unwrap_or_else(|| panic!("{span:#?} has no parent"));
        assert!(parent.name == "request" || parent.name.starts_with("seat "), "{parent:#?}");
    }
    // Which of the first two a seat sees depends on whether it hears of the turn together with the request.
    for names in [&["accepted", "signing"][..], &["executed"]] {
        assert!(names.iter().any(|name| !named(&all, name).is_empty()), "nobody says how long it was {names:?}");
    }
}
