//! The committed artifact of the token is what its source compiles to.

#![allow(clippy::unwrap_used)]

use std::{path::Path, process::Command};

use serde_json::Value;

fn read(path: &Path) -> Value {
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

#[test]
fn the_committed_artifact_is_current() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let Some(forge) = std::env::var_os("FORGE_BIN") else {
        eprintln!("NOT RUN: FORGE_BIN is not set; `make test` sets it");
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let status = Command::new(forge)
        .current_dir(root)
        .args(["build", "contracts/test/tokens/DemoToken.sol", "--out"])
        .arg(folder.path().join("out"))
        .arg("--cache-path")
        .arg(folder.path().join("cache"))
        .status()
        .unwrap();
    assert!(status.success());
    let compiled = read(&folder.path().join("out/DemoToken.sol/DemoToken.json"));
    let committed = read(&root.join("anvil/artifacts/DemoToken.json"));
    assert_eq!(committed["abi"], compiled["abi"], "write anvil/artifacts/DemoToken.json anew");
    assert_eq!(
        committed["bytecode"]["object"], compiled["bytecode"]["object"],
        "write anvil/artifacts/DemoToken.json anew"
    );
}
