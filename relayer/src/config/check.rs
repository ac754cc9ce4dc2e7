//! From what is written to what can be used.

mod evidence;
mod limits;
mod refill;
mod signer;
mod simulation;
mod store;
mod traces;

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    fmt::Display,
    net::SocketAddr,
    path::Path,
    time::Duration,
};

use reqwest::Url;
use ring_contracts::{Address, Charter, CharterError, Domain, U256};
use ring_core::Announced;
use rustls::pki_types::CertificateDer;

use super::{
    Api, Chain, Config, ConfigError, Finality, L1Fee, Next, PREFIX, Peers, Policy, Problem, Ring, Rpc, SEPARATOR,
    files,
    raw::{self, Raw, Whole, WholeOrWord, decimal},
};
use crate::peers::{Identity, Peer, TlsError};

const GWEI: u128 = 1_000_000_000;

impl Config {
    /// Reads the file, and the environment over it.
    ///
    /// # Errors
    /// The file cannot be read, has another shape, or values in it make no sense: all of those at once.
    pub fn load(file: &Path) -> Result<Self, ConfigError> {
        // A variable that is not Unicode can be none of ours.
        Self::load_with(
            file,
            std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?))),
        )
    }

    /// Reads the file, and these variables over it.
    ///
    /// # Errors
    /// As [`load`](Self::load).
    pub fn load_with(
        file: &Path,
        environment: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Self, ConfigError> {
        let shape = |reason: String| ConfigError::Shape { file: file.to_owned(), reason };
        let text = std::fs::read_to_string(file).map_err(|error| {
            shape(format!("cannot be read: {error}; name the configuration of this seat with --config"))
        })?;
        let prefix = format!("{PREFIX}{SEPARATOR}");
        let variables: HashMap<String, String> =
            environment.into_iter().filter(|(name, _)| name.starts_with(&prefix)).collect();
        let overridden = variables
            .keys()
            .map(|name| (name[prefix.len()..].to_lowercase().replace(SEPARATOR, "."), name.clone()))
            .collect();
        let raw: Raw = config::Config::builder()
            .add_source(config::File::from_str(&text, config::FileFormat::Toml))
            .add_source(config::Environment::with_prefix(PREFIX).separator(SEPARATOR).source(Some(variables)))
            .build()
            .and_then(config::Config::try_deserialize)
            .map_err(|error| shape(error.to_string()))?;

        let base = file.parent().unwrap_or(Path::new(""));
        let mut check = Check { base, overridden, prefix: "", problems: Vec::new(), warnings: Vec::new() };
        let config = check.config(&raw);
        match config.filter(|_| check.problems.is_empty()).and_then(|config| check.next(&raw, config)) {
            Some(config) if check.problems.is_empty() => Ok(Self { warnings: check.warnings, ..config }),
            _ => Err(ConfigError::Values { file: file.to_owned(), problems: check.problems }),
        }
    }
}

/// Collects what is wrong. A method that returns `None` has put at least one problem down.
pub(super) struct Check<'a> {
    pub(super) base: &'a Path,
    /// The variable that set a field, by the field.
    overridden: BTreeMap<String, String>,
    /// What stands before the names of the fields that are looked at.
    prefix: &'static str,
    problems: Vec<Problem>,
    pub(super) warnings: Vec<String>,
}

impl Check<'_> {
    pub(super) fn problem<T>(&mut self, field: impl Into<String>, reason: impl Display) -> Option<T> {
        let mut field = format!("{}{}", self.prefix, field.into());
        if let Some(variable) = self.overridden.get(&field) {
            field = format!("{field} ({variable})");
        }
        self.problems.push(Problem { field, reason: reason.to_string() });
        None
    }

    fn config(&mut self, raw: &Raw) -> Option<Config> {
        let chain = self.chain(&raw.chain);
        let ring = self.ring(&raw.ring);
        let signer = self.signer(&raw.signer);
        let store = self.store(raw);
        let backups = self.backups(raw);
        let api = self.api(raw, ring.as_ref());
        let seats = ring.as_ref().map_or(raw.ring.seats.0.len(), |ring| ring.charter.seats.len());
        let peers = match &raw.peers {
            // A ring of one has nobody to talk to.
            Some(peers) => self.peers(peers, seats).map(|peers| (!peers.seats.is_empty()).then_some(peers)),
            None if seats > 1 => {
                self.problem("peers", format!("missing: the ring has {seats} seats, and they have to talk"))
            }
            None => Some(None),
        };
        let refill = match &raw.refill {
            Some(refill) => self.refill(refill, ring.as_ref()).map(Some),
            None => Some(None),
        };
        let policy = self.policy(&raw.policy, seats);
        let subscribers = self.subscribers(&raw.webhook, &raw.notify_command);
        let traces = match &raw.traces {
            Some(traces) => self.traces(traces).map(Some),
            None => Some(None),
        };
        let evidence = self.evidence(raw, chain.as_ref(), ring.as_ref(), refill.flatten());
        let confirmed_for = self.confirmed_for(&raw.evidence);
        Some(Config {
            chain: chain?,
            ring: ring?,
            signer: signer?,
            next: None,
            store: store?,
            backups: backups?,
            api: api?,
            peers: peers?,
            evidence: evidence?,
            confirmed_for: confirmed_for?,
            refill: refill?,
            policy: policy?,
            subscribers: subscribers?,
            traces: traces?,
            warnings: Vec::new(),
        })
    }

    /// With what the ring is to be next. All else was looked at: what is wrong now is in that.
    fn next(&mut self, raw: &Raw, config: Config) -> Option<Config> {
        let (Some(succeeded), Some(raw)) = (raw.succeeded(), &raw.next) else { return Some(config) };
        self.prefix = "next.";
        let warnings = std::mem::take(&mut self.warnings);
        let next = self.config(&succeeded);
        // They were given already.
        self.warnings = warnings;
        let (charter, next) = (&config.ring.charter, next?);
        if next.ring.charter == *charter {
            return self.problem("ring", "is what [ring] is: delete [next], or write what is to change");
        }
        if next.ring.charter.seats.len() != charter.seats.len() {
            let reason = format!(
                "the ring has {} seats and is to have {}: seats can only be added or taken away with all relayers stopped",
                charter.seats.len(),
                next.ring.charter.seats.len()
            );
            return self.problem("ring.seats", reason);
        }
        self.prefix = "";
        let next = Next { config: next, keeps_key: raw.signer.is_none() };
        Some(Config { next: Some(Box::new(next)), ..config })
    }

    fn chain(&mut self, raw: &raw::Chain) -> Option<Chain> {
        let rpc = self.rpcs(&raw.rpc.0);
        let chain_id = match raw.chain_id.0 {
            0 => self.problem("chain.chain_id", "0 is no chain: give the chain's id (EIP-155), 1 for Ethereum"),
            id => Some(id),
        };
        let contract = self.address("chain.contract", &raw.contract);
        let finality = self.finality(&raw.finality);
        let poll = self.at_least_one("chain.poll_seconds", raw.poll_seconds, 2);
        let disagreement = self.at_least_one("chain.disagreement_seconds", raw.disagreement_seconds, 600);
        let l1_fee = self.l1_fee(raw.l1_fee.as_deref());
        let agree = self.agree(raw);
        Some(Chain {
            rpc: rpc?,
            agree: agree?,
            domain: Domain { chain_id: chain_id?, contract: contract? },
            from_block: raw.from_block.0,
            finality: finality?,
            poll: Duration::from_secs(poll?),
            longest_disagreement: Duration::from_secs(disagreement?),
            l1_fee: l1_fee?,
        })
    }

    fn rpcs(&mut self, texts: &[String]) -> Option<Vec<Rpc>> {
        if texts.is_empty() {
            return self.problem("chain.rpc", "there is none: give the URL of a node, or of several");
        }
        let mut rpcs: Vec<Rpc> = Vec::new();
        for (place, text) in texts.iter().enumerate() {
            let field = match texts {
                [_] => "chain.rpc".to_owned(),
                _ => format!("chain.rpc[{place}]"),
            };
            let Some(rpc) = self.rpc_at(&field, text) else { continue };
            if let Some(first) = rpcs.iter().position(|other| *other == rpc) {
                let reason = format!("the same as chain.rpc[{first}]: what one node says twice is said once");
                self.problem::<()>(&field, reason);
            }
            rpcs.push(rpc);
        }
        (rpcs.len() == texts.len()).then_some(rpcs)
    }

    fn rpc_at(&mut self, field: &str, text: &str) -> Option<Rpc> {
        // The value itself is not repeated: it may hold an access token.
        match Url::parse(text) {
            Ok(url) if matches!(url.scheme(), "http" | "https" | "ws" | "wss") && url.has_host() => Some(Rpc(url)),
            _ => self.problem(field, "not the URL of a node: write http://, https://, ws:// or wss://, and its host"),
        }
    }

    fn agree(&mut self, raw: &raw::Chain) -> Option<usize> {
        let nodes = raw.rpc.0.len().max(1) as u64;
        let agree = self.within("chain.agree", raw.agree, nodes / 2 + 1, 1, nodes)?;
        if agree * 2 <= nodes {
            self.warnings.push(format!(
                "chain.agree is {agree} of {nodes}: less than half of the nodes are believed, write {} or leave it out",
                nodes / 2 + 1
            ));
        }
        Some(agree as usize)
    }

    fn finality(&mut self, raw: &WholeOrWord) -> Option<Finality> {
        match raw.0.as_str() {
            "finalized" => Some(Finality::Finalized),
            "safe" => Some(Finality::Safe),
            "0" => {
                let warning =
                    "chain.finality is 0: a block that is taken back pays twice; only for chains that never do that";
                self.warnings.push(warning.into());
                Some(Finality::Depth(0))
            }
            text => match decimal(text) {
                Some(confirmations) => Some(Finality::Depth(confirmations)),
                None => self.problem(
                    "chain.finality",
                    format!(
                        "{text:?} is neither \"finalized\" nor \"safe\" nor a number of confirmations: write one of them"
                    ),
                ),
            },
        }
    }

    fn l1_fee(&mut self, text: Option<&str>) -> Option<L1Fee> {
        match text {
            None | Some("none") => Some(L1Fee::None),
            Some("op-stack") => Some(L1Fee::OpStack),
            Some(text) => self
                .problem("chain.l1_fee", format!("{text:?} is neither \"none\" nor \"op-stack\": write one of them")),
        }
    }

    fn ring(&mut self, raw: &raw::Ring) -> Option<Ring> {
        let id = self.narrow("ring.id", raw.id);
        let window = self.narrow("ring.window", raw.window);
        let quorum = self.narrow("ring.quorum", raw.quorum);
        let period = self.narrow("ring.period", raw.period);
        let turns_per_period = self.narrow("ring.turns_per_period", raw.turns_per_period);
        let interval = self.narrow("ring.interval", raw.interval);
        let expires_at = self.end("ring.expires_at", &raw.expires_at, Charter::NO_EXPIRY);
        let last_nonce = self.end("ring.last_nonce", &raw.last_nonce, Charter::NO_LAST_NONCE);
        let asset = self.address_or_zero("ring.asset", &raw.asset);
        let cap = match decimal::<u128>(&raw.cap.0) {
            Some(cap) => Some(cap),
            None => self.problem(
                "ring.cap",
                format!(
                    "{:?} is not an amount: write decimal digits of the asset's smallest unit, in quotes",
                    raw.cap.0
                ),
            ),
        };
        let seats = self.addresses("ring.seats", &raw.seats.0, Self::address_or_zero);
        let other_assets = self.addresses("ring.other_assets", &raw.other_assets.0, Self::address_or_zero);
        let charter = Charter {
            window: window?,
            quorum: quorum?,
            asset: asset?,
            cap: cap?,
            period: period?,
            turns_per_period: turns_per_period?,
            interval: interval?,
            expires_at: expires_at?,
            last_nonce: last_nonce?,
            seats: seats?,
        };
        if let Err(error) = charter.check() {
            let field = match &error {
                CharterError::Window { .. } => "ring.window",
                CharterError::Quorum { .. } => "ring.quorum",
                CharterError::Period(_) => "ring.period",
                CharterError::Cap(_) => "ring.cap",
                CharterError::TurnsPerPeriod(_) => "ring.turns_per_period",
                CharterError::Interval(_) => "ring.interval",
                CharterError::TooLarge { field: "expiresAt", .. } => "ring.expires_at",
                CharterError::TooLarge { .. } => "ring.last_nonce",
                CharterError::Seats(_) | CharterError::EmptySeat(_) | CharterError::DuplicateSeat { .. } => {
                    "ring.seats"
                }
            };
            return self.problem(field, error);
        }
        let other_assets = other_assets?;
        if other_assets.contains(&charter.asset) {
            let reason = format!("{} is the main asset (ring.asset): list only the others", charter.asset);
            return self.problem("ring.other_assets", reason);
        }
        let other_assets: BTreeSet<Address> = other_assets.into_iter().collect();
        let announced = self.announced(raw, &other_assets);
        Some(Ring { id: id?, charter, other_assets, announced: announced? })
    }

    fn announced(&mut self, raw: &raw::Ring, other_assets: &BTreeSet<Address>) -> Option<Announced> {
        let masters = self.addresses("ring.masters", &raw.masters.0, Self::address);
        let mut caps = Some(BTreeMap::new());
        for (index, entry) in raw.caps.iter().enumerate() {
            let field = |name: &str| format!("ring.caps[{index}].{name}");
            let asset = self.address_or_zero(&field("asset"), &entry.asset);
            let asset = match asset.filter(|asset| !other_assets.contains(asset)) {
                Some(other) => {
                    self.problem(field("asset"), format!("{other} is not in ring.other_assets: add it there"))
                }
                None => asset,
            };
            let cap = match entry.cap.0.parse::<U256>() {
                Ok(cap) if entry.cap.0.bytes().all(|byte| byte.is_ascii_digit()) => Some(cap),
                _ => self.problem(field("cap"), format!("{:?} is not an amount in decimal digits", entry.cap.0)),
            };
            caps = caps.zip(asset.zip(cap)).and_then(|(mut caps, (asset, cap))| match caps.insert(asset, cap) {
                None => Some(caps),
                Some(_) => self.problem(field("asset"), format!("{asset} is there twice: which cap counts?")),
            });
        }
        Some(Announced { masters: masters?.into_iter().collect(), caps: caps? })
    }

    /// A number at which something ends, or that it does not.
    fn end(&mut self, field: &str, raw: &WholeOrWord, never: u64) -> Option<u64> {
        match raw.0.as_str() {
            "never" => Some(never),
            text => match decimal(text) {
                Some(number) => Some(number),
                None => self.problem(field, format!("{text:?} is neither a number nor \"never\": write one of them")),
            },
        }
    }

    fn api(&mut self, raw: &Raw, ring: Option<&Ring>) -> Option<Api> {
        let limited = self.limited_requesters(raw);
        let raw = &raw.api;
        let listen = self.socket("api.listen", &raw.listen);
        let accept = self.at_least_one("api.accept_timeout_ms", raw.accept_timeout_ms, 5_000);
        let rate = self.rate(raw);
        let tokens = self.tokens(&raw.token);
        if let Some(listen) = listen.filter(|listen| raw.token.is_empty() && !listen.ip().is_loopback()) {
            self.warnings.push(format!(
                "api.listen: {listen} is reached from other hosts, and there is no [[api.token]]: whoever reaches it sees every \
                 payment; make tokens with `ring-relayer token`, or listen on 127.0.0.1"
            ));
        }
        let requesters = self.addresses("api.requesters", &raw.requesters.0, Self::address);
        if raw.requesters.0.is_empty() && limited.as_ref().is_some_and(BTreeSet::is_empty) {
            self.problem::<()>(
                "api.requesters",
                "nobody may ask for anything: list the address of each requester's key here, or as a [[requester]]",
            );
        }
        let mut requesters = requesters?;
        if let Some(both) =
            requesters.iter().find(|requester| limited.iter().flatten().any(|limited| limited == *requester))
        {
            let reason = format!("{both} has limits as a [[requester]], and none here: keep one of the entries");
            return self.problem("api.requesters", reason);
        }
        requesters.extend(limited?);
        let seat_of = |requester: &Address| ring?.charter.seat_of(*requester).map(|seat| (*requester, seat));
        if let Some((requester, seat)) = requesters.iter().find_map(seat_of) {
            let reason = format!(
                "{requester} is the key of seat {seat}: who steals it could ask as well as sign, give the requester a key \
                 of its own"
            );
            return self.problem("api.requesters", reason);
        }
        let requesters = requesters.into_iter().collect();
        let accept_timeout = Duration::from_millis(accept?);
        Some(Api { listen: listen?, requesters, accept_timeout, tokens: tokens?, rate: rate? })
    }

    fn peers(&mut self, raw: &raw::Peers, seats: usize) -> Option<Peers> {
        let listen = self.socket("peers.listen", &raw.listen);
        let identity = self.identity(raw);
        let mut peers: Vec<Peer> = Vec::new();
        let mut listed = BTreeSet::new();
        let mut complete = true;
        for (index, entry) in raw.seat.iter().enumerate() {
            let field = |name: &str| format!("peers.seat[{index}].{name}");
            let seat = usize::try_from(entry.seat.0).unwrap_or(usize::MAX);
            if seat >= seats {
                self.problem::<()>(
                    field("seat"),
                    format!("{seat} is no seat of this ring: it has 0 to {}", seats.saturating_sub(1)),
                );
            } else if !listed.insert(seat) {
                self.problem::<()>(field("seat"), format!("seat {seat} is listed twice: keep one of the entries"));
            }
            let url = self.peer_url(&field("url"), &entry.url);
            let certificates = self.certificates(&field("certificate"), &entry.certificate.0);
            let (Some(url), Some(certificates)) = (url, certificates) else {
                complete = false;
                continue;
            };
            let is_among = |others: &[CertificateDer<'static>]| others.iter().any(|other| certificates.contains(other));
            if let Some(other) = peers.iter().find(|other| is_among(&other.certificates)) {
                let reason = format!("the same as that of seat {}: a seat is known by its certificate", other.seat);
                self.problem::<()>(field("certificate"), reason);
            }
            if identity.as_ref().is_some_and(|identity| certificates.contains(identity.certificate())) {
                let reason = "this seat's own (peers.certificate): a seat is known by its certificate";
                self.problem::<()>(field("certificate"), reason);
            }
            peers.push(Peer { seat, url, certificates });
        }
        if listed.len() + 1 != seats {
            let reason = format!(
                "{} seats are listed: list every seat of the ring but this one, {}",
                listed.len(),
                seats.saturating_sub(1)
            );
            self.problem::<()>("peers.seat", reason);
        }
        complete.then_some(())?;
        Some(Peers { listen: listen?, identity: identity?, seats: peers })
    }

    fn identity(&mut self, raw: &raw::Peers) -> Option<Identity> {
        self.identity_of("peers", &raw.certificate, &raw.private_key)
    }

    /// What this seat shows, as a table has it.
    fn identity_of(&mut self, table: &str, certificate: &str, private_key: &str) -> Option<Identity> {
        let certificate = self.certificate(&format!("{table}.certificate"), certificate);
        let (field, path) = (format!("{table}.private_key"), self.base.join(private_key));
        let key = self.secret(&field, &path)?;
        match Identity::new(certificate?, &key) {
            Ok(identity) => Some(identity),
            Err(error) => self.problem(field, format!("{}: {error}", path.display())),
        }
    }

    /// One, or several while a seat changes from one to another.
    fn certificates(&mut self, field: &str, paths: &[String]) -> Option<Vec<CertificateDer<'static>>> {
        if paths.is_empty() {
            return self.problem(field, "there is none: name the file that the seat's owner gave you");
        }
        let mut certificates = Vec::new();
        for (index, path) in paths.iter().enumerate() {
            let field = if paths.len() == 1 { field.to_owned() } else { format!("{field}[{index}]") };
            match self.certificate(&field, path) {
                Some(certificate) if certificates.contains(&certificate) => {
                    return self.problem(field, format!("{path} is there twice: name the new one beside the old one"));
                }
                Some(certificate) => certificates.push(certificate),
                None => return None,
            }
        }
        Some(certificates)
    }

    fn certificate(&mut self, field: &str, path: &str) -> Option<CertificateDer<'static>> {
        let path = self.base.join(path);
        let pem = match files::public(&path) {
            Ok(pem) => pem,
            Err(error) => return self.problem(field, format!("cannot read {}: {error}", path.display())),
        };
        match crate::peers::read_certificate(&pem) {
            Ok(certificate) => Some(certificate),
            // Another seat's certificate that ran out is no reason for this one not to start.
            Err(TlsError::Expired { certificate, reason }) => {
                self.warnings.push(format!("{field}: {}: {reason}; whoever shows it is refused", path.display()));
                Some(certificate)
            }
            Err(error) => self.problem(field, format!("{}: {error}", path.display())),
        }
    }

    fn peer_url(&mut self, field: &str, text: &str) -> Option<Url> {
        let is_bare = |url: &Url| {
            url.username().is_empty()
                && url.password().is_none()
                && url.path() == "/"
                && url.query().is_none()
                && url.fragment().is_none()
        };
        match Url::parse(text) {
            Ok(url) if url.scheme() == "https" && url.has_host() && is_bare(&url) => Some(url),
            _ => self
                .problem(field, format!("{text:?} is not the address of a seat: write https://HOST:PORT and no more")),
        }
    }

    fn policy(&mut self, raw: &raw::Policy, seats: usize) -> Option<Policy> {
        let most = seats.max(1) as u64;
        let copies = self.within("policy.copies", raw.copies, most.min(2), 1, most);
        let max_calls = self.within("policy.max_calls", raw.max_calls, 20, 1, 1_000);
        let max_gas = self.at_least_one("policy.max_gas", raw.max_gas, 8_000_000);
        let validity_seconds = self.within("policy.validity_seconds", raw.validity_seconds, 600, 1, 1 << 32);
        let tick = self.within("policy.tick_ms", raw.tick_ms, 250, 10, 60_000);
        let resend_ticks = self.at_least_one("policy.resend_ticks", raw.resend_ticks, 4);
        let patience_ticks = self.at_least_one("policy.patience_ticks", raw.patience_ticks, 20);
        let grace_ticks = self.at_least_one("policy.grace_ticks", raw.grace_ticks, 40);
        let max_fee = self.at_least_one("policy.max_fee_gwei", raw.max_fee_gwei, 500);
        // A turn offers less than the ceiling, so that a halt can replace it.
        let most_tip = max_fee.unwrap_or(500) / 2;
        let min_priority_fee = self.within("policy.min_priority_fee_gwei", raw.min_priority_fee_gwei, 0, 0, most_tip);
        let unwatched_assets =
            self.addresses("policy.unwatched_assets", &raw.unwatched_assets.0, Self::address_or_zero);
        let low_balance_turns = raw.low_balance_turns.map_or(50, |turns| turns.0);
        Some(Policy {
            evidence: raw.evidence.unwrap_or(false),
            copies: copies? as usize,
            max_calls: max_calls? as usize,
            max_gas: max_gas?,
            validity_seconds: validity_seconds?,
            tick: Duration::from_millis(tick?),
            resend_ticks: resend_ticks?,
            patience_ticks: patience_ticks?,
            grace_ticks: grace_ticks?,
            max_fee: u128::from(max_fee?) * GWEI,
            min_priority_fee: u128::from(min_priority_fee?) * GWEI,
            low_balance_turns,
            unwatched_assets: unwatched_assets?.into_iter().collect(),
        })
    }

    fn at_least_one(&mut self, field: &str, value: Option<Whole>, default: u64) -> Option<u64> {
        match value.map_or(default, |value| value.0) {
            0 => self.problem(field, format!("0 is too little: write at least 1, or leave it out for {default}")),
            value => Some(value),
        }
    }

    pub(super) fn within(
        &mut self,
        field: &str,
        value: Option<Whole>,
        default: u64,
        least: u64,
        most: u64,
    ) -> Option<u64> {
        match value.map_or(default, |value| value.0) {
            value if (least..=most).contains(&value) => Some(value),
            value => {
                self.problem(field, format!("{value} is not within {least} to {most}: leave it out for {default}"))
            }
        }
    }

    fn narrow<T: TryFrom<u64>>(&mut self, field: &str, value: Whole) -> Option<T> {
        match T::try_from(value.0) {
            Ok(value) => Some(value),
            Err(_) => {
                let most = 1u128.checked_shl(8 * size_of::<T>() as u32).map_or(u128::MAX, |bound| bound - 1);
                self.problem(field, format!("{} is too large: it is at most {most}", value.0))
            }
        }
    }

    fn socket(&mut self, field: &str, text: &str) -> Option<SocketAddr> {
        match text.parse() {
            Ok(address) => Some(address),
            Err(_) => self
                .problem(field, format!("{text:?} is not an IP address and port: write for instance 127.0.0.1:8080")),
        }
    }

    fn address(&mut self, field: &str, text: &str) -> Option<Address> {
        match self.address_or_zero(field, text)? {
            Address::ZERO => self.problem(field, "the zero address belongs to nobody: give the real one"),
            address => Some(address),
        }
    }

    fn address_or_zero(&mut self, field: &str, text: &str) -> Option<Address> {
        let Some(address) = text.strip_prefix("0x").and_then(|_| text.parse::<Address>().ok()) else {
            return self.problem(field, format!("{text:?} is not an address: write 0x and 40 hexadecimal digits"));
        };
        // Mixed case is a checksum (EIP-55): a typing error shows in it.
        let digits = &text[2..];
        let is_mixed = digits.bytes().any(|digit| digit.is_ascii_uppercase())
            && digits.bytes().any(|digit| digit.is_ascii_lowercase());
        if is_mixed && Address::parse_checksummed(text, None).is_err() {
            return self.problem(
                field,
                format!("{text} has a wrong checksum (EIP-55): a character in it is wrong, copy it anew"),
            );
        }
        Some(address)
    }

    fn addresses(
        &mut self,
        field: &str,
        texts: &[String],
        parse: fn(&mut Self, &str, &str) -> Option<Address>,
    ) -> Option<Vec<Address>> {
        let mut addresses = Vec::new();
        let mut complete = true;
        for (index, text) in texts.iter().enumerate() {
            match parse(self, &format!("{field}[{index}]"), text) {
                // Doubled seats have a better message of their own.
                Some(address) if field != "ring.seats" && addresses.contains(&address) => {
                    self.problem::<()>(
                        format!("{field}[{index}]"),
                        format!("{address} is listed twice: keep one of them"),
                    );
                }
                Some(address) => addresses.push(address),
                None => complete = false,
            }
        }
        complete.then_some(addresses)
    }

    pub(super) fn secret(&mut self, field: &str, path: &Path) -> Option<zeroize::Zeroizing<Vec<u8>>> {
        match files::secret(path) {
            Ok(secret) => {
                self.warnings.extend(secret.warning.map(|warning| format!("{field}: {warning}")));
                Some(secret.bytes)
            }
            Err(error) => self.problem(field, error),
        }
    }
}
