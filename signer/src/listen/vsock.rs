//! A port between virtual machines and their host (`AF_VSOCK`), for one of the machines. Which of its processes asks nobody knows:
//! whoever may open such a socket there.

use std::{
    io,
    os::{
        fd::{AsFd, OwnedFd},
        unix::net::UnixStream,
    },
};

use socket2::{Domain, SockAddr, SockRef, Socket, Type};

use super::Refused;

/// Any of this machine's own CIDs (`VMADDR_CID_ANY`).
const ANY: u32 = u32::MAX;
/// How many connections wait to be taken.
const BACKLOG: i32 = 16;

#[derive(Debug)]
pub(super) struct Listener {
    socket: Socket,
    client_cid: u32,
}

impl Listener {
    pub(super) fn bind(port: u32, client_cid: u32) -> io::Result<Self> {
        let socket = Socket::new(Domain::VSOCK, Type::STREAM, None)?;
        socket.bind(&SockAddr::vsock(ANY, port))?;
        socket.listen(BACKLOG)?;
        Ok(Self { socket, client_cid })
    }

    pub(super) fn accept(&self) -> Result<UnixStream, Refused> {
        let (connection, client) = self.socket.accept()?;
        check(&client, self.client_cid).map_err(Refused::Client)?;
        // Only a stream by now, which is read, written and bounded in time as any other.
        Ok(UnixStream::from(OwnedFd::from(connection)))
    }
}

/// Whether a connection is of the machine that may ask; an error says which it is instead.
pub(super) fn check_client(connection: &impl AsFd, client_cid: u32) -> Result<(), String> {
    match SockRef::from(connection).peer_addr() {
        Ok(client) => check(&client, client_cid),
        Err(error) => Err(format!("the client is not known: {error}")),
    }
}

fn check(client: &SockAddr, client_cid: u32) -> Result<(), String> {
    match client.as_vsock_address() {
        Some((cid, _)) if cid == client_cid => Ok(()),
        Some((cid, _)) => Err(format!("the client is machine {cid}, and client_cid is {client_cid}")),
        None => Err("the client is of no virtual machine".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_machine_is_answered_from_any_port_and_no_other() {
        for (cid, port) in [(3, 1), (3, 70_000)] {
            check(&SockAddr::vsock(cid, port), 3).unwrap();
        }
        for cid in [0, 1, 2, 4, u32::MAX] {
            assert!(check(&SockAddr::vsock(cid, 1), 3).unwrap_err().contains("client_cid is 3"), "{cid}");
        }
        check(&SockAddr::from("127.0.0.1:1".parse::<std::net::SocketAddr>().unwrap()), 3).unwrap_err();
        let (ours, _theirs) = UnixStream::pair().unwrap();
        check_client(&ours, 3).unwrap_err();
    }
}
