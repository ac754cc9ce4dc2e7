// How dear a turn may be: what must hold, and what is aimed at.

const LIMITS = [
  {
    what: "Native coin, 2-of-3, a seat sends ÷ Safe, an owner sends",
    achieved: (figures) => figures.native_sender_2of3.ratio,
    must: 0.8,
    aim: 0.74,
  },
  {
    what: "ERC-20, capped, 2-of-3, a seat sends ÷ Safe, an owner sends",
    achieved: (figures) => figures.erc20_capped_sender_2of3.ratio,
    must: 0.82,
    aim: 0.76,
  },
  {
    what: "The same ÷ Zodiac Roles",
    achieved: (figures) => figures.erc20_capped_sender_2of3.ratio_zodiac,
    must: 0.56,
    aim: 0.52,
  },
  {
    what: "Batch of 50, a payout ÷ an ordinary account's ERC-20 transfer",
    achieved: (figures) => figures.batch50_capped_per_payout_2of3.ratio_eoa,
    must: 0.3,
    aim: 0.285,
  },
  {
    what: "Batch of 50, a payout ÷ Safe with MultiSendCallOnly",
    achieved: (figures) => figures.batch50_capped_per_payout_2of3.ratio,
    must: 0.95,
    aim: 0.88,
  },
  {
    what: "Gas for each seat more in the window",
    achieved: (figures) => figures.growth_per_seat_inside_window.ring,
    must: 4_600,
    aim: 4_400,
  },
  {
    what: "Gas for each seat more outside the window",
    achieved: (figures) => figures.growth_per_seat_outside_window.ring,
    must: 500,
    aim: 500,
  },
  {
    what: "The same beyond the fourth seat outside",
    achieved: (figures) => figures.growth_per_seat_outside_window_beyond_4.ring,
    must: 500,
    aim: 0,
  },
];

/** Each limit with what was achieved and whether that is what it must be (`holds`) and what is aimed at (`reaches`). */
export function judge(figures) {
  return LIMITS.map(({ what, achieved, must, aim }) => {
    const value = achieved(figures);
    return { what, must, aim, achieved: value, holds: value <= must, reaches: value <= aim };
  });
}
