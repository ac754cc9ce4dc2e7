//! An Anvil process of a test's own. Blocks are mined when the test says so.

use std::{
    io::{BufRead as _, BufReader},
    path::PathBuf,
    process::{Child, Command, Stdio},
};

use alloy::{
    network::TransactionBuilder as _,
    primitives::{Address, B256, Bytes, U256},
    providers::{DynProvider, Provider as _, ProviderBuilder},
    rpc::types::{TransactionReceipt, TransactionRequest},
};
use ring_relayer::chain::Endpoints;
use serde_json::{Value, json};

/// As a relayer connects to the only RPC that it has.
pub(crate) async fn connect(url: &str) -> Endpoints {
    connect_all([url], 1).await
}

/// As a relayer connects to several RPCs.
pub(crate) async fn connect_all<'a>(urls: impl IntoIterator<Item = &'a str>, agree: usize) -> Endpoints {
    // Whichever test comes first installs it.
    let _ = rustls::crypto::ring::default_provider().install_default();
    Endpoints::connect(urls, agree).await.expect("they answer")
}

/// Ends with its value.
pub(crate) struct Anvil {
    process: Child,
    port: u16,
    pub(crate) provider: DynProvider,
    /// As a relayer connects to it.
    pub(crate) endpoints: Endpoints,
    /// Funded, and Anvil signs for them.
    pub(crate) accounts: Vec<Address>,
}

impl Anvil {
    /// A chain that is the same as this one up to its present head, and goes on by itself.
    pub(crate) async fn fork(&self) -> Self {
        let number = self.head().await.to_string();
        Self::start(&["--fork-url", &self.http(), "--fork-block-number", &number]).await
    }

    pub(crate) async fn start(arguments: &[&str]) -> Self {
        let program = program();
        let mut process = Command::new(&program)
            .args(["--port", "0", "--no-mining", "--slots-in-an-epoch", "1"])
            .args(arguments)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("{} does not start ({error}): run \"make setup\"", program.display()));
        let mut lines = BufReader::new(process.stdout.take().expect("it is piped")).lines().map_while(Result::ok);
        let port = lines
            .find_map(|line| line.strip_prefix("Listening on 127.0.0.1:")?.trim().parse().ok())
            .expect("Anvil says where it listens");
        // It stops when nobody reads what it says.
        std::thread::spawn(move || lines.for_each(drop));
        let url = format!("http://127.0.0.1:{port}");
        let endpoints = connect(&url).await;
        let provider = ProviderBuilder::new().disable_recommended_fillers();
        let provider = provider.connect_http(url.parse().expect("a URL")).erased();
        let accounts = provider.get_accounts().await.expect("Anvil answers");
        Self { process, port, provider, endpoints, accounts }
    }

    pub(crate) fn http(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    pub(crate) fn ws(&self) -> String {
        format!("ws://127.0.0.1:{}", self.port)
    }

    pub(crate) async fn ask(&self, method: &'static str, parameters: Value) -> Value {
        self.provider.raw_request(method.into(), parameters).await.unwrap_or_else(|error| panic!("{method}: {error}"))
    }

    pub(crate) async fn mine(&self, blocks: usize) {
        for _ in 0..blocks {
            self.ask("evm_mine", json!([])).await;
        }
    }

    /// Replaces the newest blocks by as many empty ones.
    pub(crate) async fn reorg(&self, blocks: u64) {
        self.ask("anvil_reorg", json!([blocks, []])).await;
    }

    pub(crate) async fn set_base_fee(&self, wei: u64) {
        self.ask("anvil_setNextBlockBaseFeePerGas", json!([format!("{wei:#x}")])).await;
    }

    /// Gives the next block this time.
    pub(crate) async fn set_next_time(&self, unix: u64) {
        self.ask("evm_setNextBlockTimestamp", json!([unix])).await;
    }

    /// The time of the newest block.
    pub(crate) async fn time(&self) -> u64 {
        let block = self.provider.get_block_by_number(alloy::eips::BlockNumberOrTag::Latest).await;
        block.expect("Anvil answers").expect("there is one").header.timestamp
    }

    pub(crate) async fn set_code(&self, address: Address, code: Bytes) {
        self.ask("anvil_setCode", json!([address, code])).await;
    }

    pub(crate) async fn set_balance(&self, address: Address, wei: U256) {
        self.ask("anvil_setBalance", json!([address, wei])).await;
    }

    pub(crate) async fn head(&self) -> u64 {
        self.provider.get_block_number().await.expect("Anvil answers")
    }

    /// How many transactions of an account are in the chain.
    pub(crate) async fn sent_by(&self, account: Address) -> u64 {
        self.provider.get_transaction_count(account).await.expect("Anvil answers")
    }

    /// Puts a transaction of one of Anvil's accounts into its pool.
    pub(crate) async fn post(&self, from: Address, to: Option<Address>, input: Bytes) -> B256 {
        let mut request = TransactionRequest::default().with_from(from).with_input(input).with_gas_limit(10_000_000);
        request.to = Some(to.map_or(alloy::primitives::TxKind::Create, Into::into));
        *self.provider.send_transaction(request).await.expect("Anvil takes it").tx_hash()
    }

    /// Has a transaction mined.
    pub(crate) async fn send(&self, from: Address, to: Option<Address>, input: Bytes) -> TransactionReceipt {
        let hash = self.post(from, to, input).await;
        self.mine(1).await;
        let receipt = self.provider.get_transaction_receipt(hash).await.expect("Anvil answers");
        let receipt = receipt.expect("it was mined");
        assert!(receipt.status(), "transaction {hash} reverted");
        receipt
    }
}

impl Drop for Anvil {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// What `scripts/tools.sh` would use: `ANVIL_BIN`, then PATH, then node_modules.
fn program() -> PathBuf {
    if let Some(program) = std::env::var_os("ANVIL_BIN") {
        return program.into();
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    let on_path = std::env::split_paths(&path).map(|folder| folder.join("anvil"));
    let modules = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../node_modules/@foundry-rs"));
    let packaged =
        std::fs::read_dir(modules).into_iter().flatten().flatten().map(|entry| entry.path().join("bin/anvil"));
    on_path
        .chain(packaged)
        .find(|program| program.is_file())
        .expect("anvil is not there: run \"make setup\", or set ANVIL_BIN")
}
