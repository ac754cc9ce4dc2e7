//! Spans as a collector gets them.

mod collecting;

use ring_contracts::{Address, B256, RequestId};
use ring_core::Phase;

use super::*;
use collecting::{Collecting, spans};

fn collector(collecting: &Collecting) -> Collector {
    Collector::new(CollectorSettings {
        endpoint: collecting.endpoint().parse().unwrap(),
        headers: Some(Collecting::HEADERS.to_owned().into()),
        authorities: None,
        one_in: 1,
    })
    .unwrap()
}

fn start(collecting: &Collecting) -> (broadcast::Sender<Notice>, CancellationToken, JoinHandle<()>) {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let (notices, receiver) = broadcast::channel(64);
    let domain = Domain { chain_id: 1, contract: Address::ZERO };
    let source = Source { domain, ring: 5, seat: 0, seats: 3 };
    let tracer = Tracer::new(&collector(collecting), source, receiver).unwrap();
    let cancel = CancellationToken::new();
    let running = tokio::spawn(tracer.run(cancel.clone()));
    (notices, cancel, running)
}

fn tell(notices: &broadcast::Sender<Notice>, id: RequestId) {
    let transaction = B256::repeat_byte(9);
    for phase in [Phase::Accepted, Phase::Final { nonce: 3, transaction }] {
        let status = RequestStatus { id, phase };
        assert!(notices.send(Notice::Passing(PassingEvent::Request { status })).is_ok());
    }
}

#[tokio::test]
async fn spans_get_to_the_collector_with_its_key_and_who_sent_them() {
    let mut collecting = Collecting::start(0).await;
    let (notices, _cancel, _running) = start(&collecting);
    let id = RequestId::repeat_byte(7);
    tell(&notices, id);
    let sent = collecting.next().await;
    let names: Vec<&str> = spans(&sent).iter().map(|span| span.name.as_str()).collect();
    assert_eq!(names, ["accepted", "seat 0", "request"]);
    assert!(spans(&sent).iter().all(|span| span.trace_id == id.0));
    let resource = sent.resource_spans[0].resource.as_ref().unwrap();
    let named = |name: &str| resource.attributes.iter().find(|attribute| attribute.key == name).unwrap();
    assert!(format!("{:?}", named("service.name")).contains("ring-relayer"));
    assert!(format!("{:?}", named("ring.id")).contains("IntValue(5)"));
}

#[tokio::test]
async fn a_collector_that_refuses_spans_gets_the_next_ones_all_the_same() {
    let mut collecting = Collecting::start(1).await;
    let (notices, _cancel, _running) = start(&collecting);
    tell(&notices, RequestId::repeat_byte(7));
    assert!(spans(&collecting.next().await).is_empty(), "it refused them");
    tell(&notices, RequestId::repeat_byte(8));
    assert!(spans(&collecting.next().await).iter().all(|span| span.trace_id == [8; 16]));
}

#[tokio::test]
async fn what_is_waiting_is_sent_when_the_process_ends() {
    let mut collecting = Collecting::start(0).await;
    let (notices, cancel, running) = start(&collecting);
    tell(&notices, RequestId::repeat_byte(7));
    drop(notices);
    running.await.unwrap();
    cancel.cancel();
    assert_eq!(spans(&collecting.next().await).len(), 3);
}

#[test]
fn what_a_collector_is_sent_with_does_not_show() {
    let collector = Collector::new(CollectorSettings {
        endpoint: "https://collect.example/hidden?token=hidden".parse().unwrap(),
        headers: Some("Authorization: Bearer hidden".to_owned().into()),
        authorities: None,
        one_in: 1,
    });
    assert!(!format!("{collector:?}").contains("hidden"));
}
