// Plants one small mistake after the other into the contract and sees whether the tests notice.
//
//   node contracts/mutants/run.mjs [--count 200 | --all | --again] [--seed 1] [--jobs 2] [--file RingMultisig.sol] [--what "left out,< → <="]
//       [--from 0]
//
// --from goes on with a run that was stopped after so many.
// --again tries those alone that survived the last time.
// Writes target/mutants.json. Fails if fewer than 95 % are noticed, or if one is not and survivors.json does not say why no test can.

import { readFileSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";

import { mutantsOf } from "./operators.mjs";
import { Workspace } from "./workspace.mjs";

const ROOT = new URL("../..", import.meta.url).pathname;
const SOURCES = "contracts/src";
const REPORT = join(ROOT, "target/mutants.json");
const LEAST = 0.95;

const { values: options } = parseArgs({
  options: {
    count: { type: "string", default: "200" },
    all: { type: "boolean", default: false },
    again: { type: "boolean", default: false },
    seed: { type: "string", default: "1" },
    jobs: { type: "string", default: "2" },
    file: { type: "string" },
    what: { type: "string" },
    from: { type: "string", default: "0" },
  },
});

const known = JSON.parse(readFileSync(new URL("survivors.json", import.meta.url), "utf8"));
const every = allMutants();
// In no order, so that a run that is stopped early is a sample too.
const chosen = options.again
  ? every.filter(survivedBefore())
  : shuffled(every, Number(options.seed)).slice(Number(options.from)).slice(0, options.all ? every.length : Number(options.count));
console.log(`${every.length} mutants, ${chosen.length} of them tried`);

const jobs = Array.from({ length: Number(options.jobs) }, (_, i) => new Workspace(i));
await Promise.all(jobs.map((job) => job.prepare()));

const started = Date.now();
const results = [];
const waiting = [...chosen];
await Promise.all(jobs.map(async (job) => {
  for (let mutant = waiting.shift(); mutant; mutant = waiting.shift()) {
    const result = await job.try(mutant);
    const reason = known.find((entry) => entry.file === mutant.file && entry.text === mutant.text && entry.what === mutant.what)?.reason;
    results.push({ ...mutant, result, reason });
    const seconds = Math.round((Date.now() - started) / 1000);
    const left = Math.round((seconds / results.length) * (chosen.length - results.length));
    report();
    console.log(`${results.length}/${chosen.length}  ${result.padEnd(9)} ${mutant.file}:${mutant.line}  ${mutant.what}  (${left} s left)`);
  }
}));

const { survivors, ...summary } = report();
for (const { file, line, text, what, reason } of survivors) console.log(`survived: ${file}:${line}  ${what}\n    ${text}\n    ${reason ?? "no reason is known"}`);
console.log(JSON.stringify(summary));
if (summary.survived > summary.explained) {
  console.error("Some survived for no known reason: write the tests that are missing, or say in survivors.json why none can notice.");
  process.exitCode = 1;
}
if (summary.score < LEAST && !options.again) {
  console.error(`Only ${(100 * summary.score).toFixed(1)} % were noticed, ${100 * LEAST} % must be.`);
  process.exitCode = 1;
}

/** What is known so far, also in target/mutants.json. */
function report() {
  const count = (result) => results.filter((mutant) => mutant.result === result).length;
  const survivors = results.filter(({ result }) => result === "survived");
  const tried = results.length - count("invalid");
  const found = {
    tried,
    killed: count("killed"),
    survived: survivors.length,
    explained: survivors.filter(({ reason }) => reason).length,
    invalid: count("invalid"),
    score: Number((count("killed") / tried).toFixed(4)),
    survivors,
  };
  writeFileSync(REPORT, JSON.stringify(found, null, 2) + "\n");
  return found;
}

function allMutants() {
  const files = readdirSync(join(ROOT, SOURCES), { recursive: true }).filter((file) => file.endsWith(".sol") && !file.startsWith("I"));
  return files.sort().filter((file) => !options.file || file.endsWith(options.file)).flatMap((name) => {
    const file = join(SOURCES, name);
    const mutants = mutantsOf(readFileSync(join(ROOT, file), "utf8")).map((mutant) => ({ file, ...mutant }));
    return mutants.filter(({ what }) => !options.what || options.what.split(",").includes(what));
  });
}

function survivedBefore() {
  const before = JSON.parse(readFileSync(REPORT, "utf8")).survivors;
  return (mutant) => before.some(({ file, text, what }) => file === mutant.file && text === mutant.text && what === mutant.what);
}

/** In an order that is the same for the same seed (mulberry32). */
function shuffled(mutants, seed) {
  const random = () => {
    seed = (seed + 0x6d2b79f5) | 0;
    let t = Math.imul(seed ^ (seed >>> 15), 1 | seed);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
  const list = [...mutants];
  for (let i = list.length - 1; i > 0; i--) {
    const j = Math.floor(random() * (i + 1));
    [list[i], list[j]] = [list[j], list[i]];
  }
  return list;
}

