use std::{fs, os::unix::fs::PermissionsExt as _};

use alloy::hex;
use serde_json::{Value, json};

use crate::harness::{MNEMONIC, NAMES, PASSWORD, Place, address, cast};

/// The first of Anvil's accounts.
const PRIVATE_KEY: &str = "0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80";

fn text(place: &Place, name: &str) -> String {
    place.path(name).to_str().expect("a name").to_owned()
}

fn cast_decrypts(place: &Place, name: &str) -> String {
    let directory = place.directory.path().to_str().expect("a name");
    let shown = cast(&["wallet", "decrypt-keystore", "-k", directory, name, "--unsafe-password", PASSWORD]);
    shown.split_whitespace().last().expect("the key is last").to_owned()
}

#[test]
fn cast_opens_what_new_makes() {
    let place = Place::new();
    let made = place.run("new --out key.json --password-file password --json").json();
    let shown = cast(&[
        "wallet",
        "address",
        "--keystore",
        &text(&place, "key.json"),
        "--password-file",
        &text(&place, "password"),
    ]);
    assert_eq!(shown.to_lowercase(), made["address"].as_str().expect("an address"));
    let derived = cast(&["wallet", "address", "--private-key", &cast_decrypts(&place, "key.json")]);
    assert_eq!(derived, shown);
    let opened = place.run("address --keystore key.json --password-file password").ok();
    assert_eq!(opened.out.trim(), shown);
    let keystore = place.read_json("key.json");
    assert_eq!(keystore["crypto"]["kdfparams"]["n"], 1 << 18);
    assert_eq!(keystore["version"], 3);
}

#[test]
fn cast_opens_what_import_makes_of_a_private_key() {
    let place = Place::new();
    for (file, content) in [("with.txt", format!("{PRIVATE_KEY}\n")), ("without.txt", PRIVATE_KEY[2..].to_owned())] {
        place.write(file, &content);
        let made = place
            .run(&format!("import --light --private-key-file {file} --out {file}.json --password-file password"))
            .ok();
        assert_eq!(made.out.trim(), address("master").to_string());
        assert_eq!(cast_decrypts(&place, &format!("{file}.json")), PRIVATE_KEY);
    }
}

#[test]
fn cast_opens_what_import_makes_of_a_mnemonic() {
    let place = Place::new();
    place.write("words", &format!("  {}\r\n", MNEMONIC.replace(' ', "  ")));
    for index in [0, 3] {
        let line =
            format!("import --light --mnemonic-file words --index {index} --out {index}.json --password-file password");
        assert_eq!(place.run(&line).ok().out.trim(), address(NAMES[index]).to_string());
        let index_text = index.to_string();
        let private_key = cast(&["wallet", "private-key", "--mnemonic", MNEMONIC, "--mnemonic-index", &index_text]);
        assert_eq!(cast_decrypts(&place, &format!("{index}.json")), private_key);
    }
}

#[test]
fn it_opens_what_cast_makes() {
    let place = Place::new();
    let directory = text(&place, "");
    cast(&[
        "wallet",
        "import",
        "theirs",
        "-k",
        &directory,
        "--private-key",
        PRIVATE_KEY,
        "--unsafe-password",
        PASSWORD,
    ]);
    let opened = place.run("address --keystore theirs --password-file password --json").json();
    assert_eq!(opened["address"], "0xf39fd6e51aad88f6f4ce6ab8827279cfffb92266");
}

#[cfg(unix)]
#[test]
fn a_keystore_is_for_its_owner_only() {
    use std::os::unix::fs::PermissionsExt;
    let place = Place::new();
    place.run("new --light --out key.json --password-file password").ok();
    assert_eq!(fs::metadata(place.path("key.json")).expect("it is there").permissions().mode() & 0o777, 0o600);
}

#[test]
fn an_existing_file_is_never_overwritten() {
    let place = Place::new();
    place.write("taken", "something else");
    place.write("key", PRIVATE_KEY);
    #[cfg(unix)]
    std::os::unix::fs::symlink(place.path("nowhere"), place.path("link")).expect("there is room");
    let before = place.files();
    let mut names = vec!["taken"];
    names.extend(cfg!(unix).then_some("link"));
    for name in names {
        place.run(&format!("new --out {name} --password-file password")).refused(3, &[name, "exists already"]);
        let import = format!("import --private-key-file key --out {name} --password-file password");
        place.run(&import).refused(3, &[name, "exists already"]);
    }
    assert_eq!(place.files(), before);
    assert!(!place.path("nowhere").exists());
}

#[test]
fn a_wrong_password_is_named_as_such_and_not_shown() {
    let place = Place::with_keys();
    place.write("wrong", "open sesame\n");
    let run = place.run("address --keystore master.json --password-file wrong");
    assert!(!run.err.contains("sesame"));
    run.refused(3, &["wrong password", "master.json"]);
}

#[test]
fn one_line_break_after_the_password_does_not_count_and_a_second_does() {
    let place = Place::with_keys();
    for ending in ["\n", "\r\n"] {
        place.write("typed", &format!("{PASSWORD}{ending}"));
        place.run("address --keystore master.json --password-file typed").ok();
    }
    place.write("typed", &format!("{PASSWORD}\n\n"));
    place.run("address --keystore master.json --password-file typed").refused(3, &["wrong password"]);
    place.write("typed", "\n");
    place.run("address --keystore master.json --password-file typed").refused(3, &["typed is empty"]);
}

#[test]
fn a_file_that_is_no_keystore_is_refused_whatever_it_is() {
    let place = Place::with_keys();
    let sound = place.read_json("master.json");
    let break_it = |pointer: &str, value: Value| {
        let mut broken = sound.clone();
        *broken.pointer_mut(pointer).expect("it is there") = value;
        broken.to_string()
    };
    let broken = [
        "not json".to_owned(),
        "{}".to_owned(),
        String::new(),
        break_it("/version", json!(1)),
        break_it("/crypto/cipher", json!("aes-256-cbc")),
        break_it("/crypto/kdf", json!("argon2")),
        break_it("/crypto/cipherparams/iv", json!("00")),
        break_it("/crypto/mac", json!("00")),
        break_it("/crypto/ciphertext", json!("00")),
        break_it("/crypto/kdfparams/dklen", json!(8)),
        break_it("/crypto/kdfparams/n", json!(8191)),
        break_it("/crypto/kdfparams/n", json!(0)),
        break_it("/crypto/kdfparams/n", json!(1u64 << 31)),
        break_it("/crypto/kdfparams/r", json!(0)),
        break_it("/crypto/kdfparams/p", json!(1 << 30)),
        break_it("/crypto/kdfparams/salt", json!("zz")),
    ];
    for content in broken {
        place.write("broken", &content);
        let run = place.run("address --keystore broken --password-file password");
        run.refused(3, &["broken is not a keystore"]);
    }
    place.run("address --keystore nowhere --password-file password").refused(3, &["nowhere cannot be read"]);
}

#[test]
fn what_is_no_key_is_not_imported_and_not_shown() {
    let place = Place::new();
    let curve_order = "fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141";
    for content in ["deadbeef", &hex::encode([0; 32]), curve_order, MNEMONIC] {
        place.write("secret", content);
        let run = place.run("import --private-key-file secret --out key.json --password-file password");
        assert!(!run.err.contains(content));
        run.refused(3, &["not a private key"]);
    }
    for content in ["test test test", PRIVATE_KEY, &MNEMONIC.replace("junk", "test")] {
        place.write("secret", content);
        let run = place.run("import --mnemonic-file secret --out key.json --password-file password");
        assert!(!run.err.contains(content));
        run.refused(3, &["not a mnemonic"]);
    }
    assert!(!place.path("key.json").exists());
}

#[test]
fn a_key_on_paper_is_checked_by_its_words_and_used_by_import() {
    let place = Place::new();
    let made = place.run("paper new --out sheet.txt --json").json();
    let address = made["address"].as_str().expect("an address");
    assert_eq!(fs::metadata(place.path("sheet.txt")).expect("it is there").permissions().mode() & 0o777, 0o600);
    let sheet = fs::read_to_string(place.path("sheet.txt")).expect("it is text");
    assert!(sheet.to_lowercase().contains(address) && sheet.contains(made["checkWords"].as_str().expect("words")));
    // As a person reads them: by their numbers.
    let mut words: Vec<(usize, &str)> = Vec::new();
    for line in sheet.lines().filter(|line| line.starts_with(char::is_whitespace)) {
        let mut cells = line.split_whitespace();
        while let (Some(number), Some(word)) = (cells.next().and_then(|number| number.parse().ok()), cells.next()) {
            words.push((number, word));
        }
    }
    words.sort_unstable();
    let phrase: Vec<&str> = words.iter().map(|(_, word)| *word).collect();
    assert_eq!(phrase.len(), 24);
    place.write("typed", &phrase.join("\n"));
    let checked = place.run(&format!("paper check --address {address} --mnemonic-file typed --json")).json();
    assert_eq!(checked, json!({ "address": made["address"], "checkWords": made["checkWords"] }));
    let imported = place.run("import --light --mnemonic-file typed --out key.json --password-file password").ok();
    assert_eq!(imported.out.trim().to_lowercase(), address);
    let again = place.run("paper new --out sheet.txt");
    again.refused(3, &["sheet.txt", "exists already"]);
    assert_eq!(place.run("paper new --out other.txt --words 13").code, 2);
    let other = "0x0000000000000000000000000000000000000001";
    place.run(&format!("paper check --address {other} --mnemonic-file typed")).refused(4, &["is it the right sheet"]);
    place.write("typed", &phrase[1..].join(" "));
    place.run(&format!("paper check --address {address} --mnemonic-file typed")).refused(3, &["23 words"]);
}
