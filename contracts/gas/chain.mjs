// A chain to measure on: one Anvil of our own, on a port of its own, the same in every run. Time is part of that: the chain
// starts on a fixed day and every block, one for each transaction, is 12 seconds later, so a whole run fits in that day.

import { spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { createPublicClient, decodeErrorResult, encodeDeployData, http } from "viem";
import { mnemonicToAccount } from "viem/accounts";
import { foundry } from "viem/chains";

/** 2030-01-01T00:00:00Z, the start of a UTC day, and so of a daily period. */
export const GENESIS = 1_893_456_000;
export const BLOCK_SECONDS = 12;
export const DAY = 86_400;
export const HARDFORK = "osaka";

/** Anvil's own, known to everybody and worth nothing. */
const MNEMONIC = "test test test test test test test test test test test junk";
/** Sixteen seats or owners, and those that are neither. */
const ACCOUNTS = 19;

/** Far more than any transaction here uses, and below the most that Osaka lets one transaction have. */
const GAS_LIMIT = 12_000_000n;
const FEE = { maxFeePerGas: 10_000_000_000n, maxPriorityFeePerGas: 0n };

/** Starts the chain. `stop` ends it; and it ends with this process, however that ends. */
export async function startChain() {
  const { url, stop } = await startAnvil();
  const client = createPublicClient({ chain: foundry, transport: http(url), pollingInterval: 5 });
  await client.request({ method: "anvil_setBlockTimestampInterval", params: [BLOCK_SECONDS] });
  return new Chain(client, stop);
}

async function startAnvil() {
  const program = process.env.ANVIL_BIN;
  if (!program) {
    throw new Error('ANVIL_BIN does not say where Anvil is: run "make gas", which finds it (or "make setup" to install it)');
  }
  const options = {
    host: "127.0.0.1",
    port: 0,
    hardfork: HARDFORK,
    timestamp: GENESIS,
    accounts: ACCOUNTS,
    mnemonic: MNEMONIC,
  };
  const args = Object.entries(options).flatMap(([name, value]) => [`--${name}`, String(value)]);
  const anvil = spawn(program, args, { stdio: ["ignore", "pipe", "pipe"] });
  const ended = new Promise((resolve) => anvil.once("close", resolve));
  const stop = () => {
    anvil.kill("SIGKILL");
    return ended;
  };
  process.once("exit", stop);
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) process.once(signal, () => process.exit(1));

  let complaints = "";
  anvil.stderr.setEncoding("utf8").on("data", (text) => (complaints += text));
  return new Promise((resolve, reject) => {
    anvil.once("error", (error) => reject(new Error(`Anvil (${program}) could not be started: ${error.message}`)));
    anvil.once("close", (code, signal) => {
      reject(new Error(`Anvil (${program}) ended with ${code ?? signal}: ${complaints.trim() || "it did not say why"}`));
    });
    // Every line is read to the end: a full pipe would stop Anvil.
    createInterface({ input: anvil.stdout }).on("line", (line) => {
      const listening = /^Listening on (\S+)/.exec(line);
      if (listening) resolve({ url: `http://${listening[1]}`, stop });
    });
  });
}

class Chain {
  constructor(client, stop) {
    this.client = client;
    this.stop = stop;
    const accounts = Array.from({ length: ACCOUNTS }, (_, addressIndex) => mnemonicToAccount(MNEMONIC, { addressIndex }));
    /** Deploys everything, and is the master of the rings. */
    this.deployer = accounts.pop();
    /** Has no seat in a ring and owns no Safe. */
    this.stranger = accounts.pop();
    /** Who pays without any contract. */
    this.payer = accounts.pop();
    /** The keys of rings and Safes. */
    this.signers = accounts;
  }

  get id() {
    return this.client.chain.id;
  }

  /** Sends a transaction and returns its receipt; one that reverts is an error, in the words of `abi`. */
  async send(account, { to, data = "0x", value = 0n, abi = [] }) {
    const nonce = await this.client.getTransactionCount({ address: account.address });
    const transaction = { type: "eip1559", chainId: this.id, nonce, to, data, value, gas: GAS_LIMIT, ...FEE };
    const serializedTransaction = await account.signTransaction(transaction);
    const hash = await this.client.sendRawTransaction({ serializedTransaction });
    const receipt = await this.client.waitForTransactionReceipt({ hash });
    if (receipt.status !== "success") {
      const reason = await this.#whyReverted({ account: account.address, to, data, value }, abi);
      throw new Error(`A transaction from ${account.address} to ${to ?? "a new contract"} reverted: ${reason}`);
    }
    return receipt;
  }

  /** Deploys a contract; returns its address and the receipt. */
  async deploy({ abi, bytecode }, args = []) {
    const receipt = await this.send(this.deployer, { data: encodeDeployData({ abi, bytecode, args }) });
    return { address: receipt.contractAddress, receipt };
  }

  /** A receipt does not say why; the same call made again does, since nothing was changed. */
  async #whyReverted(call, abi) {
    try {
      await this.client.call({ ...call, gas: GAS_LIMIT });
      return "it has too little gas, or depends on the block it is in";
    } catch (error) {
      const { data } = error.walk();
      if (data === undefined) return error.shortMessage;
      const { errorName, args = [] } = decodeErrorResult({ abi, data });
      return `${errorName}(${args.join(", ")})`;
    }
  }
}
