//! Spans and dates as people write and read them.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Reads `90s`, `15m`, `24h` or `7d`.
///
/// # Errors
/// A sentence for the person who wrote it.
pub fn parse_span(text: &str) -> Result<Duration, String> {
    let unit = [('s', 1), ('m', 60), ('h', 3_600), ('d', 86_400)];
    let parsed = unit.into_iter().find_map(|(letter, seconds)| {
        let number = text.strip_suffix(letter)?;
        number.bytes().all(|byte| byte.is_ascii_digit()).then_some(())?;
        number.parse::<u64>().ok()?.checked_mul(seconds)
    });
    match parsed {
        Some(seconds) if seconds > 0 => Ok(Duration::from_secs(seconds)),
        _ => Err(format!("{text:?} is not a span of time: write 90s, 15m, 24h or 7d")),
    }
}

/// Reads `hour`, `day`, `week` or a number of seconds.
///
/// # Errors
/// A sentence for the person who wrote it.
pub fn parse_period(text: &str) -> Result<u32, String> {
    match text {
        "hour" => Ok(3_600),
        "day" => Ok(86_400),
        "week" => Ok(604_800),
        _ => {
            text.parse().map_err(|_| format!("{text:?} is not a period: write hour, day, week or a number of seconds"))
        }
    }
}

/// A period in words.
pub fn period_in_words(seconds: u32) -> String {
    match seconds {
        3_600 => "hour".to_owned(),
        86_400 => "day (UTC)".to_owned(),
        604_800 => "week (604800 seconds, aligned to the Unix epoch)".to_owned(),
        _ => format!("{seconds} seconds"),
    }
}

/// The time by this machine's clock, in Unix seconds.
pub fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

/// A Unix time as a date in UTC, `2025-11-22 11:56:00 UTC`.
pub fn in_utc(unix: u64) -> String {
    // The calendar repeats every 400 years; years start in March, so that a leap day is a year's last.
    let (days, second) = (unix / 86_400 + 719_468, unix % 86_400);
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    format!("{year:04}-{month:02}-{day:02} {:02}:{:02}:{:02} UTC", second / 3_600, second / 60 % 60, second % 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_agree_with_known_ones() {
        for (unix, date) in [
            (0, "1970-01-01 00:00:00 UTC"),
            (951_782_400, "2000-02-29 00:00:00 UTC"),
            (1_709_251_199, "2024-02-29 23:59:59 UTC"),
            (1_763_812_560, "2025-11-22 11:56:00 UTC"),
            (4_107_542_400, "2100-03-01 00:00:00 UTC"),
        ] {
            assert_eq!(in_utc(unix), date);
        }
    }

    #[test]
    fn a_span_needs_a_unit_and_is_not_zero() {
        assert_eq!(parse_span("24h"), Ok(Duration::from_secs(86_400)));
        assert_eq!(parse_span("7d"), Ok(Duration::from_secs(604_800)));
        for text in ["", "24", "h", "-1h", "+1h", "0s", "1.5h", "1w", "99999999999999999999d"] {
            assert!(parse_span(text).is_err(), "{text}");
        }
    }
}
