//! Sends a mail by lettre: to whom, subject, body, and who is hidden, as arguments.

use std::env;
use std::error::Error;

use lettre::message::header::ContentType;
use lettre::{Message, SendmailTransport, Transport as _};

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = env::args().skip(1);
    let mut next = || arguments.next().ok_or("too few arguments");
    let (from, to, subject, body) = (next()?, next()?, next()?, next()?);
    let mut mail = Message::builder().from(from.parse()?).to(to.parse()?).subject(subject);
    if let Ok(hidden) = next() {
        mail = mail.bcc(hidden.parse()?);
    }
    let mail = mail.header(ContentType::TEXT_PLAIN).body(body)?;
    if let Err(error) = SendmailTransport::new().send(&mail) {
        println!("{error}: {}", error.source().map(ToString::to_string).unwrap_or_default());
        std::process::exit(9);
    }
    Ok(())
}
