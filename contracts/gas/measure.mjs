// Measures what turns cost, beside a Safe and an ordinary account, and writes docs/GAS.md, target/gas.json and, of the ring's
// own figures, snapshot.json. With --check it writes nothing, and fails if one of those or the document has changed. Either
// way it fails if a figure is worse than it must be (limits.mjs).
//
//   scripts/tools.sh node contracts/gas/measure.mjs [--check]       is what make gas and make gas-check run

import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { parseArgs } from "node:util";

import { startChain } from "./chain.mjs";
import { measureAll } from "./figures.mjs";
import { judge } from "./limits.mjs";
import { report } from "./report.mjs";

const SNAPSHOT = new URL("snapshot.json", import.meta.url);
const DOCUMENT = new URL("../../docs/GAS.md", import.meta.url);
const FIGURES = new URL("../../target/gas.json", import.meta.url);

const json = (value) => `${JSON.stringify(value, null, 2)}\n`;

async function measure() {
  const chain = await startChain();
  try {
    return await measureAll(chain);
  } finally {
    await chain.stop();
  }
}

/** The ring's figures alone: what only changes when the contract does. */
function snapshotOf(figures) {
  const ring = Object.entries(figures).filter(([, figure]) => figure.ring !== undefined);
  return Object.fromEntries(ring.map(([name, figure]) => [name, figure.ring]));
}

function read(file) {
  try {
    return readFileSync(file, "utf8");
  } catch (error) {
    if (error.code === "ENOENT") return undefined;
    throw error;
  }
}

/** What is not as committed, in words. */
function changes(figures, document) {
  const expected = JSON.parse(read(SNAPSHOT) ?? "{}");
  const actual = snapshotOf(figures);
  const found = [...new Set([...Object.keys(expected), ...Object.keys(actual)])]
    .filter((name) => expected[name] !== actual[name])
    .map((name) => `${name}: ${expected[name] ?? "nothing"} is committed, ${actual[name] ?? "nothing"} was measured`);
  if (read(DOCUMENT) !== document) found.push("docs/GAS.md is not what these figures make");
  return found;
}

function write(figures, document) {
  mkdirSync(new URL(".", FIGURES), { recursive: true });
  writeFileSync(FIGURES, json(figures));
  writeFileSync(SNAPSHOT, json(snapshotOf(figures)));
  writeFileSync(DOCUMENT, document);
}

async function main() {
  const { values } = parseArgs({ options: { check: { type: "boolean", default: false } } });
  const figures = await measure();
  const verdicts = judge(figures);
  const document = report(figures, verdicts);

  const complaints = [];
  if (values.check) {
    complaints.push(...changes(figures, document));
    if (complaints.length > 0) complaints.push('If this change is intended, run "make gas" and commit what it writes.');
  } else {
    write(figures, document);
    console.log("docs/GAS.md, contracts/gas/snapshot.json and target/gas.json are written");
  }
  for (const { what, must, aim, achieved, holds, reaches } of verdicts) {
    if (!holds) complaints.push(`${what}: ${achieved}, but it must be at most ${must}`);
    else if (!reaches) console.log(`${what}: ${achieved}, within ${must}, but the aim is ${aim}`);
  }
  for (const complaint of complaints) console.error(complaint);
  if (complaints.length > 0) return 1;
  console.log("Every figure is within what it must be");
  return 0;
}

try {
  process.exitCode = await main();
} catch (error) {
  console.error(error.shortMessage ?? error.message);
  process.exitCode = 1;
}
