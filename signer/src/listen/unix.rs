//! A socket of this host, for the processes of one user.

use std::{
    fs, io,
    os::{
        fd::AsFd,
        unix::{
            fs::{FileTypeExt as _, PermissionsExt as _},
            net::{UnixListener, UnixStream},
        },
    },
    path::Path,
};

use rustix::net::sockopt::socket_peercred;

use super::Refused;

#[derive(Debug)]
pub(super) struct Listener {
    listener: UnixListener,
    client_uid: u32,
}

impl Listener {
    /// A socket that nobody listens on any more is replaced.
    pub(super) fn bind(path: &Path, client_uid: u32) -> io::Result<Self> {
        if fs::symlink_metadata(path).is_ok_and(|there| there.file_type().is_socket()) {
            if UnixStream::connect(path).is_ok() {
                return Err(io::Error::new(io::ErrorKind::AddrInUse, "another process listens there"));
            }
            fs::remove_file(path)?;
        }
        let listener = UnixListener::bind(path)?;
        // Anybody may connect; the kernel says who it is.
        fs::set_permissions(path, fs::Permissions::from_mode(0o666))?;
        Ok(Self { listener, client_uid })
    }

    pub(super) fn accept(&self) -> Result<UnixStream, Refused> {
        let (connection, _) = self.listener.accept()?;
        check_client(&connection, self.client_uid).map_err(Refused::Client)?;
        Ok(connection)
    }
}

/// Whether a connection is of the user who may ask; an error says who it is instead.
pub(super) fn check_client(connection: &impl AsFd, client_uid: u32) -> Result<(), String> {
    match socket_peercred(connection) {
        Ok(client) if client.uid.as_raw() == client_uid => Ok(()),
        Ok(client) => Err(format!("the client is user {}, and client_uid is {client_uid}", client.uid.as_raw())),
        Err(error) => Err(format!("the client is not known: {error}")),
    }
}
