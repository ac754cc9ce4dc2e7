#!/usr/bin/env node
// Copies what the Rust crates need of forge's output (ABI, bytecode, where the immutables are) to
// contracts/bindings/artifacts, which is committed; with --check only says whether they are the same.
// One file for every contract in the top folder of contracts/src that has code.

import { mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";

const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), "..");
const sources = path.join(root, "contracts/src");
const output = path.join(root, "target/forge/src");
const artifacts = path.join(root, "contracts/bindings/artifacts");

/** Where each immutable is, numbered in order: the compiler's own numbers change with whatever else it compiles. */
function immutables(references = {}) {
  const ordered = Object.values(references).sort(([a], [b]) => a.start - b.start);
  return Object.fromEntries(ordered.map((places, number) => [number, places]));
}

/**
 * The ABI without the names of user-defined value types: `sol!` takes one in a struct for a struct.
 * Of structs, enums and contracts the names stay: "struct IRingMultisig.Charter".
 */
function withoutValueTypes(parameter) {
  if (Array.isArray(parameter)) return parameter.map(withoutValueTypes);
  if (parameter === null || typeof parameter !== "object") return parameter;
  const plain = Object.fromEntries(Object.entries(parameter).map(([name, value]) => [name, withoutValueTypes(value)]));
  const { type, internalType } = plain;
  if (internalType !== undefined && !internalType.includes(" ")) plain.internalType = type;
  return plain;
}

/** What is committed of one of forge's files. */
function select(name, { abi, bytecode, deployedBytecode, methodIdentifiers }) {
  const selected = {
    contractName: name,
    abi: withoutValueTypes(abi),
    methodIdentifiers,
    bytecode: { object: bytecode.object, linkReferences: bytecode.linkReferences ?? {} },
    deployedBytecode: {
      object: deployedBytecode.object,
      linkReferences: deployedBytecode.linkReferences ?? {},
      immutableReferences: immutables(deployedBytecode.immutableReferences),
    },
  };
  return `${JSON.stringify(selected, null, 2)}\n`;
}

function readIfThere(file) {
  try {
    return readFileSync(file, "utf8");
  } catch (error) {
    if (error.code === "ENOENT") return undefined;
    throw error;
  }
}

const wanted = new Map();
for (const source of readdirSync(sources).filter((file) => file.endsWith(".sol")).sort()) {
  for (const file of readdirSync(path.join(output, source)).sort()) {
    const contract = JSON.parse(readFileSync(path.join(output, source, file), "utf8"));
    if (contract.bytecode.object !== "0x") wanted.set(file, select(path.basename(file, ".json"), contract));
  }
}

mkdirSync(artifacts, { recursive: true });
const stale = readdirSync(artifacts).filter((file) => file.endsWith(".json") && !wanted.has(file));
const changed = [...wanted.keys()].filter((file) => readIfThere(path.join(artifacts, file)) !== wanted.get(file));

if (process.argv.includes("--check")) {
  for (const file of [...changed, ...stale]) {
    process.stderr.write(`contracts/bindings/artifacts/${file} is not what contracts/src compiles to: run "make artifacts"\n`);
  }
  process.exit(changed.length + stale.length === 0 ? 0 : 1);
}
for (const file of stale) rmSync(path.join(artifacts, file));
for (const file of changed) writeFileSync(path.join(artifacts, file), wanted.get(file));
process.stdout.write(`contracts/bindings/artifacts: ${wanted.size} current, ${changed.length + stale.length} written or removed\n`);
