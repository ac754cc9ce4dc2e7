//! One chain, one directory of keystores and one contract for each test.

use std::{
    collections::BTreeMap,
    env, fs,
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::OnceLock,
    thread,
};

use alloy::primitives::Address;
use ring_keystore::{self as keystore, Cost};
use secrecy::SecretString;
use serde_json::{Value, json};
use tempfile::TempDir;

/// Anvil's own mnemonic: its accounts have funds.
pub(crate) const MNEMONIC: &str = "test test test test test test test test test test test junk";
pub(crate) const PASSWORD: &str = "correct horse";

/// What every ring here has beside its main asset: how fast it may go, and for how long.
pub(crate) const LEASE: &str = "--turns-per-period 1000 --interval 12s --expires 90d";

/// Who is who among Anvil's accounts. Each has a keystore `NAME.json` in the directory.
pub(crate) const NAMES: [&str; 10] =
    ["master", "guardian", "op0", "op1", "op2", "op3", "spare", "sender", "stranger", "successor"];

/// A tool of Foundry: from the environment, PATH, or the pinned packages.
pub(crate) fn tool(variable: &str, name: &str) -> PathBuf {
    if let Some(path) = env::var_os(variable) {
        return path.into();
    }
    let on_path = env::var_os("PATH").into_iter().flat_map(|path| env::split_paths(&path).collect::<Vec<_>>());
    let packages = Path::new(env!("CARGO_MANIFEST_DIR")).join("../node_modules/@foundry-rs");
    let pinned = fs::read_dir(packages).into_iter().flatten().flatten().map(|package| package.path().join("bin"));
    on_path
        .chain(pinned)
        .map(|directory| directory.join(name))
        .find(|file| file.is_file())
        .unwrap_or_else(|| panic!("{name} is neither in {variable} nor on PATH nor in node_modules: run `make setup`"))
}

pub(crate) fn cast(arguments: &[&str]) -> String {
    let output = Command::new(tool("CAST_BIN", "cast")).args(arguments).output().expect("cast runs");
    assert!(output.status.success(), "cast {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("cast prints text").trim().to_owned()
}

struct Anvil {
    process: Child,
    url: String,
}

impl Anvil {
    fn start(options: &[&str]) -> Self {
        let mut process = Command::new(tool("ANVIL_BIN", "anvil"))
            .args(["--port", "0"])
            .args(options)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("anvil starts");
        let mut lines = BufReader::new(process.stdout.take().expect("it is piped")).lines().map_while(Result::ok);
        let address = lines.find_map(|line| line.strip_prefix("Listening on ").map(str::to_owned));
        let url = format!("http://{}", address.expect("anvil says where it listens"));
        // What nobody reads would fill the pipe and stop it.
        thread::spawn(move || lines.for_each(drop));
        Self { process, url }
    }
}

impl Drop for Anvil {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// How a run of `ring-keys` ended.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Run {
    pub(crate) fn of(command: &mut Command) -> Self {
        let output = command.stdin(Stdio::null()).output().expect("ring-keys runs");
        Self {
            code: output.status.code().expect("it ends by itself"),
            out: String::from_utf8(output.stdout).expect("it prints text"),
            err: String::from_utf8(output.stderr).expect("it prints text"),
        }
    }

    #[track_caller]
    pub(crate) fn ok(self) -> Self {
        assert_eq!(self.code, 0, "{}", self.err);
        self
    }

    #[track_caller]
    pub(crate) fn json(self) -> Value {
        serde_json::from_str(&self.ok().out).expect("it prints JSON")
    }

    #[track_caller]
    pub(crate) fn refused(self, code: i32, words: &[&str]) {
        assert_eq!(self.code, code, "{} {}", self.out, self.err);
        for word in words {
            assert!(self.err.contains(word), "{word:?} is not in: {}", self.err);
        }
        assert!(self.err.lines().last().is_some_and(|line| line.starts_with("error: ")), "{}", self.err);
        assert_eq!(self.out, "", "nothing is printed as a result");
    }
}

/// `ring-keys` with nothing taken from the environment.
pub(crate) fn ring_keys() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ring-keys"));
    command.env_remove("RING_RPC").env_remove("RING_CONTRACT");
    command
}

/// A directory with a password file and a keystore for each name.
pub(crate) struct Place {
    pub(crate) directory: TempDir,
}

impl Place {
    pub(crate) fn new() -> Self {
        let directory = tempfile::tempdir().expect("there is room");
        fs::write(directory.path().join("password"), PASSWORD).expect("there is room");
        Self { directory }
    }

    pub(crate) fn with_keys() -> Self {
        let place = Self::new();
        for (name, person) in NAMES.iter().zip(people()) {
            fs::write(place.path(&format!("{name}.json")), &person.keystore).expect("there is room");
        }
        place
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, content: &str) {
        fs::write(self.path(name), content).expect("there is room");
    }

    pub(crate) fn read_json(&self, name: &str) -> Value {
        serde_json::from_slice(&fs::read(self.path(name)).expect("it is there")).expect("it is JSON")
    }

    /// Runs in this directory. Arguments are separated by spaces.
    pub(crate) fn run(&self, line: &str) -> Run {
        Run::of(ring_keys().current_dir(self.directory.path()).args(line.split_whitespace()))
    }

    /// All files and what is in them.
    pub(crate) fn files(&self) -> BTreeMap<PathBuf, Vec<u8>> {
        let entries = fs::read_dir(self.directory.path()).expect("it is there");
        entries
            .map(|entry| entry.expect("it is there").path())
            .map(|path| (path.clone(), fs::read(path).unwrap_or_default()))
            .collect()
    }
}

/// Somebody's address and keystore.
struct Person {
    address: Address,
    keystore: Vec<u8>,
}

/// All of them, made once: a keystore costs time even when it is a cheap one.
fn people() -> &'static [Person] {
    static PEOPLE: OnceLock<Vec<Person>> = OnceLock::new();
    PEOPLE.get_or_init(|| {
        let place = Place::new();
        let make = |index: usize| {
            let key = keystore::from_mnemonic(&SecretString::from(MNEMONIC), index as u32).expect("it is a mnemonic");
            let path = place.path(NAMES[index]);
            keystore::seal(&path, &key, &SecretString::from(PASSWORD), Cost::Light).expect("there is room");
            Person { address: key.address(), keystore: fs::read(path).expect("it is there") }
        };
        (0..NAMES.len()).map(make).collect()
    })
}

pub(crate) fn address(name: &str) -> Address {
    let index = NAMES.iter().position(|other| *other == name).expect("it is one of the names");
    people()[index].address
}

/// A chain with a contract, and keystores for everybody.
pub(crate) struct Bench {
    pub(crate) place: Place,
    anvil: Anvil,
    pub(crate) contract: String,
    http: reqwest::Client,
    runtime: tokio::runtime::Runtime,
}

impl Bench {
    /// With a contract, its master and guardian.
    pub(crate) fn new() -> Self {
        let mut bench = Self::bare(&[]);
        let (master, guardian) = (address("master"), address("guardian"));
        let line = format!("deploy --master {master} --guardian {guardian} {} --json", by("master"));
        bench.contract = bench.run(&line).json()["contract"].as_str().expect("an address").to_owned();
        bench
    }

    /// Without a contract.
    pub(crate) fn bare(options: &[&str]) -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        Self {
            place: Place::with_keys(),
            anvil: Anvil::start(options),
            contract: String::new(),
            http: reqwest::Client::new(),
            runtime: tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime"),
        }
    }

    /// With ring 1 of op0, op1, op2: W 2, Q 2, at most an ether a day.
    pub(crate) fn with_ring() -> Self {
        let bench = Self::new();
        let seats = [address("op0"), address("op1"), address("op2")].map(|seat| format!("--seat {seat}")).join(" ");
        bench
            .run(&format!(
                "ring set --ring 1 --window 2 --asset native --cap 1ether --period day {LEASE} {seats} {}",
                by("master")
            ))
            .ok();
        bench
    }

    pub(crate) fn url(&self) -> &str {
        &self.anvil.url
    }

    /// Runs with this chain and contract in the environment. Arguments are separated by spaces.
    pub(crate) fn run(&self, line: &str) -> Run {
        self.run_words(line.split_whitespace())
    }

    /// The same with the arguments one by one.
    pub(crate) fn run_words<'a>(&self, words: impl IntoIterator<Item = &'a str>) -> Run {
        let mut command = ring_keys();
        command.current_dir(self.place.directory.path()).env("RING_RPC", self.url());
        if !self.contract.is_empty() {
            command.env("RING_CONTRACT", &self.contract);
        }
        Run::of(command.args(words))
    }

    /// Runs what has to be refused, and checks that nothing changed: no block, no file.
    #[track_caller]
    pub(crate) fn refused(&self, line: &str, code: i32, words: &[&str]) {
        let before = (self.block(), self.place.files());
        self.run(line).refused(code, words);
        assert!(before == (self.block(), self.place.files()), "something changed though it was refused");
    }

    pub(crate) fn rpc(&self, method: &str, params: Value) -> Value {
        let request = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params });
        let answer: Value = self.runtime.block_on(async {
            let response = self.http.post(self.url()).json(&request).send().await.expect("anvil answers");
            response.json().await.expect("it answers JSON")
        });
        assert!(answer.get("error").is_none(), "{method}: {answer}");
        answer["result"].clone()
    }

    pub(crate) fn block(&self) -> Value {
        self.rpc("eth_blockNumber", json!([]))
    }

    /// The time of the latest block.
    pub(crate) fn time(&self) -> u64 {
        let block = self.rpc("eth_getBlockByNumber", json!(["latest", false]));
        let time = block["timestamp"].as_str().expect("a number").trim_start_matches("0x");
        u64::from_str_radix(time, 16).expect("a number")
    }

    pub(crate) fn balance(&self, address: &str) -> u128 {
        let balance = self.rpc("eth_getBalance", json!([address, "latest"]));
        u128::from_str_radix(balance.as_str().expect("a number").trim_start_matches("0x"), 16).expect("a number")
    }

    pub(crate) fn ring(&self) -> Value {
        self.run("ring show --ring 1 --json").json()
    }

    /// Changes one of the prepared files.
    pub(crate) fn edit(&self, name: &str, to: &str, change: impl FnOnce(&mut Value)) {
        let mut document = self.place.read_json(name);
        change(&mut document);
        self.place.write(to, &document.to_string());
    }
}

/// The options that make somebody act.
pub(crate) fn by(name: &str) -> String {
    format!("--keystore {name}.json --password-file password")
}

/// An address as JSON shows it.
pub(crate) fn lower(address: Address) -> String {
    format!("{address:?}").to_lowercase()
}
