//! The terms of a charter in words: how fast a ring may go, and for how long.

use ring_contracts::Charter;

use crate::time;

/// How many turns there may be and how soon after one another.
pub fn velocity(charter: &Charter) -> String {
    let interval = match charter.interval {
        0 => "with no interval between them".to_owned(),
        1 => "at least 1 second apart".to_owned(),
        seconds => format!("at least {seconds} seconds apart"),
    };
    format!("at most {} turns a {}, {interval}", charter.turns_per_period, time::period_in_words(charter.period))
}

/// How many turns of a period one key can sign: it is in W of every N windows.
pub fn turns_of_one_key(charter: &Charter) -> u64 {
    let (turns, window) = (u64::from(charter.turns_per_period), u64::from(charter.window));
    let seats = charter.seats.len().max(1) as u64;
    window * (turns / seats) + window.min(turns % seats)
}

/// Until when turns execute, seen from this time.
pub fn lease(charter: &Charter, now: u64) -> String {
    let end = match charter.expires_at {
        Charter::NO_EXPIRY => "without end in time".to_owned(),
        at if at < now => format!("until {}: OVER", time::in_utc(at)),
        at => format!("until {} ({})", time::in_utc(at), time::remaining(at, now)),
    };
    match charter.last_nonce {
        Charter::NO_LAST_NONCE => end,
        nonce => format!("{end}, up to turn {nonce}"),
    }
}

#[cfg(test)]
mod tests {
    use ring_contracts::Address;

    use super::*;

    fn charter() -> Charter {
        Charter {
            window: 2,
            quorum: 2,
            asset: Address::ZERO,
            cap: 1,
            period: 86_400,
            turns_per_period: 10,
            interval: 12,
            expires_at: 86_400 * 30,
            last_nonce: Charter::NO_LAST_NONCE,
            seats: vec![Address::repeat_byte(1); 3],
        }
    }

    #[test]
    fn terms_are_told_with_their_units() {
        assert_eq!(velocity(&charter()), "at most 10 turns a day (UTC), at least 12 seconds apart");
        assert_eq!(lease(&charter(), 0), "until 1970-01-31 00:00:00 UTC (30 days left)");
        assert_eq!(lease(&charter(), 86_400 * 30 + 1), "until 1970-01-31 00:00:00 UTC: OVER");
        let open = Charter { interval: 0, expires_at: Charter::NO_EXPIRY, last_nonce: 7, ..charter() };
        assert_eq!(lease(&open, 0), "without end in time, up to turn 7");
        assert!(velocity(&open).ends_with("with no interval between them"));
    }

    #[test]
    fn one_key_signs_w_of_every_n_turns() {
        // 10 turns of 3 seats: three times around, and one more window.
        assert_eq!(turns_of_one_key(&charter()), 2 * 3 + 1);
        assert_eq!(turns_of_one_key(&Charter { turns_per_period: 2, ..charter() }), 2);
        assert_eq!(turns_of_one_key(&Charter { window: 3, quorum: 3, ..charter() }), 10);
    }
}
