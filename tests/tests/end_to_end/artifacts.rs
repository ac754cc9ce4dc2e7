//! What the Rust crates believe the contract to be is what the sources compile to.

use std::{fs, path::Path};

use foundry_compilers::{
    ProjectBuilder, ProjectPathsConfig,
    artifacts::{BytecodeHash, EvmVersion, Remapping, SettingsMetadata},
    solc::{Solc, SolcCompiler, SolcSettings},
};
use serde_json::Value;

const ARTIFACT: &str = "contracts/bindings/artifacts/RingMultisig.json";

/// The settings of `[profile.default]` in foundry.toml that decide about the contract's bytecode.
fn settings(root: &Path) -> SolcSettings {
    let file: toml::Value = toml::from_str(&fs::read_to_string(root.join("foundry.toml")).unwrap()).unwrap();
    let profile = &file["profile"]["default"];
    let mut settings = SolcSettings::default();
    let solc = &mut settings.settings;
    solc.evm_version = Some(profile["evm_version"].as_str().unwrap().parse::<EvmVersion>().unwrap());
    solc.via_ir = profile["additional_compiler_profiles"][0]["via_ir"].as_bool();
    solc.optimizer.enabled = profile["optimizer"].as_bool();
    solc.optimizer.runs = profile["optimizer_runs"].as_integer().map(|runs| usize::try_from(runs).unwrap());
    let hash: BytecodeHash = profile["bytecode_hash"].as_str().unwrap().parse().unwrap();
    let cbor_metadata = profile["cbor_metadata"].as_bool();
    solc.metadata = Some(SettingsMetadata { use_literal_content: None, bytecode_hash: Some(hash), cbor_metadata });
    settings
}

/// As `scripts/artifacts.mjs` writes the ABI: without the names of user-defined value types.
fn without_value_types(parameter: &mut Value) {
    match parameter {
        Value::Array(list) => list.iter_mut().for_each(without_value_types),
        Value::Object(members) => {
            members.values_mut().for_each(without_value_types);
            let is_named = members.get("internalType").and_then(Value::as_str).is_some_and(|name| !name.contains(' '));
            if is_named && let Some(kind) = members.get("type").cloned() {
                members.insert("internalType".to_owned(), kind);
            }
        }
        _ => {}
    }
}

#[test]
fn the_committed_abi_and_bytecode_are_those_of_the_sources() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let solc = Solc::new(root.join("scripts/solc.mjs")).expect("the compiler does not start: run `make setup`");
    let scratch = tempfile::tempdir().unwrap();
    let paths = ProjectPathsConfig::builder()
        .root(root)
        .sources(root.join("contracts/src"))
        .artifacts(scratch.path())
        .remappings(Vec::<Remapping>::new())
        .build()
        .unwrap();
    let project = ProjectBuilder::<SolcCompiler>::new(Default::default())
        .paths(paths)
        .settings(settings(root))
        .ephemeral()
        .no_artifacts()
        .build(SolcCompiler::Specific(solc))
        .unwrap();
    let output = project.compile().unwrap();
    output.assert_success();
    let compiled = output.find_first("RingMultisig").unwrap();

    let committed: Value = serde_json::from_str(&fs::read_to_string(root.join(ARTIFACT)).unwrap()).unwrap();
    let remedy = "the committed artifact is not what contracts/src compiles to: run `make artifacts`";
    let mut abi = serde_json::to_value(&compiled.abi).unwrap();
    without_value_types(&mut abi);
    assert_eq!(abi, committed["abi"], "{remedy}");
    let bytecode = compiled.bytecode.as_ref().unwrap().object.as_bytes().unwrap();
    assert_eq!(bytecode.to_string(), committed["bytecode"]["object"].as_str().unwrap(), "{remedy}");
}
