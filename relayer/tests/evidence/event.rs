//! An event on a real Anvil.

use std::time::Duration;

use alloy::primitives::{Address, B256, Bytes, U256, keccak256};
use ring_core::Evidence;
use ring_relayer::{
    chain::Finality,
    evidence::{Event, EventSettings, Pace, Sources},
};

use crate::{
    anvil::Anvil,
    requests::{DOMAIN, token_transfer},
};

const CONFIRMATIONS: u64 = 3;

/// Emits a log with its call data: the first two words are the topics, what follows is the data.
const EMITTER: &str = "0x604036036040600037602035600035604036036000a200";

fn source(anvil: &Anvil, contract: Address, chain_id: u64) -> Sources {
    let settings = EventSettings {
        name: "deposits".into(),
        rpc: anvil.http().parse().unwrap(),
        chain_id,
        contract,
        event: "Deposit(bytes16 indexed id, uint256 amount)".into(),
        compared: vec![("id".into(), "{id}".into()), ("amount".into(), "{amount}".into())],
        finality: Finality::Depth(CONFIRMATIONS),
        from_block: 0,
        pace: Pace { parallel: 4, timeout: Duration::from_secs(20) },
    };
    Sources::new(DOMAIN, vec![Box::new(Event::new(settings).unwrap())])
}

struct Contract {
    anvil: Anvil,
    address: Address,
}

impl Contract {
    async fn deploy() -> Self {
        let anvil = Anvil::start(&[]).await;
        let address = Address::with_last_byte(0xed);
        anvil.set_code(address, EMITTER.parse().unwrap()).await;
        Self { anvil, address }
    }

    async fn emit(&self, to: Address, id: u8, amount: u64) {
        let mut topic = B256::ZERO;
        topic[..16].fill(id);
        let words = [keccak256("Deposit(bytes16,uint256)"), topic, U256::from(amount).into()];
        self.anvil.send(self.anvil.accounts[0], Some(to), Bytes::from(words.concat())).await;
    }

    async fn deposit(&self, id: u8, amount: u64) {
        self.emit(self.address, id, amount).await;
    }

    fn source(&self) -> Sources {
        source(&self.anvil, self.address, 31_337)
    }

    async fn ask(&self, id: u8, amount: u64) -> Evidence {
        self.source().ask(&token_transfer(id, U256::from(amount))).await
    }
}

fn refuted(reason: &str) -> Evidence {
    Evidence::Refuted { reason: format!("deposits: {reason}") }
}

#[tokio::test]
async fn an_event_confirms_once_enough_blocks_are_on_top_of_it() {
    let contract = Contract::deploy().await;
    assert_eq!(contract.ask(1, 1_000).await, Evidence::NotYet, "the chain is too short for any");
    contract.anvil.mine(5).await;
    assert_eq!(contract.ask(1, 1_000).await, Evidence::NotYet);
    contract.deposit(1, 1_000).await;
    for _ in 0..CONFIRMATIONS {
        assert_eq!(contract.ask(1, 1_000).await, Evidence::NotYet);
        contract.anvil.mine(1).await;
    }
    assert_eq!(contract.ask(1, 1_000).await, Evidence::Genuine);
    assert_eq!(contract.ask(2, 1_000).await, Evidence::NotYet, "that of another request");
}

#[tokio::test]
async fn an_event_with_another_amount_refutes() {
    let contract = Contract::deploy().await;
    contract.deposit(1, 999).await;
    contract.anvil.mine(3).await;
    assert_eq!(contract.ask(1, 1_000).await, refuted("amount of the event is 999, not 1000"));
}

#[tokio::test]
async fn two_events_of_one_id_confirm_nothing() {
    let contract = Contract::deploy().await;
    contract.deposit(1, 1_000).await;
    contract.deposit(1, 1_000).await;
    contract.anvil.mine(3).await;
    assert_eq!(contract.ask(1, 1_000).await, refuted("2 events have its id"));
}

#[tokio::test]
async fn the_event_of_another_contract_is_none() {
    let contract = Contract::deploy().await;
    let other = Address::with_last_byte(0xee);
    contract.anvil.set_code(other, EMITTER.parse().unwrap()).await;
    contract.emit(other, 1, 1_000).await;
    contract.anvil.mine(3).await;
    assert_eq!(contract.ask(1, 1_000).await, Evidence::NotYet);
}

#[tokio::test]
async fn an_event_that_is_reorganised_away_confirms_nothing() {
    let contract = Contract::deploy().await;
    contract.anvil.mine(5).await;
    contract.deposit(1, 1_000).await;
    contract.anvil.mine(2).await;
    contract.anvil.reorg(3).await;
    contract.anvil.mine(5).await;
    assert_eq!(contract.ask(1, 1_000).await, Evidence::NotYet);
}

#[tokio::test]
async fn a_node_of_another_chain_is_refused_and_one_that_is_gone_is_waited_for() {
    let contract = Contract::deploy().await;
    let other = source(&contract.anvil, contract.address, 1);
    let error = other.check().await.unwrap_err().to_string();
    assert!(error.contains("the node serves chain 31337, not 1"), "{error}");
    assert_eq!(other.ask(&token_transfer(1, U256::ONE)).await, Evidence::NotYet);

    let sources = contract.source();
    drop(contract);
    assert!(sources.check().await.unwrap()[0].contains("does not answer"));
    assert_eq!(sources.ask(&token_transfer(1, U256::ONE)).await, Evidence::NotYet);
}
