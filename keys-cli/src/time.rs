//! Spans and dates as people write and read them.

use std::{
    str::FromStr,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use ring_contracts::Charter;

const DAY: u64 = 86_400;

/// When a lease ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expiry {
    /// At a time, in Unix seconds.
    At(u64),
    /// So long from now.
    After(Duration),
    /// Never.
    Never,
}

impl FromStr for Expiry {
    type Err = String;

    /// Reads a date (its first second, UTC), a date and time, a span such as `90d`, or `never`.
    fn from_str(text: &str) -> Result<Self, String> {
        if text == "never" {
            return Ok(Self::Never);
        }
        parse_date(text).map(Self::At).or_else(|| parse_span(text).ok().map(Self::After)).ok_or_else(|| {
            format!("{text:?} is neither a date nor a span: write 2027-06-30, 2027-06-30T12:00:00Z, 90d, or `never`")
        })
    }
}

impl Expiry {
    /// As a Unix time.
    ///
    /// # Errors
    /// A sentence for the person who wrote it: the time is over already.
    pub fn from(self, now: u64) -> Result<u64, String> {
        match self {
            Self::Never => Ok(Charter::NO_EXPIRY),
            Self::After(span) => Ok(now.saturating_add(span.as_secs())),
            Self::At(unix) if unix > now => Ok(unix),
            Self::At(unix) => Err(format!("{} is over, it is {} now: choose a later date", in_utc(unix), in_utc(now))),
        }
    }
}

/// Reads `2027-06-30` (its first second) or `2027-06-30T12:00:00Z`, both UTC.
pub fn parse_date(text: &str) -> Option<u64> {
    let (date, time) = match text.split_once('T') {
        Some((date, time)) => (date, time.strip_suffix('Z')?),
        None => (text, "00:00:00"),
    };
    let [year, month, day] = numbers(date, '-', [4, 2, 2])?;
    let [hour, minute, second] = numbers(time, ':', [2, 2, 2])?;
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let lengths = [31, if leap { 29 } else { 28 }, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let length = *lengths.get(usize::try_from(month).ok()?.checked_sub(1)?)?;
    if year < 1970 || !(1..=length).contains(&day) || hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    // As `in_utc`, the other way round: years start in March.
    let (shifted_year, shifted_month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let (era, year_of_era) = (shifted_year / 400, shifted_year % 400);
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + (153 * shifted_month + 2) / 5 + day - 1;
    let days = era * 146_097 + day_of_era - 719_468;
    Some(days * DAY + hour * 3_600 + minute * 60 + second)
}

/// Three numbers of so many digits each.
fn numbers(text: &str, separator: char, digits: [usize; 3]) -> Option<[u64; 3]> {
    let mut parts = text.split(separator);
    let mut numbers = [0; 3];
    for (number, length) in numbers.iter_mut().zip(digits) {
        let part =
            parts.next().filter(|part| part.len() == length && part.bytes().all(|byte| byte.is_ascii_digit()))?;
        *number = part.parse().ok()?;
    }
    parts.next().is_none().then_some(numbers)
}

/// Reads an interval: a span, or `0` for none.
///
/// # Errors
/// A sentence for the person who wrote it.
pub fn parse_interval(text: &str) -> Result<u32, String> {
    match text {
        "0" | "0s" => Ok(0),
        _ => parse_span(text)
            .and_then(|span| u32::try_from(span.as_secs()).map_err(|_| format!("{text} is too long")))
            .map_err(|error| format!("{error}, or 0 for none")),
    }
}

/// How far a time of the future is, in words.
pub fn remaining(until: u64, now: u64) -> String {
    match until.saturating_sub(now) {
        0 => "over".to_owned(),
        left if left < 2 * 3_600 => format!("{} minutes left", left / 60),
        left if left < 2 * DAY => format!("{} hours left", left / 3_600),
        left => format!("{} days left", left / DAY),
    }
}

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
    fn dates_are_read_as_they_are_written() {
        for unix in [0, 951_782_400, 1_709_251_199, 1_763_812_560, 4_107_542_400, 253_402_300_799] {
            let written = in_utc(unix).replacen(' ', "T", 1).replace(" UTC", "Z");
            assert_eq!(parse_date(&written), Some(unix), "{written}");
        }
        assert_eq!("2025-11-22".parse(), Ok(Expiry::At(1_763_769_600)));
        assert_eq!("90d".parse(), Ok(Expiry::After(Duration::from_secs(90 * DAY))));
        assert_eq!("never".parse(), Ok(Expiry::Never));
        for text in [
            "",
            "2025",
            "2025-13-01",
            "2025-02-29",
            "2025-00-10",
            "2025-11-31",
            "25-11-22",
            "2025-11-22T24:00:00Z",
            "2025-11-22 10:00:00",
            "2025-11-22T10:00:00",
            "2025-11-22T10:00Z",
            "22.11.2025",
            "1969-12-31",
            "+025-11-22",
        ] {
            assert!(text.parse::<Expiry>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_lease_ends_in_the_future() {
        assert_eq!(Expiry::At(11).from(10), Ok(11));
        assert!(Expiry::At(10).from(10).is_err_and(|error| error.contains("1970-01-01 00:00:10 UTC is over")));
        assert_eq!(Expiry::After(Duration::from_secs(5)).from(10), Ok(15));
    }

    #[test]
    fn an_interval_may_be_none() {
        assert_eq!((parse_interval("0"), parse_interval("12s"), parse_interval("5m")), (Ok(0), Ok(12), Ok(300)));
        assert!(parse_interval("12").is_err() && parse_interval("").is_err());
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
