//! What a sender wishes of the servers beyond delivery.

use std::str::FromStr;

use chrono::{DateTime, SecondsFormat, Utc};

use super::dsn::{EnvelopeId, NoSuchWish, Notify, OriginalRecipient, Returned};

/// Wishes for one message and all its recipients. Each is a parameter of MAIL or RCPT where the server knows it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wishes {
    /// Notifications of what becomes of the message (RFC 3461).
    pub dsn: Dsn,
    /// By when it is to be delivered (RFC 2852).
    pub deliver_by: Option<DeliverBy>,
    /// Until when it is to be held (RFC 4865).
    pub hold: Option<Hold>,
    /// How urgent it is (RFC 6710).
    pub priority: Option<Priority>,
    /// Whether TLS may be missing on its way (RFC 8689).
    pub way: Way,
}

/// Wishes for delivery status notifications (RFC 3461).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Dsn {
    /// When one is wanted; `None` leaves it to the server, which tells of failures.
    pub notify: Option<Notify>,
    /// What of the message it brings back; `None` leaves it to the server.
    pub returned: Option<Returned>,
    /// What it calls the message.
    pub envelope_id: Option<EnvelopeId>,
}

/// Wishes for notifications of what becomes of one recipient.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OwnDsn {
    /// When one is wanted; `None` where that is as for all others.
    pub notify: Option<Notify>,
    /// Whom the message was first sent to, where somebody has said it.
    pub original: Option<OriginalRecipient>,
}

/// By when a message is to be delivered (RFC 2852 section 4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DeliverBy {
    /// Seconds from now; what is to be returned in the end has one at least. Nine digits at most.
    seconds: i32,
    late: Late,
    trace: Trace,
}

/// What happens to a message that comes too late.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Late {
    /// It is not delivered, and comes back.
    Return,
    /// It is delivered all the same, and the sender is told.
    Notify,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Trace {
    Yes,
    No,
}

/// Until when a server is to hold a message (RFC 4865 section 4).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Hold {
    /// For so many seconds: 1 to nine digits.
    For(u32),
    /// Until this time, in UTC and whole seconds: `2026-12-24T18:00:00Z`.
    Until(String),
}

/// How urgent a message is, from -9 to 9 (RFC 6710 section 3). It is 0 where nobody says it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Priority(i8);

/// Whether TLS may be missing on the way of a message.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Way {
    /// Each server does what it does for any message.
    #[default]
    Usual,
    /// REQUIRETLS: only TLS with verified servers, all the way (RFC 8689 section 2).
    Tls,
}

/// The largest number of seconds that the parameters have room for.
const MOST_SECONDS: i32 = 999_999_999;

impl DeliverBy {
    /// The value of BY.
    pub fn value(self) -> String {
        let late = if self.late == Late::Return { "R" } else { "N" };
        let trace = if self.trace == Trace::Yes { "T" } else { "" };
        format!("{};{late}{trace}", self.seconds)
    }

    /// Seconds from now.
    pub fn seconds(self) -> i32 {
        self.seconds
    }

    /// What happens to a message that comes too late.
    pub fn late(self) -> Late {
        self.late
    }
}

impl FromStr for DeliverBy {
    type Err = NoSuchWish;

    /// Reads a time from now, and behind commas what becomes of a late message (`return`, which is the default, or
    /// `notify`) and `trace`: `2h`, `90,notify`, `1d,return,trace`.
    fn from_str(text: &str) -> Result<Self, NoSuchWish> {
        const WISH: NoSuchWish =
            NoSuchWish("it is a time such as 2h, with ,notify or ,return and perhaps ,trace behind it");
        let mut words = text.split(',').map(str::trim);
        let mut by =
            DeliverBy { seconds: words.next().and_then(seconds).ok_or(WISH)?, late: Late::Return, trace: Trace::No };
        for word in words {
            match word.to_ascii_lowercase().as_str() {
                "return" => by.late = Late::Return,
                "notify" => by.late = Late::Notify,
                "trace" => by.trace = Trace::Yes,
                _ => return Err(WISH),
            }
        }
        // What comes back has to have had a chance (RFC 2852 section 4).
        if by.late == Late::Return && by.seconds <= 0 {
            return Err(NoSuchWish("there is no time left; only with ,notify may it be over already"));
        }
        Ok(by)
    }
}

impl Hold {
    /// Reads a time from now: `90`, `15m`, `2h`, `1d`.
    ///
    /// # Errors
    /// [`NoSuchWish`] for anything else, and for no time at all.
    pub fn for_time(text: &str) -> Result<Hold, NoSuchWish> {
        let seconds = seconds(text).and_then(|seconds| u32::try_from(seconds).ok()).filter(|seconds| *seconds > 0);
        seconds.map(Hold::For).ok_or(NoSuchWish("it is a time such as 90s, 15m, 2h or 1d"))
    }

    /// Reads a point in time with its zone (RFC 3339): `2026-12-24T18:00:00+01:00`.
    ///
    /// # Errors
    /// [`NoSuchWish`] for anything else.
    pub fn until(text: &str) -> Result<Hold, NoSuchWish> {
        const WISH: NoSuchWish = NoSuchWish("it is a time with its zone such as 2026-12-24T18:00:00+01:00");
        let time = DateTime::parse_from_rfc3339(text.trim()).map_err(|_| WISH)?;
        let utc = time.with_timezone(&Utc).to_rfc3339_opts(SecondsFormat::Secs, true);
        if utc.len() == "2026-12-24T18:00:00Z".len() { Ok(Hold::Until(utc)) } else { Err(WISH) }
    }

    /// The parameter of MAIL.
    pub fn parameter(&self) -> String {
        match self {
            Hold::For(seconds) => format!("HOLDFOR={seconds}"),
            Hold::Until(time) => format!("HOLDUNTIL={time}"),
        }
    }
}

impl Priority {
    /// The value of MT-PRIORITY.
    pub fn value(self) -> i8 {
        self.0
    }
}

impl FromStr for Priority {
    type Err = NoSuchWish;

    fn from_str(text: &str) -> Result<Self, NoSuchWish> {
        let number = text.parse().ok().filter(|number| (-9..=9).contains(number) && !text.starts_with('+'));
        number.map(Priority).ok_or(NoSuchWish("it is a number from -9 to 9"))
    }
}

/// A number of seconds, or of minutes, hours or days with `m`, `h` or `d` behind it; nine digits at most in the end.
fn seconds(text: &str) -> Option<i32> {
    let (number, unit) = match text.trim().char_indices().last()? {
        (at, 's') => (&text.trim()[..at], 1),
        (at, 'm') => (&text.trim()[..at], 60),
        (at, 'h') => (&text.trim()[..at], 3600),
        (at, 'd') => (&text.trim()[..at], 24 * 3600),
        _ => (text.trim(), 1),
    };
    if number.starts_with('+') {
        return None;
    }
    let seconds = number.parse::<i32>().ok()?.checked_mul(unit)?;
    (-MOST_SECONDS..=MOST_SECONDS).contains(&seconds).then_some(seconds)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// P-294
    #[test]
    fn a_message_may_be_late_only_where_it_does_not_come_back() {
        let value = |text: &str| text.parse::<DeliverBy>().ok().map(DeliverBy::value);
        assert_eq!(value("120").as_deref(), Some("120;R"));
        assert_eq!(value("2h,notify,trace").as_deref(), Some("7200;NT"));
        assert_eq!(value("-30,notify").as_deref(), Some("-30;N"));
        for bad in ["", "0", "0,return", "-30", "1000000000", "30000d", "2w", "2h,later", "+5", "h", "1.5h"] {
            assert_eq!(value(bad), None, "{bad:?}");
        }
    }

    /// P-295
    #[test]
    fn a_time_to_hold_is_seconds_or_utc() {
        let held = |hold: Result<Hold, NoSuchWish>| hold.ok().map(|hold| hold.parameter());
        assert_eq!(held(Hold::for_time("15m")).as_deref(), Some("HOLDFOR=900"));
        assert_eq!(held(Hold::until("2026-12-24T18:00:00.5+01:00")).as_deref(), Some("HOLDUNTIL=2026-12-24T17:00:00Z"));
        for bad in ["", "0", "-5", "1000000000", "soon"] {
            assert_eq!(held(Hold::for_time(bad)), None, "{bad:?}");
        }
        for bad in ["", "2026-12-24", "2026-12-24T18:00:00", "2026-13-24T18:00:00Z", "18:00"] {
            assert_eq!(held(Hold::until(bad)), None, "{bad:?}");
        }
    }

    /// P-296
    #[test]
    fn priorities_are_small_numbers() {
        assert_eq!("-9".parse().map(Priority::value), Ok(-9));
        assert_eq!("3".parse().map(Priority::value), Ok(3));
        for bad in ["10", "-10", "+3", "", "high", "1.0"] {
            assert!(bad.parse::<Priority>().is_err(), "{bad:?}");
        }
    }
}
