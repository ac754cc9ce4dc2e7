// RingMultisig, from the committed artifact: forms rings and takes turns, with encodings of its own that share nothing with the
// contract or the Rust crates.

import { readFileSync } from "node:fs";
import {
  concat,
  encodeFunctionData,
  encodePacked,
  getAbiItem,
  keccak256,
  numberToHex,
  pad,
  parseEventLogs,
  parseSignature,
  serializeCompactSignature,
  signatureToCompactSignature,
  size,
  slice,
  toFunctionSelector,
  toHex,
  zeroAddress,
} from "viem";

import { BLOCK_SECONDS, DAY, GENESIS } from "./chain.mjs";

const ARTIFACT = new URL("../bindings/artifacts/RingMultisig.json", import.meta.url);
const TURN = {
  Turn: [
    { name: "ring", type: "uint32" },
    { name: "epoch", type: "uint32" },
    { name: "nonce", type: "uint40" },
    { name: "validUntil", type: "uint40" },
    { name: "calls", type: "bytes" },
  ],
};
const ABSENT = "0x00";
const SIGNED = "0x01";
const SENDER = "0x02";

/** What is signed for each call: a token's transfer takes half of it. */
export const CALL_GAS = 60_000;
const VALID_UNTIL = BigInt(GENESIS + DAY);
/** Every bound of a charter is set, and none of them is reached. */
const BOUNDS = {
  cap: 10n ** 24n,
  period: DAY,
  turnsPerPeriod: 10_000,
  interval: BLOCK_SECONDS,
  expiresAt: GENESIS + 90 * DAY,
  lastNonce: 1_000_000,
};
const TRANSFER = toFunctionSelector("transfer(address,uint256)");

/** Deploys the contract that all rings share. */
export async function deployTreasury(chain) {
  const { abi, bytecode } = JSON.parse(readFileSync(ARTIFACT, "utf8"));
  const { address, receipt } = await chain.deploy({ abi, bytecode: bytecode.object }, [chain.deployer.address, zeroAddress]);
  return new Treasury(chain, address, abi, receipt.gasUsed);
}

class Treasury {
  constructor(chain, address, abi, deploymentGas) {
    this.chain = chain;
    this.address = address;
    this.abi = abi;
    this.deploymentGas = deploymentGas;
    this.rings = 0;
  }

  async runtimeBytes() {
    return size(await this.chain.client.getCode({ address: this.address }));
  }

  /** Forms a ring of these seats whose main asset this is. */
  async form({ seats, window, quorum = window, asset }) {
    const id = ++this.rings;
    const charter = { ...BOUNDS, window, quorum, asset: asset.address, seats: seats.map((seat) => seat.address) };
    await this.#asMaster("formRing", [id, 0, charter]);
    return new Ring(this, id, charter, seats);
  }

  /** Lets a ring call the token's `transfer`, checked word by word, up to a cap of its own. */
  async permitTransfers(ring, token) {
    const permission = {
      target: token.address,
      selector: TRANSFER,
      allowed: true,
      amountWord: 1,
      asset: token.address,
      addressWords: 0b1,
    };
    await this.#asMaster("setPermissions", [ring.id, [permission]]);
    await this.#asMaster("setLimits", [ring.id, [{ asset: token.address, cap: BOUNDS.cap, period: BOUNDS.period }]]);
  }

  async #asMaster(functionName, args) {
    const authorization = { signer: this.chain.deployer.address, deadline: 0n, signature: "0x" };
    if (getAbiItem({ abi: this.abi, name: functionName })?.inputs.length !== args.length + 1) {
      throw new Error(`The committed artifact has no ${functionName} with ${args.length + 1} arguments: run "make artifacts"`);
    }
    await this.chain.send(this.chain.deployer, {
      to: this.address,
      abi: this.abi,
      data: encodeFunctionData({ abi: this.abi, functionName, args: [...args, authorization] }),
    });
  }
}

class Ring {
  constructor(treasury, id, charter, seats) {
    this.treasury = treasury;
    this.id = id;
    this.charter = charter;
    this.seats = seats;
  }

  /** Whose balance it pays from. */
  get address() {
    return this.treasury.address;
  }

  /**
   * Pays each of the payments `{ asset, to, amount }` in one turn, a void one if there are none. The main asset is simply paid
   * (kind 1), any other by calling its `transfer` (kind 0). `relayed`: a stranger sends what Q seats signed; otherwise
   * the first seat of the window sends, which is its consent, and the others sign.
   */
  async pay(payments, relayed) {
    const { abi, address, chain } = this.treasury;
    const { nonce, epoch } = await chain.client.readContract({ address, abi, functionName: "getRing", args: [this.id] });
    const packed = payments.map((payment, i) => this.#pack(payment, `ring ${this.id}, turn ${nonce}, call ${i}`));
    const calls = concat(["0x", ...packed]);
    const message = { ring: this.id, epoch, nonce, validUntil: VALID_UNTIL, calls };

    const first = nonce % this.seats.length;
    const sender = relayed ? chain.stranger : this.seats[first];
    const witness = await Promise.all(
      this.seats.map((_, i) => this.#stance(i, this.seats[(first + i) % this.seats.length], sender, message)),
    );
    const receipt = await chain.send(sender, {
      to: address,
      abi,
      data: encodeFunctionData({
        abi,
        functionName: "execute",
        args: [
          packTurnId(message),
          numberToHex(packTerms(this.charter), { size: 32 }),
          numberToHex(packBudget(this.charter), { size: 32 }),
          concat([numberToHex(size(calls), { size: 3 }), calls, ...witness]),
        ],
      }),
    });
    const logs = receipt.logs.filter((log) => log.address.toLowerCase() === address.toLowerCase());
    const events = parseEventLogs({ abi, logs }).map((event) => event.eventName).join(", ");
    if (events !== "TurnExecuted") {
      throw new Error(`Ring ${this.id}, nonce ${nonce}: the events were ${events || "none"}, not TurnExecuted alone`);
    }
    return receipt;
  }

  /** What the witness says of the seat at place `i` from the window's start: the first Q agree, the others only have a key. */
  async #stance(i, seat, sender, message) {
    if (i >= this.charter.quorum) return concat([ABSENT, seat.address]);
    if (seat === sender) return SENDER;
    const domain = {
      name: "Ring Window",
      version: "1",
      chainId: this.treasury.chain.id,
      verifyingContract: this.treasury.address,
    };
    const signature = await seat.signTypedData({ domain, types: TURN, primaryType: "Turn", message });
    return concat([SIGNED, serializeCompactSignature(signatureToCompactSignature(parseSignature(signature)))]);
  }

  /** One call of a turn. Its request id is a hash of the order, as a client would choose it. */
  #pack({ asset, to, amount }, order) {
    const requestId = slice(keccak256(toHex(order)), 0, 16);
    const head = (kind, target, value) =>
      encodePacked(["uint8", "bytes16", "uint24", "address", "uint96"], [kind, requestId, CALL_GAS, target, value]);
    if (asset.address === this.charter.asset) return head(1, to, amount);
    const call = asset.payment(to, amount);
    return concat([head(0, call.to, call.value), numberToHex(size(call.data), { size: 3 }), call.data]);
  }
}

const word = (packed) => BigInt(pad(packed, { size: 32 }));

function packTurnId({ ring, epoch, nonce, validUntil }) {
  return word(encodePacked(["uint32", "uint32", "uint40", "uint40"], [ring, epoch, nonce, Number(validUntil)]));
}

function packTerms({ lastNonce, expiresAt, interval, turnsPerPeriod, period, quorum, window, seats }) {
  return word(
    encodePacked(
      ["uint40", "uint40", "uint24", "uint24", "uint24", "uint8", "uint8", "uint8"],
      [lastNonce, expiresAt, interval, turnsPerPeriod, period, quorum, window, seats.length],
    ),
  );
}

function packBudget({ asset, cap }) {
  return word(encodePacked(["address", "uint96"], [asset, cap]));
}
