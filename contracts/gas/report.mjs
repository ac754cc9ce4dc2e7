// The figures for people: docs/GAS.md. The same figures always make the same bytes.

import { BLOCK_SECONDS, HARDFORK } from "./chain.mjs";
import { BATCHES, SIZES } from "./figures.mjs";
import { CALL_GAS } from "./ring.mjs";

/** The whole of docs/GAS.md. */
export function report(figures, verdicts) {
  return `<!-- Written by \`make gas\` from what it measured. Do not edit: change contracts/gas and run it. -->

# Gas

\`make gas\` writes this file; \`make gas-check\` fails if a figure of the ring is no longer what is committed.

## What must hold

${table(
  ["", "must be at most", "aim", "achieved", "met"],
  verdicts.map(({ what, must, aim, achieved, holds, reaches }) => [
    what,
    number(must),
    number(aim),
    number(achieved),
    reaches ? "must and aim" : holds ? "must" : "**no**",
  ]),
)}

## One payment

${SIZES.map((size) => paymentTable(figures, size)).join("\n\n")}

For comparison:

${table(
  ["", "gas"],
  [
    ["Native coin, an ordinary account", number(figures.eoa_native.gas)],
    ["ERC-20, an ordinary account", number(figures.eoa_erc20.gas)],
    ["ERC-20 that is not the main asset, 2-of-3 ring, a seat sends", number(figures.erc20_other_asset_sender_2of3.ring)],
    ["Void turn, 2-of-3 ring, a seat sends", number(figures.void_sender_2of3.ring)],
    ["ERC-20, Zodiac Roles 2.1, one key, capped (not run here)", number(figures.zodiac_roles.gas)],
  ],
)}

The token that is not the main asset is called through a permission: target, function and address are checked, and its amount
counts against a limit of its own. That is as much as a ring ever checks of a call.

- That token ÷ Zodiac Roles: ${number(figures.erc20_other_asset_sender_2of3.ratio_zodiac)}
- The main asset ÷ Zodiac Roles: ${number(figures.erc20_capped_sender_2of3.ratio_zodiac)}

## Batches of ERC-20 payouts, 2-of-3

Gas for each payout; a seat or an owner sends.

${table(
  ["payouts", "ring", "Safe, MultiSendCallOnly", "ordinary account", "ring ÷ Safe", "ring ÷ ordinary account"],
  BATCHES.map((count) => {
    const { ring, safe, eoa, ratio, ratio_eoa } = figures[`batch${count}_capped_per_payout_2of3`];
    return [number(count), number(ring), number(safe), number(eoa), number(ratio), number(ratio_eoa)];
  }),
)}

## Larger rings

A seat sends the native coin; the mean over all windows of the ring.

${growthTable("seats in the window, one outside", figures.growth_per_seat_inside_window)}

${growthTable("seats outside a window of two", figures.growth_per_seat_outside_window)}

By the method of least squares, each seat more costs

- in the window: ${number(figures.growth_per_seat_inside_window.ring)},
- outside it: ${number(figures.growth_per_seat_outside_window.ring)},
- outside it, beyond the fourth: ${number(figures.growth_per_seat_outside_window_beyond_4.ring)}.

## The contract

Deploying \`RingMultisig\` once, for all rings, costs ${number(figures.deployment.ring)} gas.
Its code is ${number(figures.runtime_bytes.ring)} bytes of the 24,576 that Ethereum allows.

## How this was measured

Everything is the gas of a receipt, on one Anvil under ${capital(HARDFORK)} rules, and each payment was seen to arrive in the
balances. Only the figure of Zodiac Roles is taken over and not run here.

- *Steady state*: of two like transactions of a day, the second. Nonces, counters and the recipient's balance are not zero
  before it.
- *Rings* run the committed artifact. Every seat of the window agrees. Cap, velocity, an interval of ${BLOCK_SECONDS} seconds
  and the lease are all set, and none is reached. The main asset is paid with its cap (kind 1). Each call has a request id
  of 16 bytes and ${number(CALL_GAS)} gas signed for it.
- *Safe* is 1.4.1 as its npm package has it compiled, behind a proxy from its factory, with the compatibility fallback handler,
  without guard, module or refund. It has no cap.
- *A seat sends* means that the sender's seat needs no signature; *an owner sends*, that the sender's consent is a signature of
  type v = 1. *Relayed* means that all signatures are data, and the sender a stranger.
- The *token* is a plain OpenZeppelin ERC-20. An ordinary account pays it with one key, one payment a transaction.
- Keys, times and amounts are fixed, and so every byte of call data and this file.
`;
}

function paymentTable(figures, { name, required, seats }) {
  const rows = [];
  for (const [prefix, asset] of [["native", "Native coin"], ["erc20_capped", "ERC-20"]]) {
    for (const [sending, words] of [["sender", "a seat or an owner sends"], ["relayed", "relayed"]]) {
      const { ring, safe, ratio } = figures[`${prefix}_${sending}_${name}`];
      rows.push([`${asset}, ${words}`, number(ring), number(safe), number(ratio)]);
    }
  }
  return table([`${required} of ${seats}`, "ring", "Safe 1.4.1", "ring ÷ Safe"], rows);
}

function growthTable(what, { gas_of }) {
  return table([what, ...Object.keys(gas_of)], [["gas", ...Object.values(gas_of).map(number)]]);
}

/** A Markdown table: the first column is text, the others are numbers. */
function table(header, rows) {
  const line = (cells) => `| ${cells.join(" | ")} |`;
  const rule = `|${header.map((_, i) => (i === 0 ? "---" : "---:")).join("|")}|`;
  return [line(header), rule, ...rows.map(line)].join("\n");
}

/** Ratios as they are, gas with a comma for every thousand. Not by locale, which differs from machine to machine. */
function number(value) {
  return Number.isInteger(value) ? String(value).replace(/\B(?=(\d{3})+$)/g, ",") : String(value);
}

function capital(text) {
  return text[0].toUpperCase() + text.slice(1);
}
