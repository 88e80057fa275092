//! Memory: what sessions teach about a server, for those that follow (the fast plan).
//!
//! It comes in with the settings and goes out again by [`Session::memory`](super::session::Session::memory). It plans, and
//! no more: what a session may send is decided by what the server offers in that session.

use super::core::Core;
use super::settings::TlsMode;

/// What is known of a server. Nothing is known of a stranger.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Memory {
    /// Whether TLS came about by STARTTLS.
    pub starttls: StartTls,
    /// What holds as long as the server offers the same.
    pub habits: Option<Habits>,
}

/// Whether TLS came about by STARTTLS in an earlier session (RFC 3207 section 6).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum StartTls {
    /// Not that we know.
    #[default]
    Unseen,
    /// It did.
    Seen,
}

/// How a server behaves that makes this offer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Habits {
    /// The offer.
    pub offer: Offer,
    /// How it bears commands behind AUTH in one flight.
    pub login: Grouping,
    /// What it says to MAIL before a login.
    pub early_mail: EarlyMail,
    /// How it takes BDAT.
    pub bdat: Bdat,
    /// Recipients that it takes in one transaction, where it refuses more and does not list LIMITS.
    pub most_recipients: Option<usize>,
}

/// The last reply to EHLO in a session, as a number that differs where the reply does. Its first line does not count: each
/// machine of a farm has its own name there, and many servers repeat the client's address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Offer(u64);

/// How a server bears MAIL, RCPT and DATA behind `AUTH` with an initial response.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Grouping {
    /// Nobody knows.
    #[default]
    Unknown,
    /// It took a login in one step, and a group of commands after it: both together may be tried.
    Likely,
    /// Both together went well.
    Proven,
    /// They did not.
    Never,
}

/// What a server says to MAIL before a login.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum EarlyMail {
    /// Nobody has asked.
    #[default]
    Unknown,
    /// 530, as it should on a port for submission (RFC 6409 section 4.3).
    Refused,
    /// Something else.
    Taken,
}

/// How a server takes BDAT (RFC 3030).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Bdat {
    /// Nobody knows.
    #[default]
    Unknown,
    /// It has taken a message so.
    Taken,
    /// Only when the replies to MAIL and RCPT are there: together with them it went wrong.
    AfterRecipients,
}

impl Habits {
    /// A server that makes this offer, of which nothing else is known.
    pub fn of(offer: Offer) -> Self {
        Habits {
            offer,
            login: Grouping::Unknown,
            early_mail: EarlyMail::Unknown,
            bdat: Bdat::Unknown,
            most_recipients: None,
        }
    }
}

impl Offer {
    /// The number of an offer with these lines (FNV-1a).
    pub fn of<'a>(lines: impl IntoIterator<Item = &'a str>) -> Self {
        let octets = lines.into_iter().flat_map(|line| line.bytes().chain([b'\n']));
        Offer(octets.fold(BASIS, |hash, octet| (hash ^ u64::from(octet)).wrapping_mul(PRIME)))
    }

    /// An offer whose number was kept.
    pub fn from_number(number: u64) -> Self {
        Offer(number)
    }

    /// The number, to be kept.
    pub fn number(self) -> u64 {
        self.0
    }
}

const BASIS: u64 = 0xcbf2_9ce4_8422_2325;
const PRIME: u64 = 0x0100_0000_01b3;

/// What a session does because of what is known, and whether it went well.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Fast {
    login: Tried,
    early: Tried,
    /// Whether the login took one step, so that commands may go behind it another time.
    step: Step,
}

/// Whether something was tried.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Tried {
    #[default]
    No,
    /// It was, and what came of it is not known yet; at the end of a session that means no good.
    Open,
    Well,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Step {
    #[default]
    Other,
    /// AUTH with an initial response has gone.
    One,
    /// It was enough.
    Enough,
}

impl Fast {
    /// AUTH goes with all that the mechanism has to say.
    pub(super) fn one_step(&mut self) {
        self.step = Step::One;
    }

    /// The server wants to hear more.
    pub(super) fn challenged(&mut self) {
        self.step = Step::Other;
    }

    /// The server is content.
    pub(super) fn logged_in(&mut self) {
        if self.step == Step::One {
            self.step = Step::Enough;
        }
    }

    /// Commands go behind AUTH.
    pub(super) fn behind_login(&mut self) {
        self.login = Tried::Open;
    }

    /// Whether the replies to such commands are awaited.
    pub(super) fn is_behind_login(&self) -> bool {
        self.login == Tried::Open
    }

    /// The replies to them make sense.
    pub(super) fn login_went_well(&mut self) {
        if self.login == Tried::Open {
            self.login = Tried::Well;
        }
    }

    /// The message goes in one flight with MAIL and RCPT.
    pub(super) fn early_message(&mut self) {
        self.early = Tried::Open;
    }

    /// The server took it so, or refused it as it should.
    pub(super) fn early_message_went_well(&mut self) {
        if self.early == Tried::Open {
            self.early = Tried::Well;
        }
    }
}

/// STARTTLS has led to TLS. Where it must, nobody needs to know.
pub(super) fn learn_of_starttls(core: &mut Core) {
    if core.settings.tls == TlsMode::Opportunistic {
        core.memory.starttls = StartTls::Seen;
    }
}

/// After the last EHLO: what is known counts for this offer, and for no other (P-414).
pub(super) fn recognise(core: &mut Core) {
    let known = core.memory.habits.filter(|habits| Some(habits.offer) == core.offer);
    core.memory.habits = known.or(core.offer.map(Habits::of));
}

/// A group of commands was answered as it should be, with no login in it.
pub(super) fn learn_of_group(core: &mut Core) {
    let is_group = core.group > 1;
    let Some(habits) = &mut core.memory.habits else { return };
    if is_group && core.fast.step == Step::Enough && habits.login == Grouping::Unknown {
        habits.login = Grouping::Likely;
    }
}

/// The server has taken a message by BDAT.
pub(super) fn learn_of_chunks(core: &mut Core) {
    if let Some(habits) = &mut core.memory.habits
        && habits.bdat == Bdat::Unknown
    {
        habits.bdat = Bdat::Taken;
    }
}

/// So many recipients were enough for one transaction.
pub(super) fn learn_of_limit(most: usize, core: &mut Core) {
    if let Some(habits) = &mut core.memory.habits {
        habits.most_recipients = Some(most);
    }
}

impl Core {
    /// Whether commands went behind the login for the first time, and are not answered yet.
    pub(super) fn is_on_trial(&self) -> bool {
        self.fast.is_behind_login() && self.memory.habits.is_some_and(|habits| habits.login == Grouping::Likely)
    }

    /// What the session has taught. What was tried in good faith and did not go well is not tried again.
    pub(super) fn learnt(&self) -> Memory {
        let mut memory = self.memory;
        if let Some(habits) = &mut memory.habits {
            match self.fast.login {
                Tried::No => {}
                Tried::Open => habits.login = Grouping::Never,
                Tried::Well => habits.login = Grouping::Proven,
            }
            if self.fast.early == Tried::Open {
                habits.bdat = Bdat::AfterRecipients;
            }
            if *habits == Habits::of(habits.offer) {
                memory.habits = None;
            }
        }
        memory
    }
}
