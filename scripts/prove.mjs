#!/usr/bin/env node
// Proves what contracts/test/symbolic says of the contract, with halmos; sees the planted falsehoods refuted; and has
// slither read contracts/src. Called by `make prove`, which sees to the tools and names them:
//
//   PROVE_VENV=target/prove-venv scripts/tools.sh node scripts/prove.mjs [REGEX of properties]
//
// Fails on a property that is not proved, on a warning of halmos (an incomplete proof is none), on a falsehood that is not
// refuted, and on a finding of slither that slither.config.json and contracts/slither.json do not explain.

import { spawn } from "node:child_process";
import { cpSync, existsSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";

const ROOT = path.resolve(path.dirname(fileURLToPath(import.meta.url)), "..");
const WORK = path.join(ROOT, "target", "prove");
const FORGE_OUT = path.join(ROOT, "target", "forge");
const EXPLAINED = path.join(ROOT, "contracts", "slither.json");
// What halmos says of a test: proved, and refuted by a counterexample.
const PROVED = 0;
const REFUTED = 1;

const { FORGE_BIN, FOUNDRY_SOLC } = process.env;
const venv = path.resolve(ROOT, process.env.PROVE_VENV ?? "target/prove-venv");
const only = process.argv[2] ?? "";

/** Directories of links, since halmos and slither look for `forge` and `solc` on the PATH. */
function toolsOnPath() {
  const directory = path.join(WORK, "bin");
  rmSync(directory, { recursive: true, force: true });
  mkdirSync(directory, { recursive: true });
  symlinkSync(path.resolve(FORGE_BIN), path.join(directory, "forge"));
  symlinkSync(path.resolve(FOUNDRY_SOLC), path.join(directory, "solc"));
  return [directory, path.join(venv, "bin"), process.env.PATH].join(path.delimiter);
}

/** Runs a program, shows what it says as it says it, and returns that with its exit code. */
function run(program, args, { env = {}, isShown = () => true } = {}) {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, { cwd: ROOT, env: { ...process.env, PATH, PYTHONUNBUFFERED: "1", ...env }, stdio: ["ignore", "pipe", "pipe"] });
    let output = "";
    let unfinished = "";
    const take = (bytes) => {
      output += bytes;
      const lines = (unfinished + bytes).split("\n");
      unfinished = lines.pop();
      for (const line of lines) if (isShown(line)) console.log(line);
    };
    child.stdout.setEncoding("utf8").on("data", take);
    child.stderr.setEncoding("utf8").on("data", take);
    child.on("error", reject);
    child.on("close", (code) => resolve({ code, output }));
  });
}

/** Compiles the contract as it is deployed, and puts it where halmos reads what it knows. */
async function compileContract() {
  const out = path.join(FORGE_OUT, "prove-contract");
  const args = ["build", "contracts/src/RingMultisig.sol", "--ast", "--extra-output", "metadata", "storageLayout"];
  const { code } = await run("forge", [...args, "--out", out, "--cache-path", `${out}-cache`]);
  if (code !== 0) throw new Error("the contract does not compile");
  cpSync(path.join(out, "RingMultisig.sol"), path.join(FORGE_OUT, "prove", "RingMultisig.sol"), { recursive: true });
}

/** Runs halmos over the contracts that match. Returns a row for each of their checks, and the warnings. */
async function halmos(contracts, extra, isShown) {
  const report = path.join(WORK, "halmos.json");
  rmSync(report, { force: true });
  const args = ["--root", ROOT, "--no-status", "--json-output", report, "--match-contract", contracts, "--match-test", only, ...extra];
  const { output } = await run("halmos", args, { env: { FOUNDRY_PROFILE: "symbolic" }, isShown });
  if (!existsSync(report)) throw new Error("halmos did not finish");
  const rows = Object.entries(JSON.parse(readFileSync(report, "utf8")).test_results).flatMap(([file, tests]) =>
    tests.map(({ name, exitcode, time }) => ({ contract: file.split(":").pop(), name: name.replace(/^check_|\(.*$/g, ""), exitcode, seconds: time[0] })),
  );
  return { rows, warnings: output.split("\n").filter((line) => /\b(WARNING|ERROR)\b/.test(line)) };
}

/** The findings of slither in contracts/src that nobody has explained, and how many were. */
async function slither() {
  const report = path.join(WORK, "slither.json");
  rmSync(report, { force: true });
  const env = { FOUNDRY_OUT: path.join(FORGE_OUT, "slither"), FOUNDRY_CACHE_PATH: path.join(FORGE_OUT, "slither-cache") };
  const { output } = await run("slither", [".", "--json", report], { env, isShown: () => false });
  const answer = existsSync(report) ? JSON.parse(readFileSync(report, "utf8")) : { success: false };
  if (!answer.success) throw new Error(`slither did not finish\n${output}`);
  const findings = answer.results.detectors ?? [];
  const { explained } = JSON.parse(readFileSync(EXPLAINED, "utf8"));
  const isExplained = ({ check, elements }, explanation) => check === explanation.check && (explanation.in === "*" || nameOf(elements) === explanation.in);
  return {
    open: findings.filter((finding) => !explained.some((explanation) => isExplained(finding, explanation))),
    stale: explained.filter((explanation) => !findings.some((finding) => isExplained(finding, explanation))),
    explained: findings.filter((finding) => explained.some((explanation) => isExplained(finding, explanation))).length,
  };
}

/** Where a finding is: `Contract.function`, `function.variable`. */
function nameOf([element]) {
  const parent = element?.type_specific_fields?.parent;
  return parent?.name ? `${parent.name}.${element.name}` : (element?.name ?? "");
}

function table(rows, expected, word) {
  const result = (row) => (row.exitcode === expected ? word : "FAILED");
  const widths = [Math.max(...rows.map(({ contract }) => contract.length)), Math.max(...rows.map(({ name }) => name.length))];
  for (const row of rows) console.log(`  ${row.contract.padEnd(widths[0])}  ${row.name.padEnd(widths[1])}  ${result(row).padEnd(7)}  ${row.seconds.toFixed(1).padStart(6)} s`);
}

const started = performance.now();
mkdirSync(WORK, { recursive: true });
const PATH = toolsOnPath();
await compileContract();
const faults = [];

const isResult = (line) => /\[(PASS|FAIL|ERROR|TIMEOUT)\]|WARNING|^Running|^Error/.test(line);
const properties = await halmos("^(?!Falsehoods)", [], () => true);
faults.push(...properties.rows.filter(({ exitcode }) => exitcode !== PROVED).map(({ contract, name }) => `not proved: ${contract} ${name}`));
faults.push(...properties.warnings.map((line) => `halmos: ${line.trim()}`));

// With a choice of properties neither falsehoods nor slither: that is for work on a proof.
const isWhole = only === "";
let falsehoods = { rows: [] };
let findings = { open: [], stale: [], explained: 0 };
if (isWhole) {
  console.log("\nFalsehoods, each of which must FAIL:");
  falsehoods = await halmos("^Falsehoods", ["--early-exit"], isResult);
  faults.push(...falsehoods.rows.filter(({ exitcode }) => exitcode !== REFUTED).map(({ name }) => `not refuted: ${name}`));
  if (properties.rows.length === 0 || falsehoods.rows.length === 0) faults.push("there is nothing to prove or to refute");
  console.log("\nslither reads contracts/src …");
  findings = await slither();
}
faults.push(...findings.open.map(({ check, impact, description }) => `slither: ${check} (${impact}): ${description.trim()}`));
faults.push(...findings.stale.map((explanation) => `slither no longer finds ${explanation.check} in ${explanation.in}: take its explanation away`));

console.log("\nProperties");
if (properties.rows.length !== 0) table(properties.rows, PROVED, "proved");
if (isWhole) {
  console.log("\nFalsehoods");
  table(falsehoods.rows, REFUTED, "refuted");
}
const seconds = (performance.now() - started) / 1000;
const proved = properties.rows.filter(({ exitcode }) => exitcode === PROVED).length;
const refuted = falsehoods.rows.filter(({ exitcode }) => exitcode === REFUTED).length;
console.log(`\n${proved} of ${properties.rows.length} properties proved, ${refuted} of ${falsehoods.rows.length} falsehoods refuted, ${findings.explained} findings of slither explained, ${findings.open.length} open; ${Math.round(seconds)} s`);
const summary = { properties: proved, falsehoods: refuted, slither: { explained: findings.explained, open: findings.open.length }, seconds: Math.round(seconds), ok: faults.length === 0, results: { properties: properties.rows, falsehoods: falsehoods.rows } };
if (isWhole) writeFileSync(path.join(ROOT, "target", "prove.json"), `${JSON.stringify(summary, null, 2)}\n`);
for (const fault of faults) console.error(`prove: ${fault}`);
process.exitCode = faults.length === 0 ? 0 : 1;
