//! Connecting, and telling the right chain and contract from others.

use alloy::primitives::{Address, Bytes};
use ring_contracts::{CodeError, Domain};
use ring_relayer::chain::{ChainError, Endpoints, Finality, WatcherSettings};

use crate::{
    anvil::{Anvil, connect},
    proxy::{Proxy, Verdict},
    treasury::{CHAIN_ID, RING, Treasury},
};

async fn verify(endpoints: &Endpoints, domain: &Domain) -> Result<(), ChainError> {
    endpoints.verify(domain, Finality::Finalized).await
}

#[tokio::test]
async fn the_right_chain_and_contract_are_accepted_over_http_and_ws() {
    let treasury = Treasury::new().await;
    for url in [treasury.anvil.http(), treasury.anvil.ws()] {
        let provider = connect(&url).await;
        verify(&provider, &treasury.domain).await.unwrap_or_else(|error| panic!("{url}: {error}"));
    }
}

#[tokio::test]
async fn what_is_final_of_a_ring_is_told_apart_from_what_its_head_says() {
    let mut treasury = Treasury::new().await;
    let endpoints = treasury.anvil.endpoints.clone();
    let settings = WatcherSettings { finality: Finality::Depth(2), ..treasury.watcher_settings() };
    let epochs = async |treasury: &Treasury| {
        let head = endpoints.ring(&treasury.domain, RING).await.expect("it is there");
        let last = endpoints.final_ring(settings.clone()).await.expect("it can be read");
        (head.epoch, last.map(|ring| ring.epoch))
    };
    treasury.anvil.mine(2).await;
    assert_eq!(epochs(&treasury).await, (1, Some(1)));
    treasury.reform(|charter| charter.cap += 1).await;
    assert_eq!(epochs(&treasury).await, (2, Some(1)));
    treasury.anvil.mine(1).await;
    assert_eq!(epochs(&treasury).await, (2, Some(1)));
    treasury.anvil.mine(1).await;
    assert_eq!(epochs(&treasury).await, (2, Some(2)));
    let before_the_contract = WatcherSettings { finality: Finality::Depth(1_000), ..settings };
    assert_eq!(endpoints.final_ring(before_the_contract).await.expect("it can be read"), None);
}

#[tokio::test]
async fn another_chain_is_refused_with_both_numbers() {
    let treasury = Treasury::new().await;
    let domain = Domain { chain_id: 1, ..treasury.domain };
    let error = verify(&treasury.anvil.endpoints, &domain).await.expect_err("it is another chain");
    assert!(matches!(error, ChainError::WrongChain { expected: 1, actual: CHAIN_ID, .. }), "{error}");
    assert!(error.to_string().contains("serves chain 31337, the configuration says 1"), "{error}");
}

#[tokio::test]
async fn an_address_without_code_is_refused() {
    let anvil = Anvil::start(&[]).await;
    let domain = Domain { chain_id: CHAIN_ID, contract: Address::with_last_byte(9) };
    let error = verify(&anvil.endpoints, &domain).await.expect_err("nothing is there");
    assert!(matches!(error, ChainError::Code { source: CodeError::Missing { .. }, .. }), "{error}");
}

#[tokio::test]
async fn an_address_with_other_code_is_refused() {
    let treasury = Treasury::new().await;
    let other = Address::with_last_byte(9);
    let domain = Domain { contract: other, ..treasury.domain };
    treasury.anvil.set_code(other, Bytes::from_static(&[0x5f])).await;
    let error = verify(&treasury.anvil.endpoints, &domain).await.expect_err("it is no treasury");
    assert!(matches!(error, ChainError::Code { source: CodeError::Other { actual: 1, .. }, .. }), "{error}");

    // The code of another treasury holds another domain.
    let code = treasury.anvil.ask("eth_getCode", serde_json::json!([treasury.domain.contract, "latest"])).await;
    treasury.anvil.ask("anvil_setCode", serde_json::json!([other, code])).await;
    let error = verify(&treasury.anvil.endpoints, &domain).await.expect_err("it is another treasury");
    assert!(matches!(error, ChainError::Code { source: CodeError::Other { .. }, .. }), "{error}");
}

#[tokio::test]
async fn an_rpc_that_cannot_be_used_is_named_without_its_secrets() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    for url in ["ftp://127.0.0.1/secret", "secret"] {
        let error = Endpoints::connect([url], 1).await.expect_err("no RPC speaks that");
        assert!(matches!(error, ChainError::Url { .. }), "{error}");
        assert!(!error.to_string().contains("secret"), "{error}");
    }
    let error = Endpoints::connect(["ws://127.0.0.1:1/secret"], 1).await.expect_err("nobody listens");
    assert!(matches!(&error, ChainError::Unreachable { rpc, .. } if rpc == "rpc[0] (127.0.0.1)"), "{error}");
    assert!(!error.to_string().contains("secret"), "{error}");

    let provider = connect("http://127.0.0.1:1/secret").await;
    let domain = Domain { chain_id: CHAIN_ID, contract: Address::ZERO };
    let error = verify(&provider, &domain).await.expect_err("nobody listens");
    assert!(matches!(error, ChainError::Rpc { .. }), "{error}");
    assert!(!error.to_string().contains("secret"), "{error}");
}

#[tokio::test]
async fn an_rpc_that_fails_is_not_taken_for_one_without_the_contract() {
    let treasury = Treasury::new().await;
    let proxy = Proxy::start(treasury.anvil.http(), |method, _| match method {
        "eth_getCode" => Verdict::Status(503),
        _ => Verdict::Forward,
    });
    let proxy = proxy.await;
    let provider = connect(proxy.url()).await;
    let error = verify(&provider, &treasury.domain).await.expect_err("it fails");
    assert!(matches!(error, ChainError::Rpc { .. }), "{error}");
}

#[tokio::test]
async fn a_node_that_does_not_know_what_is_final_is_refused_with_the_tag() {
    let treasury = Treasury::new().await;
    for (finality, tag) in [(Finality::Finalized, "finalized"), (Finality::Safe, "safe")] {
        let proxy = Proxy::start(treasury.anvil.http(), move |method, parameters| match method {
            "eth_getBlockByNumber" if parameters[0] == tag => Verdict::Refuse(-32602, "invalid block tag"),
            _ => Verdict::Forward,
        });
        let proxy = proxy.await;
        let endpoints = connect(proxy.url()).await;
        let error = endpoints.verify(&treasury.domain, finality).await.expect_err("it does not know the tag");
        assert!(matches!(error, ChainError::Finality { .. }), "{error}");
        assert!(error.to_string().contains(&format!("does not know the {tag} block")), "{error}");
        endpoints.verify(&treasury.domain, Finality::Depth(5)).await.expect("it is not asked for the tag");
        treasury.anvil.endpoints.verify(&treasury.domain, finality).await.expect("Anvil knows it");
    }
}
