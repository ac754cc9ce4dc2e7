//! Over vsock, as far as this machine has it: only a kernel with vsock's loopback can be asked from the same machine.

use std::{
    io,
    os::{fd::OwnedFd, unix::net::UnixStream},
    process::{Command, Stdio},
};

use ring_signer::message::{self, Answer, Question};
use socket2::{Domain, SockAddr, Socket, Type};

use crate::process::{Enclave, PROGRAM, Way};

/// This machine itself (`VMADDR_CID_LOCAL`).
const LOCAL: u32 = 1;
const ANY: u32 = u32::MAX;

fn connect(port: u32) -> io::Result<Socket> {
    let socket = Socket::new(Domain::VSOCK, Type::STREAM, None)?;
    socket.connect(&SockAddr::vsock(LOCAL, port))?;
    Ok(socket)
}

fn listening() -> io::Result<(Socket, u32)> {
    let socket = Socket::new(Domain::VSOCK, Type::STREAM, None)?;
    socket.bind(&SockAddr::vsock(ANY, ANY))?;
    socket.listen(1)?;
    let port = socket.local_addr()?.as_vsock_address().map(|(_, port)| port);
    Ok((socket, port.unwrap()))
}

/// Or why there is none.
fn loopback() -> io::Result<()> {
    let (_listening, port) = listening()?;
    connect(port).map(drop)
}

fn enclave(port: u32, client_cid: u32) -> Enclave {
    let enclave = Enclave::new(Way::Unix, false);
    enclave.configure(&format!("vsock_port = {port}\nclient_cid = {client_cid}"), "key_file = \"key\"");
    enclave
}

#[test]
fn the_machine_that_may_ask_is_answered_and_another_is_not() {
    if let Err(why) = loopback() {
        eprintln!("NOT RUN: nobody on this machine can be reached over vsock: {why}");
        return;
    }
    for (client_cid, is_answered) in [(LOCAL, true), (LOCAL + 1, false)] {
        for option in [None, Some("--one-shot")] {
            // Free again when it is dropped.
            let (listening, port) = listening().unwrap();
            drop(listening);
            let enclave = enclave(port, client_cid);
            let mut command = Command::new(PROGRAM);
            command.args(option).arg(enclave.path("signer.toml")).stderr(Stdio::null());
            let mut process = command.spawn().unwrap();
            let mut connection = loop {
                match connect(port) {
                    Ok(connection) => break connection,
                    Err(_) => assert!(process.try_wait().unwrap().is_none(), "it ended"),
                }
            };
            let asked = message::write(&mut connection, &Question::Identity);
            let answer = asked.and_then(|()| message::read::<Answer>(&mut connection));
            process.kill().unwrap();
            process.wait().unwrap();
            assert_eq!(matches!(answer, Ok(Answer::Identity { .. })), is_answered, "{client_cid}: {answer:?}");
        }
    }
}

/// What a machine without a loopback can show of it.
#[test]
fn a_port_that_is_taken_is_said() {
    let (_listening, port) = match listening() {
        Ok(listening) => listening,
        Err(why) => return eprintln!("NOT RUN: this machine has no vsock: {why}"),
    };
    let output = Command::new(PROGRAM).arg(enclave(port, 3).path("signer.toml")).output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(!output.status.success() && said.contains(&format!("vsock port {port} cannot be listened on")), "{said}");
}

#[test]
fn a_connection_that_is_of_no_machine_is_not_answered() {
    let (theirs, _ours) = UnixStream::pair().unwrap();
    let why = enclave(1, 3).answers(OwnedFd::from(theirs)).unwrap_err();
    assert!(why.contains("the client is"), "{why}");
}
