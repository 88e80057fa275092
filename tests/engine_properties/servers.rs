//! The servers of the world.

use super::LINES;

/// Whoever speaks to the session.
pub trait Server {
    /// The next octets, when the client has said this since the last time; `None` when no more will come.
    fn speak(&mut self, flight: &[u8]) -> Option<Vec<u8>>;
    /// The same while the client sends its message, and has not said anything.
    fn interrupt(&mut self) -> Option<Vec<u8>>;
}

/// Says what it has to say, whatever the client says.
pub struct Octets {
    pub octets: Vec<u8>,
    pub pieces: Vec<usize>,
    pub turn: usize,
}

impl Server for Octets {
    fn speak(&mut self, _: &[u8]) -> Option<Vec<u8>> {
        let size = self.pieces[self.turn % self.pieces.len()].min(self.octets.len());
        self.turn += 1;
        let rest = self.octets.split_off(size);
        let piece = std::mem::replace(&mut self.octets, rest);
        (!piece.is_empty()).then_some(piece)
    }

    fn interrupt(&mut self) -> Option<Vec<u8>> {
        if self.turn.is_multiple_of(3) { self.speak(b"") } else { None }
    }
}

#[derive(Clone, Debug)]
pub enum Answer {
    Proper,
    Code(u16),
    Octets(Vec<u8>),
    Nothing,
    Twice,
    /// As it should, and the answer to the next command at once.
    Early,
    Hangup,
}

/// Answers what the client says, mostly as it should, and not always in order.
pub struct Reacting {
    answers: Vec<Answer>,
    rotation: Vec<usize>,
    pieces: Vec<usize>,
    given: usize,
    flights: usize,
    pending: Vec<u8>,
    in_data: bool,
    /// Lines that are left of a chunk.
    in_chunk: usize,
    gone: bool,
    /// It was spoken to in LMTP.
    lmtp: bool,
    /// Recipients that it took for the message to come.
    taken: usize,
}

impl Reacting {
    pub fn new(answers: Vec<Answer>, rotation: Vec<usize>, pieces: Vec<usize>) -> Self {
        Reacting {
            answers,
            rotation,
            pieces,
            given: 0,
            flights: 0,
            pending: Vec::new(),
            in_data: false,
            in_chunk: 0,
            gone: false,
            lmtp: false,
            taken: 0,
        }
    }

    fn answer(&mut self, command: &str) -> Vec<u8> {
        let answer = self.answers[self.given % self.answers.len()].clone();
        self.given += 1;
        let proper = match command.get(..4).unwrap_or(command) {
            "" => "220 hello\r\n",
            "EHLO" | "LHLO" if self.rotation.len().is_multiple_of(4) => {
                "250-mx\r\n250-8BITMIME\r\n250-SMTPUTF8\r\n250-PIPELINING\r\n250 AUTH PLAIN LOGIN CRAM-MD5\r\n"
            }
            "EHLO" | "LHLO" if self.rotation.len().is_multiple_of(2) => {
                "250-mx\r\n250-8BITMIME\r\n250-PIPELINING\r\n250-STARTTLS\r\n250-CHUNKING\r\n\
                 250 AUTH PLAIN LOGIN CRAM-MD5\r\n"
            }
            "EHLO" | "LHLO" => {
                "250-mx\r\n250-PIPELINING\r\n250-CHUNKING\r\n250-STARTTLS\r\n250 AUTH PLAIN LOGIN CRAM-MD5\r\n"
            }
            "STAR" => "220 go\r\n",
            "AUTH" => "235 ok\r\n",
            "DATA" => "354 go\r\n",
            "QUIT" => "221 bye\r\n",
            _ => "250 ok\r\n",
        };
        match answer {
            Answer::Proper => proper.into(),
            Answer::Code(code) => format!("{code} hm\r\n").into(),
            Answer::Octets(octets) => octets,
            Answer::Nothing => Vec::new(),
            Answer::Twice => proper.repeat(2).into(),
            Answer::Early => format!("{proper}250 early\r\n").into(),
            Answer::Hangup => {
                self.gone = true;
                Vec::new()
            }
        }
    }

    fn hear(&mut self, flight: &[u8]) {
        let text = String::from_utf8_lossy(flight).into_owned();
        let mut replies = Vec::new();
        if self.flights == 0 {
            replies.push(self.answer(""));
        }
        for line in text.split_terminator("\r\n") {
            if self.in_data && line != "." {
                continue;
            }
            self.in_data = false;
            if self.in_chunk > 0 {
                self.in_chunk -= 1;
                continue;
            }
            if line.starts_with("BDAT") {
                self.in_chunk = LINES;
            }
            self.lmtp |= line.starts_with("LHLO");
            let ends = line == "." || line.ends_with(" LAST");
            let count = if ends && self.lmtp { std::mem::take(&mut self.taken) } else { 1 };
            for _ in 0..count {
                let reply = self.answer(if line.is_empty() { "NOOP" } else { line });
                self.in_data = line == "DATA" && reply.starts_with(b"3");
                self.taken += usize::from(line.starts_with("RCPT") && reply.starts_with(b"2"));
                replies.push(reply);
            }
        }
        let rotation = self.rotation[self.flights % self.rotation.len()];
        if rotation < replies.len() {
            replies.rotate_left(rotation);
        }
        self.pending.extend(replies.concat());
        self.flights += 1;
    }
}

impl Server for Reacting {
    fn speak(&mut self, flight: &[u8]) -> Option<Vec<u8>> {
        if !flight.is_empty() || self.flights == 0 {
            self.hear(flight);
        }
        let size = self.pieces[self.given % self.pieces.len()].min(self.pending.len());
        let rest = self.pending.split_off(size);
        let piece = std::mem::replace(&mut self.pending, rest);
        if piece.is_empty() || self.gone { None } else { Some(piece) }
    }

    /// What is left for after the message came too late.
    fn interrupt(&mut self) -> Option<Vec<u8>> {
        self.given += 1;
        if self.given.is_multiple_of(2) { self.speak(b"") } else { None }
    }
}
