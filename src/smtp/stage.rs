//! Stages: what a session waits for, for deadlines and for words.

/// What was last done, and is being waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Stage {
    /// The look for a host to connect to.
    Route,
    /// The connection itself; before any session.
    Connect,
    /// The first reply.
    Greeting,
    /// The command by which we give our name.
    Hello(Hello),
    /// STARTTLS.
    StartTls,
    /// The TLS handshake.
    Handshake,
    /// XCLIENT.
    Xclient,
    /// AUTH and its steps.
    Auth,
    /// MAIL.
    Mail,
    /// RCPT.
    Rcpt,
    /// DATA.
    Data,
    /// BDAT, but for the last chunk.
    Chunk,
    /// The message is being written.
    Body,
    /// The message was sent whole, with its end: from here on it may have been delivered.
    EndOfData,
    /// RSET.
    Reset,
    /// VRFY, EXPN, HELP or ETRN.
    Question,
    /// QUIT.
    Quit,
}

/// The command by which a client gives its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Hello {
    /// EHLO (RFC 5321 section 4.1.1.1).
    Ehlo,
    /// HELO, for servers without extensions.
    Helo,
    /// LHLO (RFC 2033 section 4.1).
    Lhlo,
}

impl Hello {
    /// The word of the protocol.
    pub fn verb(self) -> &'static str {
        match self {
            Hello::Ehlo => "EHLO",
            Hello::Helo => "HELO",
            Hello::Lhlo => "LHLO",
        }
    }
}

impl Stage {
    /// The stage in the words of an error: "… while waiting for the greeting".
    pub fn doing(self) -> &'static str {
        match self {
            Stage::Route => "while looking for its servers",
            Stage::Connect => "while connecting",
            Stage::Greeting => "while waiting for the greeting",
            Stage::Hello(Hello::Ehlo) => "in reply to EHLO",
            Stage::Hello(Hello::Helo) => "in reply to HELO",
            Stage::Hello(Hello::Lhlo) => "in reply to LHLO",
            Stage::StartTls => "in reply to STARTTLS",
            Stage::Handshake => "during the TLS handshake",
            Stage::Xclient => "in reply to XCLIENT",
            Stage::Auth => "in reply to AUTH",
            Stage::Mail => "in reply to MAIL FROM",
            Stage::Rcpt => "in reply to RCPT TO",
            Stage::Data => "in reply to DATA",
            Stage::Chunk => "in reply to BDAT",
            Stage::Body => "while sending the message",
            Stage::EndOfData => "in reply to the end of data",
            Stage::Reset => "in reply to RSET",
            Stage::Question => "in reply to a question",
            Stage::Quit => "in reply to QUIT",
        }
    }

    /// One word for logs and JSON.
    pub fn word(self) -> &'static str {
        match self {
            Stage::Route => "route",
            Stage::Connect => "connect",
            Stage::Greeting => "greeting",
            Stage::Hello(Hello::Ehlo) => "ehlo",
            Stage::Hello(Hello::Helo) => "helo",
            Stage::Hello(Hello::Lhlo) => "lhlo",
            Stage::StartTls => "starttls",
            Stage::Handshake => "handshake",
            Stage::Xclient => "xclient",
            Stage::Auth => "auth",
            Stage::Mail => "mail",
            Stage::Rcpt => "rcpt",
            Stage::Data => "data",
            Stage::Chunk => "bdat",
            Stage::Body => "body",
            Stage::EndOfData => "end-of-data",
            Stage::Reset => "rset",
            Stage::Question => "question",
            Stage::Quit => "quit",
        }
    }
}
