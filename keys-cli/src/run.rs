//! From the command line to the work.

use std::{
    io::{self, BufRead as _, IsTerminal as _},
    path::Path,
};

use alloy::{primitives::Address, signers::local::PrivateKeySigner};
use ring_contracts::{Domain, RequestId};
use ring_keystore::{Cost, files};
use secrecy::ExposeSecret;
use serde_json::json;

use crate::{
    action::{self, Document, Preparation, Wish},
    address_book::AddressBook,
    ceremony,
    chain::Chain,
    check_words,
    cli::{
        CancelArgs, Cli, Command, DeployArgs, DirectArgs, ExportSafeArgs, GlobalArgs, ImportArgs, KeyArgs, NewArgs,
        PaperCommand, PrepareArgs, PrepareCommand, PrepareRingCommand, QrCommand, RequestArgs, RingCommand,
        RotateCommand, RotationArgs, SignArgs, SigningKeyArgs, SplitArgs, SubmitArgs,
    },
    custody, deploy, description,
    emergency_kit::{EmergencyKit, KitError},
    error::Error,
    ledger::{DerivationPath, Hid, Ledger, LedgerError},
    output::{Output, tell},
    paper::{self, Paper},
    prove,
    qr::{Frames, Scan},
    record::Record,
    request::{self, Payment, Relayer, RequestFailure, Wanted},
    ring::Ring,
    rotation,
    rpc::{Connection, Sent},
    secret,
    signing_key::{KeystoreKey, SigningKey},
    status, time,
    trezor::Trezor,
    unlock,
};

/// Does what the command line says.
///
/// # Errors
/// Whatever [`Error`] says. Nothing has changed then but where its exit code is 7.
pub async fn run(cli: Cli) -> Result<(), Error> {
    let Cli { global, command } = cli;
    let output = Output { json: global.json };
    match command {
        Command::New(args) => new(&args, output),
        Command::Import(args) => import(&args, output),
        Command::Paper(PaperCommand::New { out, words }) => {
            files::check_absent(&out)?;
            let paper = Paper::generate(words)?;
            paper.write(&out)?;
            let check_words = check_words::of_address(paper.address);
            let text = format_args!(
                "{}: the sheet of {} ({check_words}). Print it, check the print by `ring-keys paper check`, delete the file",
                out.display(),
                paper.address
            );
            Ok(output.result(text, &json!({ "address": paper.address, "checkWords": check_words, "sheet": out }))?)
        }
        Command::Paper(PaperCommand::Check { address, mnemonic_file, index }) => {
            let typed = match mnemonic_file {
                Some(file) => secret::from_file(&file)?,
                None => secret::from_terminal("the words of the sheet", "--mnemonic-file")?,
            };
            let address = paper::check(&typed, index, address)?.address();
            let check_words = check_words::of_address(address);
            let text = format_args!("these words make the key of {address} ({check_words})");
            Ok(output.result(text, &json!({ "address": address, "checkWords": check_words }))?)
        }
        Command::Address(args) => show_address(address(&args)?, None, output),
        Command::Deploy(args) => deploy(&global, &args, output).await,
        Command::Ring(RingCommand::Show { ring }) => {
            let chain = chain(&global).await?;
            let ring = Ring::read(&chain, ring).await?;
            Ok(output.result(ring.in_words(chain.connection().time().await?), &ring.report())?)
        }
        Command::Ring(RingCommand::Set(args)) => {
            let (wish, how) = args.into_parts();
            act(&global, wish, &how, output).await
        }
        Command::Rotate(command) => rotate(&global, command, output).await,
        Command::Status(args) => {
            let token = args.token_file.as_deref().map(secret::from_file).transpose()?;
            let reports = custody::ask(&args.relayer, token.as_ref()).await?;
            let status = status::read(&chain(&global).await?, &args.ring, &reports).await?;
            Ok(output.result(status.in_words(), &status)?)
        }
        Command::Verify(args) => verify(&global, &args.file, output).await,
        Command::Describe(args) => {
            if let Some(out) = &args.out {
                files::check_absent(out)?;
            }
            let description = description::describe(&chain(&global).await?).await?;
            let Some(out) = args.out else {
                return Ok(output.result(description.trim_end(), &json!({ "description": description }))?);
            };
            files::write_new(&out, description.as_bytes())?;
            let next = format_args!("{}: compare it with the chain by `ring-keys verify`", out.display());
            Ok(output.result(next, &json!({ "file": out }))?)
        }
        Command::Act(command) => {
            let (wish, how) = command.into_parts();
            act(&global, wish, &how, output).await
        }
        Command::Prepare(command) => {
            let (wish, how) = match command {
                PrepareCommand::Ring(PrepareRingCommand::Set(args)) => args.into_parts(),
                PrepareCommand::Act(command) => command.into_parts(),
            };
            prepare(&global, wish, how, output).await
        }
        Command::Sign(args) => sign(&global, &args, output),
        Command::Submit(args) => submit(&global, &args, output).await,
        Command::Qr(QrCommand::Show { input, png }) => show_codes(&Document::read(&input)?, png.as_deref(), output),
        Command::Qr(QrCommand::Read { out, pictures }) => {
            files::check_absent(&out)?;
            let document = match &pictures[..] {
                [] => {
                    if io::stdin().is_terminal() {
                        tell("Scan one code after the other, in any order; Ctrl-D ends");
                    }
                    Scan::default().read_lines(io::stdin().lock())?
                }
                pictures => Scan::default().read_pictures(pictures)?,
            };
            document.write_new(&out)?;
            let next = match document.signature {
                None => "sign it with `ring-keys sign`",
                Some(_) => "send it with `ring-keys submit`",
            };
            show_document(&document, &out, next, output)
        }
        Command::Ceremony(command) => {
            let held = ceremony::hold(command, connection(&global).await?, &global).await?;
            Ok(output.result(held.in_words(), &held)?)
        }
        Command::EmergencyKit(args) => {
            files::check_absent(&args.out)?;
            let book = AddressBook::read(global.address_book.as_deref())?;
            let kit = EmergencyKit::read(&args.input)?;
            kit.write_new(&args.out, &book).map_err(KitError::from)?;
            Ok(output.result(kit.in_words(&args.out), &kit)?)
        }
        Command::ExportSafe(args) => export_safe(&args, output),
        Command::Prove(args) => {
            let chain = chain(&global).await?;
            show_sent(prove::submit(&chain, &args.input, || signing_key(&args.key)).await?, output)
        }
        Command::Request(args) => request(&global, args, output).await,
        Command::Cancel(args) => cancel(&global, args, output).await,
        Command::Unlock(args) => {
            let open = |keystore: &Path| open_at(keystore, args.password_file.as_deref());
            let status = unlock::run(&args, open).await?;
            Ok(output.result(unlock::in_words(&status), &status)?)
        }
        Command::Split(args) => {
            let shares = unlock::split(&key_to_split(&args)?, args.threshold, args.shares, &args.out)?;
            Ok(output.result(shares.in_words(), &shares)?)
        }
    }
}

fn new(args: &NewArgs, output: Output) -> Result<(), Error> {
    files::check_absent(&args.out)?;
    store(&ring_keystore::generate(), args, output)
}

fn import(args: &ImportArgs, output: Output) -> Result<(), Error> {
    files::check_absent(&args.new.out)?;
    let key = match (&args.private_key_file, &args.mnemonic_file) {
        _ if !args.share.is_empty() => unlock::join(&args.share)?,
        (Some(file), _) => ring_keystore::from_hexadecimal(&secret::from_file(file)?)?,
        (None, Some(file)) => ring_keystore::from_mnemonic(&secret::from_file(file)?, args.index)?,
        (None, None) => {
            let entered = secret::from_terminal(
                "the private key in hexadecimal, or the mnemonic",
                "--private-key-file or --mnemonic-file",
            )?;
            match entered.expose_secret().trim().contains(char::is_whitespace) {
                true => ring_keystore::from_mnemonic(&entered, args.index)?,
                false => ring_keystore::from_hexadecimal(&entered)?,
            }
        }
    };
    store(&key, &args.new, output)
}

fn store(key: &PrivateKeySigner, args: &NewArgs, output: Output) -> Result<(), Error> {
    let password = secret::new_password(args.password_file.as_deref(), &args.out)?;
    let cost = if args.light { Cost::Light } else { Cost::Standard };
    ring_keystore::seal(&args.out, key, &password, cost)?;
    show_address(key.address(), Some(&args.out), output)
}

fn show_address(address: Address, keystore: Option<&Path>, output: Output) -> Result<(), Error> {
    let check_words = check_words::of_address(address);
    let value = match keystore {
        Some(keystore) => json!({ "address": address, "checkWords": check_words, "keystore": keystore }),
        None => json!({ "address": address, "checkWords": check_words }),
    };
    tell(format_args!("check words: {check_words}"));
    Ok(output.result(address, &value)?)
}

async fn deploy(global: &GlobalArgs, args: &DeployArgs, output: Output) -> Result<(), Error> {
    let plan = deploy::Plan { master: args.master, guardian: args.guardian, salt: args.salt };
    let predicted = plan.predict()?;
    if args.predict {
        return Ok(output.result(predicted.in_words(), &predicted)?);
    }
    let connection = connection(global).await?;
    // Before it is sent: whatever happens then, this is where to look.
    tell(format_args!("the contract's address on chain {}: {}", connection.chain_id(), predicted.contract()));
    let deployed = deploy::deploy(connection, plan, || signing_key(&args.key)).await?;
    Ok(output.result(deployed.in_words(), &deployed)?)
}

async fn act(global: &GlobalArgs, wish: Wish, how: &DirectArgs, output: Output) -> Result<(), Error> {
    let book = AddressBook::read(global.address_book.as_deref())?;
    let chain = chain(global).await?;
    let key = signing_key(&how.key)?;
    let sender = match &how.sender_keystore {
        Some(keystore) => Some(keystore_key(keystore, how.sender_password_file.as_deref())?),
        None => None,
    };
    show_sent(action::direct(&chain, wish, &book, key, sender).await?, output)
}

async fn prepare(global: &GlobalArgs, wish: Wish, how: PrepareArgs, output: Output) -> Result<(), Error> {
    let PrepareArgs { signer, out, valid_for, nonce } = how;
    files::check_absent(&out)?;
    let chain = chain(global).await?;
    let document = action::prepare(&chain, wish, Preparation { signer, valid_for, nonce }).await?;
    document.write_new(&out)?;
    show_document(&document, &out, "sign it, on the machine that holds the key, with `ring-keys sign`", output)
}

async fn rotate(global: &GlobalArgs, command: RotateCommand, output: Output) -> Result<(), Error> {
    match command {
        RotateCommand::Plan { ring, seat, expires, out } => {
            files::check_absent(&out)?;
            let chain = chain(global).await?;
            let now = chain.connection().time().await?.max(time::now());
            let plan = rotation::plan(&Ring::read(&chain, ring).await?, seat, expires, now)?;
            plan.write_new(&out)?;
            Ok(output.result(plan.in_words(&out), &plan)?)
        }
        RotateCommand::Prepare { rotation: RotationArgs { ring, charter, relayer, record }, token_file, how } => {
            files::check_absent(&how.out)?;
            let mut record = Record::open(record.as_deref())?;
            let token = token_file.as_deref().map(secret::from_file).transpose()?;
            let (chain, planned) = (chain(global).await?, action::read_charter(&charter)?);
            let now = Ring::read(&chain, ring).await?;
            rotation::check_announced(&chain, &now, &planned, &relayer, token.as_ref()).await?;
            let (what, out) =
                (format!("every seat of ring {ring} was told of its next keys, and has them"), how.out.clone());
            prepare(global, Wish::FormFrom { ring, file: charter }, how, output).await?;
            let document = Document::read(&out)?;
            record.add(&format!("{what}; prepared as {}", out.display()), &action::describe(&document, time::now()))?;
            Ok(())
        }
        RotateCommand::Wait { rotation: RotationArgs { ring, charter, relayer, record }, patience } => {
            let mut record = Record::open(record.as_deref())?;
            let planned = action::read_charter(&charter)?;
            let ring = Ring::read(&chain(global).await?, ring).await?;
            let done = rotation::wait(&ring, &planned, &relayer, patience).await?;
            record.add("the keys are rotated", &done.in_words())?;
            Ok(output.result(done.in_words(), &done)?)
        }
    }
}

fn sign(global: &GlobalArgs, args: &SignArgs, output: Output) -> Result<(), Error> {
    files::check_absent(&args.out)?;
    let book = AddressBook::read(global.address_book.as_deref())?;
    let document = Document::read(&args.input)?;
    let mut record = Record::open(args.record.as_deref())?;
    let signed = action::sign(document, &args.input, &book, args.yes, || signing_key(&args.key))?;
    signed.write_new(&args.out)?;
    record
        .add(&format!("signed, as {}", args.out.display()), &book.annotate(&action::describe(&signed, time::now())))?;
    show_document(&signed, &args.out, "send it with `ring-keys submit`", output)
}

async fn submit(global: &GlobalArgs, args: &SubmitArgs, output: Output) -> Result<(), Error> {
    let document = Document::read(&args.input)?;
    tell(format_args!("fingerprint: {}", check_words::of_digest(document.digest())));
    let book = AddressBook::read(global.address_book.as_deref())?;
    let mut record = Record::open(args.record.as_deref())?;
    let connection = connection(global).await?;
    let sent = action::submit(&document, &args.input, connection, global.contract, || signing_key(&args.key)).await;
    let what = match &sent {
        Ok(Sent { transaction, block, .. }) => format!("sent, in transaction {transaction} of block {block}"),
        Err(error) => format!("not sent, or not known to be: {error}"),
    };
    let recorded = record.add(&what, &book.annotate(&action::describe(&document, time::now())));
    // What happened to the transaction is the greater news.
    let sent = sent?;
    recorded?;
    show_sent(sent, output)
}

fn show_document(document: &Document, path: &Path, next: &str, output: Output) -> Result<(), Error> {
    let (signer, digest) = (document.signer, document.digest());
    let fingerprint = check_words::of_digest(digest);
    let text = format_args!("{}: digest {digest}, signer {signer}; {next}\nfingerprint: {fingerprint}", path.display());
    let value = json!({
        "file": path, "signer": signer, "digest": digest, "fingerprint": fingerprint, "statement": document.statement,
    });
    Ok(output.result(text, &value)?)
}

fn show_codes(document: &Document, png: Option<&Path>, output: Output) -> Result<(), Error> {
    let frames = Frames::of(document)?;
    let fingerprint = check_words::of_digest(document.digest());
    if let Some(prefix) = png {
        let pictures = frames.write_pictures(prefix)?;
        let names: Vec<String> = pictures.iter().map(|path| path.display().to_string()).collect();
        let text = format_args!("{}\nfingerprint: {fingerprint}", names.join("\n"));
        return Ok(output.result(text, &json!({ "pictures": pictures, "fingerprint": fingerprint }))?);
    }
    if output.json {
        return Ok(output.result("", &json!({ "frames": frames.texts(), "fingerprint": fingerprint }))?);
    }
    let is_terminal = io::stdout().is_terminal();
    let codes: Vec<String> = match is_terminal {
        true => frames.for_terminal().collect(),
        false => frames.for_paper().collect(),
    };
    for code in codes {
        output.result(format_args!("{code}   fingerprint: {fingerprint}"), &())?;
        if is_terminal && io::stdin().is_terminal() {
            tell("Enter: the next one");
            io::stdin().lock().read_line(&mut String::new())?;
        }
    }
    Ok(())
}

fn export_safe(args: &ExportSafeArgs, output: Output) -> Result<(), Error> {
    files::check_absent(&args.out)?;
    let document = Document::read(&args.input)?;
    action::for_safe(&document, &args.input)?.write_new(&args.out)?;
    let next = "load it in the Transaction Builder of that Safe; nothing else is to be signed or submitted";
    show_document(&document, &args.out, next, output)
}

fn show_sent(sent: Sent, output: Output) -> Result<(), Error> {
    Ok(output.result(format_args!("done: transaction {} in block {}", sent.transaction, sent.block), &sent)?)
}

async fn verify(global: &GlobalArgs, file: &Path, output: Output) -> Result<(), Error> {
    let file = description::read(file)?;
    let verification = description::verify(&file, connection(global).await?, global.contract).await?;
    output.result(verification.in_words(), &verification)?;
    match verification.differences().len() {
        0 => Ok(()),
        count => Err(Error::Differs { count }),
    }
}

async fn request(global: &GlobalArgs, args: RequestArgs, output: Output) -> Result<(), Error> {
    let relayer = Relayer::at(&args.relayer)?;
    let (domain, decimals) = request_domain(global, &args).await?;
    let payment = Payment {
        id: args.id.unwrap_or_else(|| RequestId::from(uuid::Uuid::new_v4().into_bytes())),
        ring: args.ring,
        asset: args.pay,
        to: args.to,
        amount: args.amount.of(args.pay, decimals, 96)?.to(),
        gas: args.gas,
        expiry: args.expires_at.unwrap_or_else(|| time::now() + args.expiry.as_secs()),
    };
    let signed = payment.sign(&domain, &open(&args.key)?)?;
    let id = payment.id;
    // Before it is sent: whatever happens then, this is the name to ask for.
    tell(format_args!("request {id}, expires at {} ({})", payment.expiry, time::in_utc(payment.expiry)));
    let answer = relayer.post(&signed).await?;
    let answer = if args.wait { relayer.wait(id, Wanted::Paid, args.patience).await? } else { answer };
    Ok(output.result(format_args!("{id} {}", answer.status), &answer.whole)?)
}

async fn cancel(global: &GlobalArgs, args: CancelArgs, output: Output) -> Result<(), Error> {
    let relayer = Relayer::at(&args.relayer)?;
    let contract = contract(global)?;
    let domain = match (&global.rpc, args.chain_id) {
        (None, Some(chain_id)) => Domain { chain_id, contract },
        (_, given) => *chain_of_request(global, contract, given).await?.domain(),
    };
    let request = relayer.content(args.id).await?;
    let signed = request::sign_cancellation(&request, &domain, &open(&args.key)?)?;
    let answer = relayer.cancel(&signed).await?;
    let answer = if args.wait { relayer.wait(args.id, Wanted::NotPaid, args.patience).await? } else { answer };
    Ok(output.result(format_args!("{} {}", args.id, answer.status), &answer.whole)?)
}

/// The chain of a request, which has to be the one that the person says.
async fn chain_of_request(global: &GlobalArgs, contract: Address, given: Option<u64>) -> Result<Chain, Error> {
    let chain = Chain::at(connection(global).await?, contract).await?;
    let actual = chain.domain().chain_id;
    match given.filter(|given| *given != actual) {
        Some(given) => Err(RequestFailure::OtherChain { given, actual }.into()),
        None => Ok(chain),
    }
}

/// The domain of a request, from the RPC or from what the person says, and the decimals of what it pays.
async fn request_domain(global: &GlobalArgs, args: &RequestArgs) -> Result<(Domain, Option<u8>), Error> {
    let contract = contract(global)?;
    match (&global.rpc, args.chain_id) {
        (None, Some(chain_id)) => Ok((Domain { chain_id, contract }, args.decimals)),
        (_, given) => {
            let chain = chain_of_request(global, contract, given).await?;
            let decimals = match args.amount.counts_tokens() && !args.pay.is_zero() {
                true => chain.decimals(args.decimals, args.pay).await?,
                false => None,
            };
            Ok((*chain.domain(), decimals))
        }
    }
}

fn open(key: &KeyArgs) -> Result<PrivateKeySigner, Error> {
    open_at(&key.keystore, key.password_file.as_deref())
}

fn open_ledger(derivation: &DerivationPath) -> Result<Ledger<Hid>, LedgerError> {
    Ok(Ledger::new(Hid::open()?, derivation.clone()))
}

/// The key, wherever it is.
fn signing_key(key: &SigningKeyArgs) -> Result<Box<dyn SigningKey>, Error> {
    let SigningKeyArgs { keystore, password_file, ledger, trezor, derivation } = key;
    match (keystore, trezor) {
        (Some(keystore), _) => keystore_key(keystore, password_file.as_deref()),
        (None, Some(place)) => Ok(Box::new(Trezor::open(place, derivation.clone())?)),
        (None, None) if *ledger => Ok(Box::new(open_ledger(derivation)?)),
        (None, None) => Err(Error::NoKeystore),
    }
}

fn keystore_key(keystore: &Path, password_file: Option<&Path>) -> Result<Box<dyn SigningKey>, Error> {
    Ok(Box::new(KeystoreKey { path: keystore.to_owned(), key: open_at(keystore, password_file)? }))
}

fn address(key: &SigningKeyArgs) -> Result<Address, Error> {
    let shown = |device: &str, address: Address| {
        tell(format_args!("The {device} shows the address: agree if it is this one\n{address}"));
    };
    if let Some(place) = &key.trezor {
        let mut trezor = Trezor::open(place, key.derivation.clone())?;
        shown("Trezor", trezor.address(false)?);
        return Ok(trezor.address(true)?);
    }
    if key.ledger {
        let mut ledger = open_ledger(&key.derivation)?;
        shown("Ledger", ledger.address(false)?);
        return Ok(ledger.address(true)?);
    }
    signing_key(key)?.address()
}

fn key_to_split(args: &SplitArgs) -> Result<PrivateKeySigner, Error> {
    let typed = match (&args.keystore, &args.mnemonic_file) {
        (Some(keystore), _) => return open_at(keystore, args.password_file.as_deref()),
        (None, Some(file)) => secret::from_file(file)?,
        (None, None) => secret::from_terminal("the words of the sheet", "--mnemonic-file")?,
    };
    Ok(paper::check(&typed, args.index, args.address.unwrap_or_default())?)
}

fn open_at(keystore: &Path, password_file: Option<&Path>) -> Result<PrivateKeySigner, Error> {
    Ok(ring_keystore::open(keystore, &secret::password(password_file, keystore)?)?)
}

async fn connection(global: &GlobalArgs) -> Result<Connection, Error> {
    let missing = Error::Missing { what: "the chain's RPC", option: "--rpc URL", variable: "RING_RPC" };
    Ok(Connection::open(global.rpc.as_deref().ok_or(missing)?).await?)
}

pub(crate) fn contract(global: &GlobalArgs) -> Result<Address, Error> {
    let missing =
        Error::Missing { what: "the contract's address", option: "--contract ADDRESS", variable: "RING_CONTRACT" };
    global.contract.ok_or(missing)
}

async fn chain(global: &GlobalArgs) -> Result<Chain, Error> {
    let contract = contract(global)?;
    Ok(Chain::at(connection(global).await?, contract).await?)
}
