//! The machine that was measured on: what makes figures comparable, and nothing that names it.

use std::{
    fs::{self, File},
    io::Write,
    path::Path,
    time::Instant,
};

use eyre::{Result, WrapErr, ensure};
use serde::Serialize;
use tokio::process::Command;

use crate::figure::median;

/// How often the disk is asked to keep something.
const SYNCS: usize = 100;

/// The machine.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Machine {
    /// How many processors this program may use.
    pub(crate) cores: usize,
    /// The model of the processor.
    pub(crate) processor: String,
    /// How much memory it has, in GB (10^9 bytes).
    pub(crate) memory_gb: f64,
    /// The version of the kernel.
    pub(crate) kernel: String,
    /// The median time of writing 4 KiB to the disk and syncing them, in milliseconds.
    pub(crate) sync_ms: f64,
    /// The version of Anvil.
    pub(crate) anvil: String,
}

impl Machine {
    /// Looks at the machine. `folder` is on the disk that the relayers write to.
    ///
    /// # Errors
    /// The disk cannot be written to, or Anvil does not run.
    pub(crate) async fn look(anvil: &Path, folder: &Path) -> Result<Self> {
        let output = Command::new(anvil).arg("--version").output().await.wrap_err("anvil cannot be run")?;
        ensure!(output.status.success(), "anvil does not say its version");
        let version = String::from_utf8_lossy(&output.stdout);
        let line = |file: &str, name: &str| {
            let text = fs::read_to_string(file).unwrap_or_default();
            let line = text.lines().find(|line| line.starts_with(name)).and_then(|line| line.split_once(':'));
            line.map(|(_, value)| value.trim().to_owned())
        };
        let kibibytes = line("/proc/meminfo", "MemTotal").and_then(|value| value.trim_end_matches(" kB").parse().ok());
        let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
        Ok(Self {
            cores: std::thread::available_parallelism().map_or(1, Into::into),
            processor: line("/proc/cpuinfo", "model name").unwrap_or_else(|| "unknown".into()),
            memory_gb: kibibytes.map_or(f64::NAN, |kibibytes: f64| kibibytes * 1_024.0 / 1e9),
            kernel: kernel.trim().to_owned(),
            sync_ms: sync_ms(&folder.join("sync"))?,
            anvil: version.lines().next().unwrap_or_default().trim().to_owned(),
        })
    }
}

fn sync_ms(file: &Path) -> Result<f64> {
    let wrong = || format!("{} cannot be written", file.display());
    let mut open = File::create(file).wrap_err_with(wrong)?;
    let mut times = Vec::with_capacity(SYNCS);
    for _ in 0..SYNCS {
        let start = Instant::now();
        open.write_all(&[1; 4_096]).and_then(|()| open.sync_data()).wrap_err_with(wrong)?;
        times.push(start.elapsed().as_secs_f64() * 1e3);
    }
    fs::remove_file(file).wrap_err_with(wrong)?;
    Ok(median(&times))
}
