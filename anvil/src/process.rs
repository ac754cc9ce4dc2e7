//! Processes that never outlive what started them.

use std::{
    fs::File,
    path::{Path, PathBuf},
    process::{ExitStatus, Stdio},
    time::Duration,
};

use eyre::{Result, WrapErr, eyre};
use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use tokio::{
    process::{Child, Command},
    time::timeout,
};

/// How long a process has to end by itself.
const GRACE: Duration = Duration::from_secs(10);
/// In which unit Linux tells of processor time, whatever the kernel's own clock does.
const TICK: Duration = Duration::from_millis(10);

/// A running program, in a process group of its own: a Ctrl-C on the terminal does not reach it, dropping this kills it
/// and whatever it started.
#[derive(Debug)]
pub struct Process {
    name: String,
    child: Child,
    log: PathBuf,
}

impl Process {
    /// Starts a program; what it prints is appended to the log.
    ///
    /// # Errors
    /// The log cannot be written, or the program cannot be started.
    pub fn spawn(name: impl Into<String>, mut command: Command, log: &Path) -> Result<Self> {
        let name = name.into();
        let open = || File::options().create(true).append(true).open(log);
        let out = open().wrap_err_with(|| format!("{} cannot be written", log.display()))?;
        let err = out.try_clone().wrap_err_with(|| format!("{} cannot be written", log.display()))?;
        command.stdin(Stdio::null()).stdout(out).stderr(err).process_group(0).kill_on_drop(true);
        let child = command.spawn().wrap_err_with(|| format!("{name} cannot be started ({:?})", command.as_std()))?;
        Ok(Self { name, child, log: log.to_owned() })
    }

    /// What it is called in messages.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its process id, while it runs.
    pub fn id(&self) -> Option<u32> {
        self.child.id()
    }

    /// How much memory it has resident, in bytes.
    ///
    /// # Errors
    /// It ended, or the operating system does not say.
    pub fn resident_bytes(&self) -> Result<u64> {
        let id = self.id().ok_or_else(|| eyre!("{} has ended: it has no memory", self.name))?;
        let status = std::fs::read_to_string(format!("/proc/{id}/status"));
        let status = status.wrap_err_with(|| format!("how much memory {} has is not known", self.name))?;
        let kibibytes =
            status.lines().find_map(|line| line.strip_prefix("VmRSS:")?.strip_suffix("kB")?.trim().parse().ok());
        let kibibytes: u64 =
            kibibytes.ok_or_else(|| eyre!("the system says nothing of the memory of {}", self.name))?;
        Ok(kibibytes * 1_024)
    }

    /// How much processor time it has used, all its threads together.
    ///
    /// # Errors
    /// It ended, or the operating system does not say.
    pub fn processor_time(&self) -> Result<Duration> {
        let id = self.id().ok_or_else(|| eyre!("{} has ended: it uses no processor time", self.name))?;
        let stat = std::fs::read_to_string(format!("/proc/{id}/stat"));
        let stat = stat.wrap_err_with(|| format!("how much processor time {} has used is not known", self.name))?;
        // The name, in brackets, may hold anything; user and system time are the 14th and 15th fields.
        let fields = stat.rsplit(") ").next().unwrap_or_default().split(' ').skip(11).take(2);
        let ticks: u32 = fields
            .map(str::parse::<u32>)
            .sum::<Result<_, _>>()
            .wrap_err_with(|| format!("the system says nothing of the processor time of {}", self.name))?;
        Ok(TICK * ticks)
    }

    /// How it ended, if it did.
    pub fn exit_status(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().ok().flatten()
    }

    /// An error if it ended, with the last it said.
    ///
    /// # Errors
    /// It ended.
    pub fn check_running(&mut self) -> Result<()> {
        match self.exit_status() {
            None => Ok(()),
            Some(status) => Err(eyre!(
                "{} ended ({status}); its log {} ends with:\n{}",
                self.name,
                self.log.display(),
                self.last_words()
            )),
        }
    }

    /// The last lines of its log.
    pub fn last_words(&self) -> String {
        let log = std::fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(12)..].join("\n")
    }

    /// Asks it to end (SIGTERM), and makes it end if it does not within ten seconds.
    pub async fn stop(&mut self) {
        self.signal(Signal::TERM);
        if timeout(GRACE, self.child.wait()).await.is_err() {
            self.kill().await;
        }
    }

    /// Ends it at once, as `kill -9` does, and waits until it is gone.
    pub async fn kill(&mut self) {
        self.kill_group();
        // It cannot refuse; what can fail here is only that it is gone already.
        let _ = self.child.wait().await;
    }

    /// Waits until it ends by itself.
    ///
    /// # Errors
    /// The operating system does not say.
    pub async fn wait(&mut self) -> Result<ExitStatus> {
        self.child.wait().await.wrap_err_with(|| format!("how {} ended is not known", self.name))
    }

    /// Stops it in its tracks, as a host that hangs would (SIGSTOP).
    pub fn freeze(&self) {
        self.signal(Signal::STOP);
    }

    /// Lets a frozen process go on (SIGCONT).
    pub fn thaw(&self) {
        self.signal(Signal::CONT);
    }

    /// Tells it to read its configuration again (SIGHUP).
    pub fn hang_up(&self) {
        self.signal(Signal::HUP);
    }

    fn pid(&self) -> Option<Pid> {
        Pid::from_raw(i32::try_from(self.child.id()?).ok()?)
    }

    // A signal to who is gone already fails, and nothing is lost.
    fn signal(&self, signal: Signal) {
        if let Some(pid) = self.pid() {
            let _ = kill_process(pid, signal);
        }
    }

    fn kill_group(&self) {
        if let Some(pid) = self.pid() {
            let _ = kill_process_group(pid, Signal::KILL);
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill_group();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::deadline;

    fn shell(script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        command
    }

    fn is_alive(pid: i32) -> bool {
        // A zombie is not alive, it only waits to be asked how it ended.
        let status = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        status.rsplit(") ").next().is_some_and(|rest| !rest.is_empty() && !rest.starts_with('Z'))
    }

    async fn grandchild(log: &Path) -> i32 {
        deadline::poll("the grandchild", Duration::from_secs(5), Duration::from_millis(10), async || {
            Ok(std::fs::read_to_string(log)
                .ok()
                .filter(|text| text.ends_with('\n'))
                .and_then(|text| text.trim().parse().ok()))
        })
        .await
        .unwrap()
    }

    #[tokio::test]
    async fn dropping_a_process_kills_it_and_its_children() {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("log");
        let process = Process::spawn("shell", shell("sleep 1000 & echo $!; wait"), &log).unwrap();
        let child = i32::try_from(process.id().unwrap()).unwrap();
        let grandchild = grandchild(&log).await;
        assert!(is_alive(child) && is_alive(grandchild));
        drop(process);
        deadline::until("both are gone", Duration::from_secs(5), Duration::from_millis(10), async || {
            Ok(!is_alive(child) && !is_alive(grandchild))
        })
        .await
        .unwrap();
    }

    #[tokio::test]
    async fn a_process_that_is_asked_to_end_may_do_so_in_its_own_way() {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("log");
        let script = "trap 'echo bye; exit 7' TERM; echo 1; while :; do sleep 0.01; done";
        let mut process = Process::spawn("shell", shell(script), &log).unwrap();
        grandchild(&log).await;
        process.stop().await;
        assert_eq!(process.exit_status().unwrap().code(), Some(7));
        assert!(process.last_words().contains("bye"));
        assert!(process.check_running().unwrap_err().to_string().contains("bye"));
    }

    #[tokio::test]
    async fn the_memory_of_a_process_is_what_it_has_touched() {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("log");
        let script = "held=$(head -c 20000000 /dev/zero | tr '\\0' x); echo 1; sleep 1000";
        let mut process = Process::spawn("shell", shell(script), &log).unwrap();
        grandchild(&log).await;
        assert!(process.resident_bytes().unwrap() > 20_000_000);
        process.kill().await;
        assert!(process.resident_bytes().is_err());
    }

    #[tokio::test]
    async fn the_processor_time_of_a_process_grows_while_it_works_and_only_then() {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("log");
        let script = "i=0; while [ $i -lt 300000 ]; do i=$((i+1)); done; echo 1; sleep 1000";
        let mut process = Process::spawn("shell", shell(script), &log).unwrap();
        assert!(process.processor_time().unwrap() < Duration::from_millis(100));
        grandchild(&log).await;
        let worked = process.processor_time().unwrap();
        assert!(worked >= Duration::from_millis(20), "{worked:?}");
        assert_eq!(process.processor_time().unwrap(), worked);
        process.kill().await;
        assert!(process.processor_time().is_err());
    }

    #[tokio::test]
    async fn a_killed_process_says_nothing_more() {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("log");
        let mut process = Process::spawn("shell", shell("trap '' TERM; echo 1; sleep 1000"), &log).unwrap();
        grandchild(&log).await;
        process.kill().await;
        assert!(process.exit_status().is_some_and(|status| !status.success()));
    }
}
