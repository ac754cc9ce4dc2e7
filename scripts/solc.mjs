#!/usr/bin/env node
// The Solidity compiler as Foundry expects to find it: a program that answers `--version` and compiles
// the standard JSON on its standard input. It runs the WebAssembly build that package.json pins, so that
// everybody compiles with the same compiler on every platform.

import { readFileSync, realpathSync, writeSync } from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";

const USAGE = "usage: solc.mjs --version | --standard-json [FILE] [--base-path DIR] [--include-path DIR]... [--allow-paths DIR,...]";

/** Writes all of `text`, however long and whatever is at the other end. */
function write(text) {
  const bytes = Buffer.from(text);
  for (let done = 0; done < bytes.length; ) {
    try {
      done += writeSync(1, bytes, done);
    } catch (error) {
      if (error.code !== "EAGAIN") throw error;
    }
  }
}

function fail(message) {
  process.stderr.write(`solc.mjs: ${message}\n`);
  process.exit(1);
}

function parseArguments(args) {
  const options = { mode: undefined, file: undefined, basePath: "", includePaths: [], allowPaths: [] };
  for (let i = 0; i < args.length; i++) {
    const [flag, inline] = args[i].split(/=(.*)/s);
    const value = () => inline ?? args[++i] ?? fail(`${flag} needs a value`);
    switch (flag) {
      case "--version":
      case "--standard-json":
        options.mode = flag;
        break;
      case "--base-path":
        options.basePath = value();
        break;
      case "--include-path":
        options.includePaths.push(value());
        break;
      case "--allow-paths":
        options.allowPaths.push(...value().split(",").filter((directory) => directory !== ""));
        break;
      default:
        if (flag.startsWith("-") && flag !== "-") fail(`unknown option ${flag}\n${USAGE}`);
        options.file = args[i];
    }
  }
  return options;
}

/** Reads what the sources import and the input does not contain, from the allowed directories only. */
function importCallback({ basePath, includePaths, allowPaths }) {
  const base = path.resolve(basePath);
  const roots = [base, ...includePaths.map((directory) => path.resolve(directory))];
  const allowed = [...roots, ...allowPaths.map((directory) => path.resolve(base, directory))].flatMap((directory) => {
    try {
      return [realpathSync(directory)];
    } catch {
      return [];
    }
  });
  const isAllowed = (file) => allowed.some((root) => file === root || file.startsWith(path.join(root, path.sep)));

  return (name) => {
    for (const root of roots) {
      try {
        const file = realpathSync(path.resolve(root, name));
        if (isAllowed(file)) return { contents: readFileSync(file, "utf8") };
      } catch {
        // Not there: try the next directory.
      }
    }
    return { error: `File not found: ${name}` };
  };
}

const options = parseArguments(process.argv.slice(2));
if (options.mode === undefined) fail(USAGE);

// solc reports its own failures through an `uncaughtException` handler that would hide the stack from Foundry.
const solc = createRequire(import.meta.url)("solc");
process.removeAllListeners("uncaughtException");
process.removeAllListeners("unhandledRejection");

if (options.mode === "--version") {
  write(`solc, the solidity compiler commandline interface\nVersion: ${solc.version()}\n`);
} else {
  const input = readFileSync(options.file === undefined || options.file === "-" ? 0 : options.file, "utf8");
  write(`${solc.compile(input, { import: importCallback(options) })}\n`);
}
