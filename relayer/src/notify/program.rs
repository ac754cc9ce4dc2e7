//! A program that is run for each event.

use std::{ffi::OsString, path::PathBuf, process::Stdio, time::Duration};

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::{
    io::AsyncWriteExt as _,
    process::{Child, Command},
    time::timeout,
};

/// All that a program gets to see of this process's environment, so that secrets in it stay here.
const VARIABLES: [&str; 4] = ["PATH", "LANG", "TZ", "TMPDIR"];

/// What to run: without a shell, the event on its standard input. What it says on its standard error goes where the log goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Program {
    /// Where it is; absolute.
    pub path: PathBuf,
    /// What it is told beside the event.
    pub arguments: Vec<String>,
}

impl Program {
    /// Runs it. If it ends with another code than 0, or not in time, that is a reason against it.
    pub(super) async fn run(&self, body: &[u8], patience: Duration) -> Result<(), String> {
        let kept = VARIABLES.iter().filter_map(|name| Some((*name, std::env::var_os(name)?)));
        let mut command = Command::new(&self.path);
        command.args(&self.arguments).env_clear().envs(kept.collect::<Vec<(&str, OsString)>>());
        command.stdin(Stdio::piped()).stdout(Stdio::null()).process_group(0);
        let child = command.spawn().map_err(|error| format!("it cannot be run: {error}"))?;
        let mut running = Running(child);
        match timeout(patience, running.feed(body)).await {
            Ok(ended) => ended,
            Err(_) => Err(format!("it did not end within {} s, and was killed", patience.as_secs_f32())),
        }
    }
}

/// A program that runs. Dropping this kills it and whatever it started.
struct Running(Child);

impl Running {
    async fn feed(&mut self, body: &[u8]) -> Result<(), String> {
        if let Some(mut input) = self.0.stdin.take() {
            // One that does not want to read it all has its reasons: its code says how it went.
            let _ = input.write_all(body).await;
        }
        match self.0.wait().await {
            Ok(status) if status.success() => Ok(()),
            Ok(status) => Err(format!("it ended with {status}")),
            Err(error) => Err(format!("how it ended is not known: {error}")),
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It has an id for as long as nobody has seen it end.
        let pid = self.0.id().and_then(|id| Pid::from_raw(i32::try_from(id).ok()?));
        if let Some(pid) = pid {
            let _ = kill_process_group(pid, Signal::KILL);
        }
    }
}
