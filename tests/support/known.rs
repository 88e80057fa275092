//! What is known of a server before a session, and after it, in words.

use posthaste::smtp::memory::{Bdat, EarlyMail, Grouping, Habits, Memory, Offer, StartTls};

/// Reads `starttls login=proven mail=refused bdat=taken recipients=50`, said of a server that offers this.
pub fn parse(text: &str, offer: Offer) -> Result<Memory, String> {
    let mut memory = Memory::default();
    let mut habits = Habits::of(offer);
    for word in text.split(' ') {
        match word {
            "starttls" => memory.starttls = StartTls::Seen,
            "login=likely" => habits.login = Grouping::Likely,
            "login=proven" => habits.login = Grouping::Proven,
            "login=never" => habits.login = Grouping::Never,
            "mail=refused" => habits.early_mail = EarlyMail::Refused,
            "mail=taken" => habits.early_mail = EarlyMail::Taken,
            "bdat=taken" => habits.bdat = Bdat::Taken,
            "bdat=after-recipients" => habits.bdat = Bdat::AfterRecipients,
            _ => match word.strip_prefix("recipients=").map(str::parse) {
                Some(Ok(most)) => habits.most_recipients = Some(most),
                _ => return Err(format!("nothing is known as `{word}`")),
            },
        }
    }
    memory.habits = Some(habits).filter(|habits| *habits != Habits::of(offer));
    Ok(memory)
}

/// The same words; `nothing` where there are none.
#[allow(dead_code, reason = "not every test tells what was learnt")]
pub fn shown(memory: &Memory) -> String {
    let mut words = Vec::new();
    if memory.starttls == StartTls::Seen {
        words.push("starttls".to_owned());
    }
    if let Some(habits) = &memory.habits {
        words.push(match habits.login {
            Grouping::Unknown => String::new(),
            Grouping::Likely => "login=likely".to_owned(),
            Grouping::Proven => "login=proven".to_owned(),
            Grouping::Never => "login=never".to_owned(),
        });
        words.push(match habits.early_mail {
            EarlyMail::Unknown => String::new(),
            EarlyMail::Refused => "mail=refused".to_owned(),
            EarlyMail::Taken => "mail=taken".to_owned(),
        });
        words.push(match habits.bdat {
            Bdat::Unknown => String::new(),
            Bdat::Taken => "bdat=taken".to_owned(),
            Bdat::AfterRecipients => "bdat=after-recipients".to_owned(),
        });
        words.push(habits.most_recipients.map(|most| format!("recipients={most}")).unwrap_or_default());
    }
    words.retain(|word| !word.is_empty());
    if words.is_empty() { "nothing".to_owned() } else { words.join(" ") }
}
