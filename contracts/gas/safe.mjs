// Safe 1.4.1 as its npm package has it compiled, without guard or modules: what a ring is compared with.

import { createRequire } from "node:module";
import { concat, encodeFunctionData, encodePacked, numberToHex, pad, parseEventLogs, size, zeroAddress } from "viem";

const SAFE_TX = {
  SafeTx: [
    { name: "to", type: "address" },
    { name: "value", type: "uint256" },
    { name: "data", type: "bytes" },
    { name: "operation", type: "uint8" },
    { name: "safeTxGas", type: "uint256" },
    { name: "baseGas", type: "uint256" },
    { name: "gasPrice", type: "uint256" },
    { name: "gasToken", type: "address" },
    { name: "refundReceiver", type: "address" },
    { name: "nonce", type: "uint256" },
  ],
};
const CALL = 0;
const DELEGATECALL = 1;
/** No gas is refunded, and a call that fails undoes the transaction: the cheapest way to use a Safe, and the usual one. */
const NO_REFUND = { safeTxGas: 0n, baseGas: 0n, gasPrice: 0n, gasToken: zeroAddress, refundReceiver: zeroAddress };

const load = createRequire(import.meta.url);
const artifact = (file, name) => load(`@safe-global/safe-contracts/build/artifacts/contracts/${file}.sol/${name}.json`);
const SAFE = artifact("Safe", "Safe");
const FACTORY = artifact("proxies/SafeProxyFactory", "SafeProxyFactory");
const HANDLER = artifact("handler/CompatibilityFallbackHandler", "CompatibilityFallbackHandler");
const MULTI_SEND = artifact("libraries/MultiSendCallOnly", "MultiSendCallOnly");

/** Deploys what all Safes share. */
export async function deploySafes(chain) {
  const deploy = async (contract) => (await chain.deploy(contract)).address;
  return new Safes(chain, {
    singleton: await deploy(SAFE),
    factory: await deploy(FACTORY),
    handler: await deploy(HANDLER),
    multiSend: await deploy(MULTI_SEND),
  });
}

class Safes {
  constructor(chain, contracts) {
    this.chain = chain;
    this.contracts = contracts;
    this.created = 0n;
  }

  /** A Safe of these owners, made through the factory as the wallets do it. */
  async create(owners, threshold) {
    const { singleton, factory, handler, multiSend } = this.contracts;
    const initializer = encodeFunctionData({
      abi: SAFE.abi,
      functionName: "setup",
      args: [owners.map((owner) => owner.address), BigInt(threshold), zeroAddress, "0x", handler, zeroAddress, 0n, zeroAddress],
    });
    const receipt = await this.chain.send(this.chain.deployer, {
      to: factory,
      data: encodeFunctionData({
        abi: FACTORY.abi,
        functionName: "createProxyWithNonce",
        args: [singleton, initializer, this.created++],
      }),
    });
    const [creation] = parseEventLogs({ abi: FACTORY.abi, logs: receipt.logs, eventName: "ProxyCreation" });
    return new Safe(this.chain, creation.args.proxy, owners, threshold, multiSend);
  }
}

class Safe {
  constructor(chain, address, owners, threshold, multiSend) {
    this.chain = chain;
    this.address = address;
    this.owners = owners;
    this.threshold = threshold;
    this.multiSend = multiSend;
  }

  /** Pays each of the payments `{ asset, to, amount }`, several of them as one MultiSend; `relayed` as in `#execute`. */
  async pay(payments, relayed) {
    const calls = payments.map(({ asset, to, amount }) => asset.payment(to, amount));
    if (calls.length === 1) return this.#execute({ ...calls[0], operation: CALL }, relayed);
    const packed = calls.map(({ to, value, data }) =>
      encodePacked(["uint8", "address", "uint256", "uint256", "bytes"], [CALL, to, value, BigInt(size(data)), data]),
    );
    const data = encodeFunctionData({ abi: MULTI_SEND.abi, functionName: "multiSend", args: [concat(packed)] });
    return this.#execute({ to: this.multiSend, value: 0n, data, operation: DELEGATECALL }, relayed);
  }

  /**
   * As many owners agree as the threshold wants. `relayed`: a stranger sends what they all signed; otherwise one of them
   * sends, which is its consent (v = 1), and the others sign.
   */
  async #execute(call, relayed) {
    const nonce = await this.chain.client.readContract({ address: this.address, abi: SAFE.abi, functionName: "nonce" });
    const message = { ...call, ...NO_REFUND, nonce };
    const domain = { chainId: this.chain.id, verifyingContract: this.address };
    const signing = this.owners.slice(0, this.threshold);
    const sender = relayed ? this.chain.stranger : signing[0];
    const signatures = await Promise.all(
      signing
        // A Safe wants them in the order of the owners' addresses.
        .toSorted((a, b) => (BigInt(a.address) < BigInt(b.address) ? -1 : 1))
        .map((owner) =>
          owner === sender
            ? concat([pad(owner.address, { size: 32 }), pad("0x", { size: 32 }), numberToHex(1, { size: 1 })])
            : owner.signTypedData({ domain, types: SAFE_TX, primaryType: "SafeTx", message }),
        ),
    );
    const { to, value, data, operation, safeTxGas, baseGas, gasPrice, gasToken, refundReceiver } = message;
    const receipt = await this.chain.send(sender, {
      to: this.address,
      abi: SAFE.abi,
      data: encodeFunctionData({
        abi: SAFE.abi,
        functionName: "execTransaction",
        args: [to, value, data, operation, safeTxGas, baseGas, gasPrice, gasToken, refundReceiver, concat(signatures)],
      }),
    });
    const own = receipt.logs.filter((log) => log.address.toLowerCase() === this.address.toLowerCase());
    if (parseEventLogs({ abi: SAFE.abi, logs: own, eventName: "ExecutionSuccess" }).length !== 1) {
      throw new Error(`The Safe ${this.address} did not say that its transaction ${receipt.transactionHash} succeeded`);
    }
    return receipt;
  }
}
