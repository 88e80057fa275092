//! Days of UTC, which reports are about (RFC 8460 section 4.1).

use std::fmt;
use std::str::FromStr;
use std::time::{SystemTime, UNIX_EPOCH};

use chrono::{DateTime, NaiveDate};

/// Seconds of a day. UNIX time has no others.
const SECONDS: u64 = 24 * 60 * 60;

/// A day of UTC from 1970 on, written `2026-11-28`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Day(u32);

impl Day {
    /// The present one.
    pub fn today() -> Self {
        Day::of(now())
    }

    /// The one in which a time lies, in seconds since 1970.
    pub fn of(time: u64) -> Self {
        Day(u32::try_from(time / SECONDS).unwrap_or(u32::MAX))
    }

    /// The one so many days before.
    #[must_use]
    pub fn before(self, days: u32) -> Self {
        Day(self.0.saturating_sub(days))
    }

    /// Its first second, since 1970.
    pub fn begin(self) -> u64 {
        u64::from(self.0) * SECONDS
    }

    /// Its last second, since 1970.
    pub fn end(self) -> u64 {
        self.begin() + SECONDS - 1
    }
}

/// Seconds since 1970.
pub(super) fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}

impl FromStr for Day {
    type Err = NoDay;

    fn from_str(text: &str) -> Result<Self, NoDay> {
        // Otherwise `+2026-1-2` would be one, too.
        let is_digit_or_hyphen = |(at, octet): (usize, u8)| match at {
            4 | 7 => octet == b'-',
            _ => octet.is_ascii_digit(),
        };
        let has_form = text.len() == 10 && text.bytes().enumerate().all(is_digit_or_hyphen);
        let date = NaiveDate::parse_from_str(text, "%Y-%m-%d").ok().filter(|_| has_form).ok_or(NoDay)?;
        let since = date.signed_duration_since(NaiveDate::default()).num_days();
        u32::try_from(since).map(Day).map_err(|_| NoDay)
    }
}

impl fmt::Display for Day {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let date = i64::try_from(self.begin()).ok().and_then(|begin| DateTime::from_timestamp(begin, 0));
        write!(f, "{}", date.unwrap_or_default().format("%Y-%m-%d"))
    }
}

/// A text that is no day.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no day such as 2026-11-28")]
pub struct NoDay;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_read_as_they_are_written() {
        let day: Day = "2026-11-28".parse().unwrap();
        assert_eq!((day.begin(), day.end(), day.to_string()), (1_795_824_000, 1_795_910_399, "2026-11-28".to_owned()));
        assert_eq!((Day::of(day.begin()), Day::of(day.end())), (day, day));
        assert_eq!(day.before(28).to_string(), "2026-10-31");
        assert_eq!("1970-01-01".parse::<Day>().unwrap().begin(), 0);
        for bad in ["", "today", "2026-11-31", "2026-1-2", "+026-01-02", "1969-12-31", "2026-11-28 ", "2026/11/28"] {
            assert_eq!(bad.parse::<Day>(), Err(NoDay), "{bad}");
        }
    }
}
