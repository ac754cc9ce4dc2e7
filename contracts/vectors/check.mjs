// Checks the vectors with an encoder that is not ours: viem. Recomputes every packing, digest and signature from what
// was signed. Run it with Node from anywhere; see check.py for a second opinion.

import { readFileSync } from "node:fs";
import {
  concat,
  encodePacked,
  hashStruct,
  hashTypedData,
  keccak256,
  numberToHex,
  pad,
  parseSignature,
  recoverAddress,
  serializeCompactSignature,
  signatureToCompactSignature,
  size,
} from "viem";
import { privateKeyToAccount } from "viem/accounts";

const FILES = ["turns.json", "actions.json", "requests.json", "cancellations.json"];

const word = (value) => pad(numberToHex(value), { size: 32 });

/** What is wrong with a vector, in words. */
async function faults(vector) {
  const found = [];
  const expect = (what, actual, expected) => {
    if (actual.toLowerCase() !== expected.toLowerCase()) found.push(`${what}: ${actual}, not ${expected}`);
  };

  const { domain, types, primaryType, message } = vector;
  const typed = { domain: { ...domain, chainId: BigInt(domain.chainId) }, types, primaryType, message };
  expect("structHash", hashStruct({ data: message, primaryType, types }), vector.structHash);
  const digest = hashTypedData(typed);
  expect("digest", digest, vector.digest);

  const account = privateKeyToAccount(vector.privateKey);
  expect("signer", account.address, vector.signer);
  expect("signature", await account.signTypedData(typed), vector.signature);
  expect("recovered", await recoverAddress({ hash: digest, signature: vector.signature }), vector.signer);
  const compact = signatureToCompactSignature(parseSignature(vector.signature));
  expect("compactSignature", serializeCompactSignature(compact), vector.compactSignature);

  if (primaryType === "Turn") {
    const { ring, epoch, nonce, validUntil } = message;
    const packed = encodePacked(["uint32", "uint32", "uint40", "uint40"], [ring, epoch, nonce, validUntil].map(BigInt));
    expect("id", pad(packed, { size: 32 }), vector.id);
    expect("calls", vector.calls, message.calls);
    expect("decodedCalls", concat(["0x", ...vector.decodedCalls.map(packCall)]), vector.calls);
    const charter = packCharter(vector.charter);
    expect("terms", charter.terms, vector.charter.terms);
    expect("budget", charter.budget, vector.charter.budget);
    expect("charter", charter.hash, vector.charter.hash);
    await checkWitness(vector, digest, expect);
  }
  return found;
}

function packCall({ kind, requestId, gas, target, amount, data }) {
  const head = encodePacked(
    ["uint8", "bytes16", "uint24", "address", "uint96"],
    [kind === "pay" ? 1 : 0, requestId, Number(gas), target, BigInt(amount)],
  );
  return kind === "pay" ? head : concat([head, numberToHex(size(data), { size: 3 }), data]);
}

function packCharter({ asset, cap, seats, ...numbers }) {
  const { lastNonce, expiresAt, interval, turnsPerPeriod, period, quorum, window } = numbers;
  const lease = encodePacked(["uint40", "uint40"], [lastNonce, expiresAt].map(Number));
  const pace = encodePacked(["uint24", "uint24", "uint24"], [interval, turnsPerPeriod, period].map(Number));
  const shape = encodePacked(["uint8", "uint8", "uint8"], [Number(quorum), Number(window), seats.length]);
  const terms = pad(concat([lease, pace, shape]), { size: 32 });
  const budget = encodePacked(["address", "uint96"], [asset, BigInt(cap)]);
  return { terms, budget, hash: keccak256(concat([terms, budget, ...seats.map((seat) => word(BigInt(seat)))])) };
}

/** The first Q seats of the window have signed, the others are named. */
async function checkWitness({ witness, charter, message }, digest, expect) {
  const seats = charter.seats.length;
  let at = 2;
  for (let i = 0; i < seats; i++) {
    const seat = charter.seats[Number((BigInt(message.nonce) + BigInt(i)) % BigInt(seats))];
    const signs = i < Number(charter.quorum);
    expect("witness tag", witness.slice(at, at + 2), signs ? "01" : "00");
    const body = witness.slice(at + 2, at + 2 + (signs ? 128 : 40));
    at += 2 + body.length;
    if (!signs) {
      expect("witness key", `0x${body}`, seat);
      continue;
    }
    const vs = BigInt(`0x${body.slice(64)}`);
    const signature = {
      r: `0x${body.slice(0, 64)}`,
      s: word(vs & ((1n << 255n) - 1n)),
      yParity: Number(vs >> 255n),
    };
    expect("witness signature", await recoverAddress({ hash: digest, signature }), seat);
  }
  expect("witness length", String(at), String(witness.length));
}

let passed = 0;
let failed = 0;
for (const file of FILES) {
  let vectors = [];
  try {
    vectors = JSON.parse(readFileSync(new URL(file, import.meta.url), "utf8"));
  } catch (error) {
    console.error(`${file}: ${error.message}`);
  }
  if (!Array.isArray(vectors) || vectors.length === 0) {
    failed++;
    console.error(`${file}: no vectors`);
    continue;
  }
  for (const vector of vectors) {
    let found;
    try {
      found = await faults(vector);
    } catch (error) {
      found = [error.message];
    }
    for (const fault of found) console.error(`${file}, ${vector.name}: ${fault}`);
    if (found.length === 0) passed++;
    else failed++;
  }
}
console.log(`${passed} passed, ${failed} failed`);
process.exitCode = failed === 0 ? 0 : 1;
