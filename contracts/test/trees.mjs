// Checks that every unit test has its leaf in the tree beside it, and every leaf its test. Run it with Node from anywhere.
//
//   when the key has no seat      test_RevertWhen_TheKeyHasNoSeat
//   └── it reverts
//   it sends the native coin      test_SendsTheNativeCoin, or test_Pay_SendsTheNativeCoin below a branch of its own

import { readFileSync, readdirSync } from "node:fs";

const UNIT = new URL("unit/", import.meta.url);

const capitalised = (words) =>
  words
    .split(/[^A-Za-z0-9]+/)
    .map((word) => word.charAt(0).toUpperCase() + word.slice(1))
    .join("");

/** What a test says; the branch that its name may start with does not matter. */
function rule(name) {
  return name.startsWith("RevertWhen_") ? name : name.slice(name.lastIndexOf("_") + 1);
}

function rulesOfTests(source) {
  return new Set([...source.matchAll(/^ {4}function test(?:Fuzz)?_(\w+)\(/gm)].map(([, name]) => rule(name)));
}

function rulesOfTree(tree) {
  const lines = tree
    .trimEnd()
    .split("\n")
    .map((line) => ({ depth: line.search(/[^│├└─ ]/), text: line.replace(/^[│├└─ ]+/, "") }));
  const rules = new Set();
  lines.forEach(({ depth, text }, at) => {
    const isLeaf = at > 0 && !(lines[at + 1]?.depth > depth);
    if (!isLeaf) return;
    const parent = lines.slice(0, at).findLast((line) => line.depth < depth).text;
    const [, reverts, which] = text.match(/^(it reverts)(?:: (.*))?$/) ?? [];
    const condition = `RevertWhen_${capitalised(parent.replace(/^(when|given) /, ""))}`;
    if (reverts) rules.add(which ? `${condition}_${capitalised(which)}` : condition);
    else rules.add(capitalised(text.replace(/^it /, "")));
  });
  return rules;
}

let faults = 0;
const report = (fault) => {
  faults++;
  console.error(fault);
};
const files = readdirSync(UNIT);
for (const file of files.filter((name) => name.endsWith(".t.sol"))) {
  const treeFile = file.replace(/\.t\.sol$/, ".tree");
  if (!files.includes(treeFile)) {
    report(`${treeFile} is not there`);
    continue;
  }
  const tests = rulesOfTests(readFileSync(new URL(file, UNIT), "utf8"));
  const leaves = rulesOfTree(readFileSync(new URL(treeFile, UNIT), "utf8"));
  for (const name of tests) if (!leaves.has(name)) report(`${treeFile} has no leaf for ${name}`);
  for (const name of leaves) if (!tests.has(name)) report(`${file} has no test for ${name}`);
}
for (const tree of files.filter((name) => name.endsWith(".tree"))) {
  if (!files.includes(tree.replace(/\.tree$/, ".t.sol"))) report(`${tree} has no tests`);
}
console.log(faults === 0 ? "The trees and the unit tests agree" : `${faults} faults`);
process.exitCode = faults === 0 ? 0 : 1;
