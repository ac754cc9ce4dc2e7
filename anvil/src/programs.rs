//! Where the programs are that are run here.

use std::path::{Path, PathBuf};

use eyre::{Result, WrapErr, bail, eyre};

/// The programs that a ring on a development chain consists of.
#[derive(Clone, Debug)]
pub struct Programs {
    /// Foundry's development chain.
    pub anvil: PathBuf,
    /// One seat of a ring.
    pub relayer: PathBuf,
    /// The command of the master and the operators.
    pub keys: PathBuf,
}

impl Programs {
    /// Finds them: Anvil as `ANVIL_BIN`, on `PATH` or in `node_modules`, ours beside the running program.
    ///
    /// # Errors
    /// One of them is nowhere; the message says how to get it.
    pub fn find() -> Result<Self> {
        Ok(Self { anvil: find_anvil()?, relayer: find_ours("ring-relayer")?, keys: find_ours("ring-keys")? })
    }

    /// The enclave, beside the running program.
    ///
    /// # Errors
    /// It is not there.
    pub fn signer(&self) -> Result<PathBuf> {
        find_ours("ring-signer")
    }

    /// The library of SoftHSM 2, as `SOFTHSM2_MODULE` names it.
    ///
    /// # Errors
    /// It names no file.
    pub fn hsm_module(&self) -> Result<PathBuf> {
        let named = std::env::var_os("SOFTHSM2_MODULE").map(PathBuf::from).filter(|module| module.is_file());
        named.ok_or_else(|| eyre!("SOFTHSM2_MODULE has to name the library of SoftHSM 2 (libsofthsm2.so)"))
    }
}

/// The folder that cargo builds programs into, that is the one of the running program; tests run one folder deeper.
///
/// # Errors
/// The operating system does not say where the running program is.
pub fn build_folder() -> Result<PathBuf> {
    let program = std::env::current_exe().wrap_err("where the running program is cannot be found out")?;
    let folder = program.parent().ok_or_else(|| eyre!("{} is in no folder", program.display()))?;
    Ok(match folder.file_name().is_some_and(|name| name == "deps") {
        true => folder.parent().unwrap_or(folder).to_owned(),
        false => folder.to_owned(),
    })
}

fn find_ours(name: &str) -> Result<PathBuf> {
    let program = build_folder()?.join(name);
    if !program.is_file() {
        bail!(
            "{} is not there: build it with `cargo build -p {name}`, or run `make demo`, which does",
            program.display()
        );
    }
    Ok(program)
}

fn find_anvil() -> Result<PathBuf> {
    if let Some(named) = std::env::var_os("ANVIL_BIN").filter(|named| !named.is_empty()) {
        let named = PathBuf::from(named);
        return match named.is_file() {
            true => Ok(named),
            false => Err(eyre!("ANVIL_BIN is {}, and there is no such file: correct or unset it", named.display())),
        };
    }
    let on_path = std::env::var_os("PATH").unwrap_or_default();
    let mut candidates: Vec<PathBuf> = std::env::split_paths(&on_path).map(|folder| folder.join("anvil")).collect();
    for folder in roots()? {
        candidates.extend(packaged(&folder.join("node_modules/@foundry-rs")));
    }
    candidates.into_iter().find(|candidate| candidate.is_file()).ok_or_else(|| {
        eyre!("anvil is neither in ANVIL_BIN nor on PATH nor in node_modules: run `make setup`, or install Foundry 1.x")
    })
}

/// Where `node_modules` may be: the working directory, and whatever the build folder is in.
fn roots() -> Result<Vec<PathBuf>> {
    let mut roots: Vec<PathBuf> = std::env::current_dir().into_iter().collect();
    roots.extend(build_folder()?.ancestors().skip(1).take(3).map(Path::to_owned));
    Ok(roots)
}

fn packaged(scope: &Path) -> Vec<PathBuf> {
    let Ok(packages) = std::fs::read_dir(scope) else { return Vec::new() };
    let is_anvil = |name: &std::ffi::OsStr| name.to_string_lossy().starts_with("anvil-");
    packages
        .flatten()
        .filter(|entry| is_anvil(&entry.file_name()))
        .map(|entry| entry.path().join("bin/anvil"))
        .collect()
}
