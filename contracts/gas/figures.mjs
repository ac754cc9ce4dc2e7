// What is measured: the same payments by rings, Safes and an ordinary account, in steady state.

import { keccak256, slice, toHex } from "viem";

import { Account } from "./account.mjs";
import { deployToken, nativeCoin } from "./asset.mjs";
import { deployTreasury } from "./ring.mjs";
import { deploySafes } from "./safe.mjs";

/** Of each ring and Safe: how many must sign (the whole window), of how many. */
export const SIZES = [
  { name: "2of3", required: 2, seats: 3 },
  { name: "3of5", required: 3, seats: 5 },
  { name: "5of8", required: 5, seats: 8 },
];
export const BATCHES = [10, 50, 100];
/** Windows that grow with the ring, one seat always outside; and rings that grow around a window of two. */
const WINDOWS = [2, 3, 4, 5, 6];
const RINGS_OF_TWO = [3, 4, 5, 6, 7, 8, 16];
/** Beyond so many seats outside the window, more of them should cost nothing. */
const FEW_OUTSIDE = 4;

/** The only figure that is taken over. */
const ZODIAC_ROLES = {
  gas: 100_983,
  source: "Zodiac Roles 2.1, one key, a capped ERC-20 transfer: shared figure, not run here",
};

/** 1.25 of either, enough of it for every payment, and plenty of the token. */
const AMOUNT = 1_250_000_000_000_000_000n;
const FUNDS = 10n ** 21n;
const TOKEN_FUNDS = 10n ** 25n;

/** Addresses without a key. */
const payees = Array.from({ length: Math.max(...BATCHES) }, (_, i) => slice(keccak256(toHex(`payee ${i}`)), 12));

/** Measures everything; the keys are those of target/gas.json. */
export async function measureAll(chain) {
  const bench = await setUp(chain);
  const figures = {
    ...(await transfers(bench)),
    ...(await batches(bench)),
    ...(await others(bench)),
    ...(await growth(bench)),
    deployment: { ring: Number(bench.treasury.deploymentGas) },
    runtime_bytes: { ring: await bench.treasury.runtimeBytes() },
    zodiac_roles: ZODIAC_ROLES,
  };
  for (const figure of [figures.erc20_capped_sender_2of3, figures.erc20_other_asset_sender_2of3]) {
    figure.ratio_zodiac = ratio(figure.ring, ZODIAC_ROLES.gas);
  }
  return figures;
}

async function setUp(chain) {
  const token = await deployToken(chain);
  const treasury = await deployTreasury(chain);
  const bench = { chain, token, treasury, safes: await deploySafes(chain), account: new Account(chain, chain.payer) };
  await fund(bench, treasury.address);
  await fund(bench, bench.account.address);
  return bench;
}

async function fund({ chain, token }, address) {
  await chain.send(chain.deployer, nativeCoin.payment(address, FUNDS));
  await chain.send(chain.deployer, token.payment(address, TOKEN_FUNDS));
}

/** One payment from rings and Safes of every size, sent by one of those who agree and by a stranger. */
async function transfers(bench) {
  const { chain, treasury, safes, token } = bench;
  const figures = {};
  for (const { name, required, seats } of SIZES) {
    const signers = chain.signers.slice(0, seats);
    const safe = await safes.create(signers, required);
    await fund(bench, safe.address);
    for (const [prefix, asset] of [["native", nativeCoin], ["erc20_capped", token]]) {
      const ring = await treasury.form({ seats: signers, window: required, asset });
      const payments = paymentsTo(payees.slice(0, 1), asset);
      for (const relayed of [false, true]) {
        figures[`${prefix}_${relayed ? "relayed" : "sender"}_${name}`] = compare(
          await steady(chain, ring, payments, relayed),
          await steady(chain, safe, payments, relayed),
        );
      }
    }
  }
  return figures;
}

/** Many payouts at once. Ratios are of the exact totals; the figures are rounded, per payout. */
async function batches(bench) {
  const { chain, treasury, safes, token, account } = bench;
  const signers = chain.signers.slice(0, 3);
  const ring = await treasury.form({ seats: signers, window: 2, asset: token });
  const safe = await safes.create(signers, 2);
  await fund(bench, safe.address);
  const eoa = await steady(chain, account, paymentsTo(payees.slice(0, 1), token));

  const figures = { eoa_erc20: { gas: eoa } };
  for (const count of BATCHES) {
    const payments = paymentsTo(payees.slice(0, count), token);
    const ringPer = (await steady(chain, ring, payments)) / count;
    const safePer = (await steady(chain, safe, payments)) / count;
    figures[`batch${count}_capped_per_payout_2of3`] = {
      ring: Math.round(ringPer),
      safe: Math.round(safePer),
      ratio: ratio(ringPer, safePer),
      eoa,
      ratio_eoa: ratio(ringPer, eoa),
    };
    figures[`batch${count}_safe_per_payout_2of3`] = { safe: Math.round(safePer) };
  }
  return figures;
}

/** What else a 2-of-3 ring does: a token that is not its main asset, by permission and limit; and nothing at all. */
async function others({ chain, treasury, token, account }) {
  const ring = await treasury.form({ seats: chain.signers.slice(0, 3), window: 2, asset: nativeCoin });
  await treasury.permitTransfers(ring, token);
  return {
    eoa_native: { gas: await steady(chain, account, paymentsTo(payees.slice(0, 1), nativeCoin)) },
    erc20_other_asset_sender_2of3: { ring: await steady(chain, ring, paymentsTo(payees.slice(0, 1), token)) },
    void_sender_2of3: { ring: await steady(chain, ring, []) },
  };
}

/**
 * What a seat more costs, fitted through rings that differ in nothing else. A seat sends the native coin. Each cost is the mean
 * over all windows of the ring: signatures happen to have more or fewer zero bytes, which are cheaper.
 */
async function growth({ chain, treasury }) {
  const payments = paymentsTo(payees.slice(0, 1), nativeCoin);
  const cost = async (window, seats) => {
    const ring = await treasury.form({ seats: chain.signers.slice(0, seats), window, asset: nativeCoin });
    await ring.pay(payments);
    const costs = [];
    for (let i = 0; i < seats; i++) costs.push(await seen(chain, ring, payments));
    return mean(costs);
  };
  const inside = [];
  for (const window of WINDOWS) inside.push([window, await cost(window, window + 1)]);
  const outside = [];
  for (const seats of RINGS_OF_TWO) outside.push([seats - 2, await cost(2, seats)]);
  const isBeyond = ([seats]) => seats >= FEW_OUTSIDE;
  const rounded = (points) => Object.fromEntries(points.map(([seats, gas]) => [seats, Math.round(gas)]));
  return {
    growth_per_seat_inside_window: { ring: slope(inside), gas_of: rounded(inside) },
    growth_per_seat_outside_window: { ring: slope(outside), gas_of: rounded(outside) },
    growth_per_seat_outside_window_beyond_4: { ring: slope(outside.filter(isBeyond)) },
  };
}

function paymentsTo(recipients, asset) {
  return recipients.map((to) => ({ asset, to, amount: AMOUNT }));
}

/**
 * The gas of a payment that isn't the first: the same was done once before, on the same day, so that nonces, counters and the
 * recipients' balances are not zero.
 */
async function steady(chain, payer, payments, relayed = false) {
  await payer.pay(payments, relayed);
  return seen(chain, payer, payments, relayed);
}

/** The gas of the receipt of payments that are seen to arrive. */
async function seen(chain, payer, payments, relayed = false) {
  const before = await balances(chain, payments);
  const { gasUsed } = await payer.pay(payments, relayed);
  const after = await balances(chain, payments);
  payments.forEach(({ asset, to, amount }, i) => {
    if (before[i] === 0n) throw new Error(`${to} had nothing of the ${asset.name} before: that is no steady state`);
    if (after[i] - before[i] !== amount) {
      throw new Error(`${to} got ${after[i] - before[i]} of the ${asset.name} from ${payer.address}, not ${amount}`);
    }
  });
  return Number(gasUsed);
}

function balances(chain, payments) {
  return Promise.all(payments.map(({ asset, to }) => asset.balanceOf(chain, to)));
}

function compare(ring, safe) {
  return { ring, safe, ratio: ratio(ring, safe) };
}

function ratio(a, b) {
  return Math.round((a / b) * 10_000) / 10_000;
}

function mean(values) {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

/** The slope of the straight line that fits the points best (least squares), rounded. */
function slope(points) {
  const x = mean(points.map((point) => point[0]));
  const y = mean(points.map((point) => point[1]));
  const covariance = mean(points.map((point) => (point[0] - x) * (point[1] - y)));
  return Math.round(covariance / mean(points.map((point) => (point[0] - x) ** 2)));
}
