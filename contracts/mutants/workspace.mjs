// A copy of the contracts and tests. The tests stay as they were compiled, and find an altered contract in the artifact from
// which they deploy it.

import { spawn } from "node:child_process";
import { cpSync, existsSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";

const ROOT = new URL("../..", import.meta.url).pathname;
const PLACE = join(ROOT, "target/mutants");
const ARTIFACT = "target/forge/out/RingMultisig.sol/RingMultisig.json";
const CONTRACT = "contracts/src/RingMultisig.sol";
/** A mutant that makes a test run for ever is noticed as well. */
const MOST_SECONDS = 300;
/** What is quick first; what is slow and finds nothing that the others do not, never. */
const STAGES = [
  ["--no-match-contract", "StolenKeys|Vectors|RingsInvariantTest"],
  ["--match-contract", "RingsInvariantTest"],
];
const QUICK = { FOUNDRY_FUZZ_RUNS: "48", FOUNDRY_INVARIANT_RUNS: "8", FOUNDRY_INVARIANT_DEPTH: "64" };

export class Workspace {
  #place;
  #artifact;

  constructor(index) {
    this.#place = join(PLACE, String(index));
    mkdirSync(this.#place, { recursive: true });
    for (const name of ["contracts/src", "contracts/test", "contracts/vectors", "foundry.toml", "scripts"]) {
      rmSync(join(this.#place, name), { recursive: true, force: true });
      cpSync(join(ROOT, name), join(this.#place, name), { recursive: true });
    }
    if (!existsSync(join(this.#place, "node_modules"))) symlinkSync(join(ROOT, "node_modules"), join(this.#place, "node_modules"));
  }

  /** Compiles the tests, and sees them pass on the contract as it is. */
  async prepare() {
    rmSync(join(this.#place, ARTIFACT), { force: true });
    if (!(await this.#forge(["build"]))) throw new Error("the contract and its tests do not compile");
    this.#artifact = JSON.parse(readFileSync(join(this.#place, ARTIFACT), "utf8"));
    const result = await this.try(undefined);
    if (result !== "survived") throw new Error(`the tests do not pass on the contract as it is (${result})`);
  }

  /** What the tests say of the contract with this mistake: "killed", "survived", or "invalid" if it does not compile. */
  async try(mutant) {
    const bytecode = await this.#compile(mutant);
    if (!bytecode) return "invalid";
    const artifact = { ...this.#artifact, bytecode: { ...this.#artifact.bytecode, object: `0x${bytecode}` } };
    writeFileSync(join(this.#place, ARTIFACT), JSON.stringify(artifact));
    for (const stage of STAGES) {
      // It may be larger than what a chain takes, which is no mistake that a test should find.
      if (!(await this.#forge(["test", "--fail-fast", "--code-size-limit", "1000000", ...stage]))) return "killed";
    }
    return "survived";
  }

  /** Creation code, or nothing. Hardly optimised: that takes half of the time, and means the same. */
  async #compile(mutant) {
    const { sources, settings } = JSON.parse(this.#artifact.rawMetadata);
    delete settings.compilationTarget;
    settings.optimizer = { enabled: false, details: { yul: true, yulDetails: { stackAllocation: true, optimizerSteps: "u:fDnTOc" } } };
    settings.outputSelection = { [CONTRACT]: { RingMultisig: ["evm.bytecode.object"] } };
    for (const file of Object.keys(sources)) {
      const content = readFileSync(join(this.#place, file), "utf8");
      const isMutant = file === mutant?.file;
      sources[file] = { content: isMutant ? content.slice(0, mutant.start) + mutant.replacement + content.slice(mutant.end) : content };
    }
    const compiler = this.#spawn(process.execPath, ["scripts/solc.mjs", "--standard-json"], ["pipe", "pipe", "ignore"]);
    let output = "";
    compiler.child.stdout.on("data", (data) => (output += data));
    compiler.child.stdin.end(JSON.stringify({ language: "Solidity", sources, settings }));
    if (!(await compiler.succeeds)) return undefined;
    return JSON.parse(output).contracts?.[CONTRACT]?.RingMultisig?.evm.bytecode.object;
  }

  #forge(args) {
    return this.#spawn(process.env.FORGE_BIN ?? "forge", args, "ignore").succeeds;
  }

  #spawn(program, args, stdio) {
    const child = spawn(program, args, {
      cwd: this.#place,
      env: { ...process.env, ...QUICK, FOUNDRY_SOLC: join(this.#place, "scripts/solc.mjs") },
      detached: true,
      stdio,
    });
    const timer = setTimeout(() => process.kill(-child.pid, "SIGKILL"), MOST_SECONDS * 1000);
    const succeeds = new Promise((resolve) => child.on("close", (code) => {
      clearTimeout(timer);
      resolve(code === 0);
    }));
    return { child, succeeds };
  }
}
