//! A key that people unlock for a time, behind the enclave.

use alloy::hex;
use ring_contracts::Halt;
use ring_key::{
    share,
    unlock::{self, UnlockError},
};
use ring_signer::message::Question;
use secrecy::SecretString;

use crate::{
    DOMAIN, RING, key,
    process::{Enclave, Way},
};

fn enclave(more: &str) -> Enclave {
    let enclave = Enclave::new(Way::Unix, false);
    let listen = format!("socket = \"sock\"\nclient_uid = {}", rustix::process::getuid().as_raw());
    enclave.configure(&listen, &format!("[key.memory]\nsocket = \"unlock\"\nlease_seconds = 3600\n{more}"));
    enclave
}

fn signs(enclave: &Enclave) -> bool {
    enclave.signs(&Question::Halt { epoch: 5 }, Halt { ring: RING, epoch: 5 }.digest(&DOMAIN))
}

fn secret(number: u8) -> SecretString {
    SecretString::from(hex::encode(key(number).to_bytes()))
}

#[tokio::test]
async fn it_signs_once_it_is_unlocked_until_it_is_locked_and_is_shut_in_all_the_time() {
    let mut enclave = enclave("");
    enclave.start();
    let socket = enclave.path("unlock");
    let why = enclave.why(&Question::Halt { epoch: 5 });
    assert!(why.contains("locked"), "{why}");
    // It shuts itself in before it answers.
    enclave.is_shut_in();
    let wrong = unlock::unlock(&socket, &secret(9), None).await;
    assert!(matches!(wrong, Err(UnlockError::Refused(_))), "another key: {wrong:?}");
    let status = unlock::unlock(&socket, &secret(0x11), Some(7_200)).await.unwrap();
    assert!(status.seconds_left.unwrap() <= 3_600);
    assert!(signs(&enclave));
    unlock::lock(&socket).await.unwrap();
    assert!(!signs(&enclave));
    enclave.is_shut_in();
    // A new process knows nothing.
    unlock::unlock(&socket, &secret(0x11), None).await.unwrap();
    enclave.kill();
    enclave.start();
    assert!(!signs(&enclave));
}

#[tokio::test]
async fn shares_of_several_people_make_it() {
    let mut enclave = enclave("shares = 2");
    enclave.start();
    let socket = enclave.path("unlock");
    let shares = share::split(&key(0x11), 2, 3).unwrap();
    let whole = unlock::unlock(&socket, &secret(0x11), None).await;
    assert!(matches!(whole, Err(UnlockError::Refused(_))), "{whole:?}");
    unlock::give_share(&socket, &shares[2], None).await.unwrap();
    assert!(!signs(&enclave));
    unlock::give_share(&socket, &shares[0], None).await.unwrap();
    assert!(signs(&enclave));
}

#[test]
fn its_memory_stays_out_of_swap_where_the_host_lets_it() {
    use rustix::process::{Resource, Rlimit, setrlimit};
    // The process has it from this one.
    if let Err(why) = setrlimit(Resource::Memlock, Rlimit { current: None, maximum: None }) {
        return eprintln!("NOT RUN: this user may not lock all its memory: {why}");
    }
    let mut enclave = enclave("");
    enclave.start();
    let status = std::fs::read_to_string(format!("/proc/{}/status", enclave.id())).unwrap();
    let locked = status.lines().find_map(|line| line.strip_prefix("VmLck:")?.strip_suffix("kB")?.trim().parse().ok());
    assert!(locked.is_some_and(|kilobytes: u64| kilobytes > 0), "{status}");
}

#[test]
fn a_process_for_each_question_cannot_be_unlocked_and_says_so() {
    let enclave = enclave("");
    for option in ["--one-shot", "--answer"] {
        let output = enclave.run(option);
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(!output.status.success() && said.contains("key.memory"), "{option}: {said}");
    }
    // Neither needs the key.
    assert!(enclave.run("--check").status.success());
    assert!(!enclave.path("unlock").exists(), "only who signs is unlocked");
}
