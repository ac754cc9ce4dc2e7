// Plants one small mistake after the other into the contract and sees whether the tests notice.
//
//   node contracts/mutants/run.mjs [--count 200 | --all] [--seed 1] [--jobs 2] [--file RingMultisig.sol]
//
// Writes target/mutants.json. Fails if fewer than 95 % are noticed; survivors.json says of which it is known why no test can.

import { spawn } from "node:child_process";
import { cpSync, existsSync, mkdirSync, readFileSync, readdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";

import { mutantsOf } from "./operators.mjs";

const ROOT = new URL("../..", import.meta.url).pathname;
const SOURCES = "contracts/src";
const PLACE = join(ROOT, "target/mutants");
const REPORT = join(ROOT, "target/mutants.json");
const LEAST = 0.95;
/** A mutant that makes a test run for ever is noticed as well. */
const MOST_SECONDS = 300;
/** What is slow and finds nothing that the others do not. */
const SLOW = "StolenKeys|Vectors";
const QUICK = { FOUNDRY_FUZZ_RUNS: "48", FOUNDRY_INVARIANT_RUNS: "8", FOUNDRY_INVARIANT_DEPTH: "64" };

const { values: options } = parseArgs({
  options: {
    count: { type: "string", default: "200" },
    all: { type: "boolean", default: false },
    seed: { type: "string", default: "1" },
    jobs: { type: "string", default: "2" },
    file: { type: "string" },
  },
});

const known = JSON.parse(readFileSync(new URL("survivors.json", import.meta.url), "utf8"));
const every = allMutants();
const chosen = options.all ? every : sample(every, Number(options.count), Number(options.seed));
console.log(`${every.length} mutants, ${chosen.length} of them tried`);

const jobs = Array.from({ length: Number(options.jobs) }, (_, i) => workspace(i));
await Promise.all(jobs.map(({ run }) => run("unchanged").then((result) => {
  if (result !== "survived") throw new Error(`the tests do not pass on the contract as it is (${result})`);
})));

const started = Date.now();
const results = [];
const waiting = [...chosen];
await Promise.all(jobs.map(async ({ place, run }) => {
  for (let mutant = waiting.shift(); mutant; mutant = waiting.shift()) {
    const path = join(place, mutant.file);
    const source = readFileSync(path, "utf8");
    writeFileSync(path, source.slice(0, mutant.start) + mutant.replacement + source.slice(mutant.end));
    const result = await run(`${mutant.file}:${mutant.line}`);
    writeFileSync(path, source);
    const reason = known.find((entry) => entry.file === mutant.file && entry.text === mutant.text && entry.what === mutant.what)?.reason;
    results.push({ ...mutant, result, reason });
    const seconds = Math.round((Date.now() - started) / 1000);
    const left = Math.round((seconds / results.length) * (chosen.length - results.length));
    console.log(`${results.length}/${chosen.length}  ${result.padEnd(9)} ${mutant.file}:${mutant.line}  ${mutant.what}  (${left} s left)`);
  }
}));

const count = (result) => results.filter((mutant) => mutant.result === result).length;
const survivors = results.filter(({ result }) => result === "survived");
const unexplained = survivors.filter(({ reason }) => !reason);
const tried = results.length - count("invalid");
const summary = {
  tried,
  killed: count("killed"),
  survived: survivors.length,
  explained: survivors.length - unexplained.length,
  invalid: count("invalid"),
  score: Number((count("killed") / tried).toFixed(4)),
};
writeFileSync(REPORT, JSON.stringify({ ...summary, survivors }, null, 2) + "\n");
for (const { file, line, text, what, reason } of survivors) console.log(`survived: ${file}:${line}  ${what}\n    ${text}\n    ${reason ?? "no reason is known"}`);
console.log(JSON.stringify(summary));
if (summary.score < LEAST) {
  console.error(`Only ${(100 * summary.score).toFixed(1)} % were noticed, ${100 * LEAST} % must be: write the tests that are missing.`);
  process.exitCode = 1;
}

function allMutants() {
  const files = readdirSync(join(ROOT, SOURCES), { recursive: true }).filter((file) => file.endsWith(".sol") && !file.startsWith("I"));
  return files.sort().filter((file) => !options.file || file.endsWith(options.file)).flatMap((name) => {
    const file = join(SOURCES, name);
    return mutantsOf(readFileSync(join(ROOT, file), "utf8")).map((mutant) => ({ file, ...mutant }));
  });
}

/** So many of them, the same for the same seed (mulberry32). */
function sample(mutants, count, seed) {
  const random = () => {
    seed = (seed + 0x6d2b79f5) | 0;
    let t = Math.imul(seed ^ (seed >>> 15), 1 | seed);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
  const shuffled = [...mutants];
  for (let i = shuffled.length - 1; i > 0; i--) {
    const j = Math.floor(random() * (i + 1));
    [shuffled[i], shuffled[j]] = [shuffled[j], shuffled[i]];
  }
  return shuffled.slice(0, count).sort((a, b) => a.file.localeCompare(b.file) || a.start - b.start);
}

/** A copy of the contracts, and how its tests are run. */
function workspace(index) {
  const place = join(PLACE, String(index));
  mkdirSync(place, { recursive: true });
  for (const name of ["contracts/src", "contracts/test", "contracts/vectors", "foundry.toml", "scripts"]) {
    rmSync(join(place, name), { recursive: true, force: true });
    cpSync(join(ROOT, name), join(place, name), { recursive: true });
  }
  if (!existsSync(join(place, "node_modules"))) symlinkSync(join(ROOT, "node_modules"), join(place, "node_modules"));
  return { place, run: () => runTests(place) };
}

function runTests(place) {
  const forge = process.env.FORGE_BIN ?? "forge";
  const solc = join(place, "scripts/solc.mjs");
  const child = spawn(forge, ["test", "--fail-fast", "--no-match-contract", SLOW], {
    cwd: place,
    env: { ...process.env, ...QUICK, FOUNDRY_SOLC: solc },
    detached: true,
  });
  let output = "";
  child.stdout.on("data", (data) => (output += data));
  child.stderr.on("data", (data) => (output += data));
  const timer = setTimeout(() => process.kill(-child.pid, "SIGKILL"), MOST_SECONDS * 1000);
  return new Promise((resolve) => child.on("close", (code) => {
    clearTimeout(timer);
    if (code === 0) resolve("survived");
    else resolve(/Compiler run failed|Compiler error/.test(output) ? "invalid" : "killed");
  }));
}
