// Reads what `forge coverage` wrote and names every line and branch of the contract that no test reaches. Fails if there is
// one without a reason.
//
//   node contracts/test/coverage.mjs target/coverage.lcov

import { readFileSync } from "node:fs";

const ROOT = new URL("../..", import.meta.url);
const SOURCES = "contracts/src/";
/** Compiled through the IR, which does not fit the stack otherwise, some statements have no place of their own. */
const NO_PLACE = "is optimised into what comes before or after it, which is reached";
const REASONS = {
  "return left;": NO_PLACE,
  "return nextId;": NO_PLACE,
  "offset = next;": NO_PLACE,
  "if (tag == ABSENT) {": NO_PLACE,
};

let unexplained = 0;
let inAssembly = 0;
let file;
for (const record of readFileSync(process.argv[2], "utf8").split("\n")) {
  const [kind, value] = record.split(/:(.*)/s);
  if (kind === "SF") file = value.startsWith(SOURCES) ? readSource(value) : undefined;
  if (!file || (kind !== "DA" && kind !== "BRDA")) continue;
  const fields = value.split(",");
  const line = Number(fields[0]);
  if (Number(fields.at(-1)) > 0) continue;
  // Forge follows no instruction back to a line of assembly.
  if (file.assembly.has(line)) inAssembly++;
  else name(kind === "DA" ? "line" : "branch", line);
}
console.log(`${inAssembly} lines and branches of assembly, which are not followed: see the tests against plain references, and the mutants`);
if (unexplained) {
  console.error(`${unexplained} that no test reaches: write one, or say in ${new URL(import.meta.url).pathname.split("/").slice(-3).join("/")} why none can`);
  process.exitCode = 1;
}

function name(what, line) {
  const text = file.lines[line - 1].trim();
  if (!REASONS[text]) unexplained++;
  console.log(`${what} ${file.path}:${line}  ${text}\n    ${REASONS[text] ?? "no test reaches it"}`);
}

function readSource(path) {
  const lines = readFileSync(new URL(path, ROOT), "utf8").split("\n");
  const assembly = new Set();
  let depth = 0;
  lines.forEach((text, at) => {
    if (depth === 0 && !/\bassembly\b.*\{/.test(text)) return;
    assembly.add(at + 1);
    depth += text.split("{").length - text.split("}").length;
  });
  return { path, lines, assembly };
}
