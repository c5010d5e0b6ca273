//! Transcripts: a session with a real server, written down, and played again to a client without one.
//!
//! The client's randomness is seeded, so that it writes the same bytes again: keys, masks and all. A transcript holds
//! what the server sent and when, what the client wrote, and the lines of the events.

use std::fmt::Write as _;

use sockeye_core::packet::BinRef;
use sockeye_core::{EmitOptions, Instant, Link, NamespaceId, NspOptions, Transports};

use crate::rig::Rig;

const WORD: [&str; 3] = ["get", "post", "ws"];

/// The application of all transcripts: it follows from the events alone.
#[derive(Debug, Default)]
pub struct App {
    main: Option<NamespaceId>,
    chat: Option<NamespaceId>,
    events: String,
}

impl App {
    /// Begins.
    pub fn start(&mut self, rig: &mut Rig<'_>) {
        rig.strict = false;
        rig.keep_raw = true;
        self.main = Some(rig.connect("/"));
    }

    /// Looks at what has happened, and does what comes next.
    pub fn act(&mut self, rig: &mut Rig<'_>) {
        loop {
            let lines = rig.take_events();
            if lines.is_empty() {
                return;
            }
            for line in lines.lines() {
                self.events.push_str(line);
                self.events.push('\n');
                self.step(rig, line);
            }
        }
    }

    fn step(&mut self, rig: &mut Rig<'_>, line: &str) {
        let Some(main) = self.main else { return };
        let ack = EmitOptions::ACK;
        let is = |start: &str| line.starts_with(start);
        if is("connected / ") {
            let _ = rig.emit(
                main,
                "inspect",
                &(1, "æøå", BinRef(&[1, 2, 255]), [true, false]),
                ack,
            );
            let _ = rig.emit(main, "binary", &(), ack);
            let _ = rig.emit(main, "burst", &(20,), EmitOptions::PLAIN);
            let _ = rig.emit(
                main,
                "ask",
                &("how much", BinRef(&[7; 200])),
                EmitOptions::PLAIN,
            );
        } else if is("message / question ") {
            let _ = rig.answer(&("that much", BinRef(&[9, 8])));
        } else if is("message / answered ") {
            let _ = rig.emit(main, "later", &(700, "in between come pings"), ack);
        } else if line.contains("in between come pings") {
            let chat = rig.namespace("/chat", NspOptions::default());
            self.chat = Some(chat);
            rig.client.connect(rig.now(), chat);
            rig.drain();
        } else if is("connected /chat ") {
            if let Some(chat) = self.chat {
                let _ = rig.emit(chat, "text", &(3_000,), ack);
            }
        } else if is("ack #") && line.contains("xxxxxxxxxx") {
            rig.connect("/admin");
        } else if is("connect error /admin ") {
            if let Some(chat) = self.chat {
                let _ = rig.emit(chat, "leave", &(), EmitOptions::PLAIN);
            }
        } else if is("disconnected /chat ") {
            rig.disconnect(main);
        }
    }
}

/// The names of the kinds of session that are recorded.
pub fn transports(name: &str) -> Option<Transports> {
    Some(match name {
        "websocket" => Transports::WEBSOCKET,
        "polling" => Transports::POLLING,
        "upgrade" => Transports::POLLING_FIRST,
        _ => return None,
    })
}

/// One thing that came from the server's side.
#[derive(Clone, Debug)]
struct Input {
    ms: u64,
    link: Link,
    /// `None`: the end of the stream.
    bytes: Option<Vec<u8>>,
}

/// A transcript.
#[derive(Clone, Debug, Default)]
pub struct Transcript {
    /// As in [`transports`].
    pub kind: String,
    inputs: Vec<Input>,
    events: String,
    written: [Vec<u8>; 3],
}

impl Transcript {
    /// An empty one.
    pub fn new(kind: &str) -> Self {
        Self {
            kind: kind.into(),
            ..Self::default()
        }
    }

    /// Something has come from the server (`None`: the end of the stream): notes it, and gives it to the client.
    pub fn input(&mut self, rig: &mut Rig<'_>, app: &mut App, link: Link, bytes: Option<&[u8]>) {
        let ms = rig.now().as_millis();
        self.inputs.push(Input {
            ms,
            link,
            bytes: bytes.map(<[u8]>::to_vec),
        });
        give(rig, app, link, bytes);
    }

    /// The session is over.
    pub fn finish(&mut self, rig: &Rig<'_>, app: &App) {
        self.events.clone_from(&app.events);
        self.written.clone_from(&rig.raw);
    }

    /// Plays it to a client, and compares everything.
    ///
    /// # Panics
    /// If anything is different.
    pub fn replay(&self, rig: &mut Rig<'_>) {
        let mut app = App::default();
        app.start(rig);
        app.act(rig);
        for input in &self.inputs {
            rig.run_until(Instant::from_millis(input.ms));
            app.act(rig);
            give(rig, &mut app, input.link, input.bytes.as_deref());
        }
        rig.pass(5_000);
        app.act(rig);
        assert_eq!(app.events, self.events);
        for link in Link::ALL {
            let (now, then) = (&rig.raw[link.index()], &self.written[link.index()]);
            assert!(
                now == then,
                "other bytes on {link:?}:\n{}\n{}",
                now.escape_ascii(),
                then.escape_ascii()
            );
        }
        assert!(rig.client.is_down());
    }

    /// As text.
    pub fn print(&self) -> String {
        let mut out = format!("{}\n", self.kind);
        for input in &self.inputs {
            let _ = write!(out, "@{} {}< ", input.ms, WORD[input.link.index()]);
            match &input.bytes {
                Some(bytes) => writeln!(out, "{}", bytes.escape_ascii()),
                None => writeln!(out, "\\end"),
            }
            .unwrap_or_default();
        }
        for (word, bytes) in WORD.iter().zip(&self.written) {
            let _ = writeln!(out, "{word}> {}", bytes.escape_ascii());
        }
        for line in self.events.lines() {
            let _ = writeln!(out, "= {line}");
        }
        out
    }

    /// From text; `None` if it is not a transcript.
    pub fn parse(text: &str) -> Option<Self> {
        let (kind, rest) = text.split_once('\n')?;
        let mut transcript = Self::new(kind);
        let link = |word: &str| {
            Link::ALL
                .into_iter()
                .find(|link| WORD[link.index()] == word)
        };
        for line in rest.lines() {
            if let Some(event) = line.strip_prefix("= ") {
                transcript.events.push_str(event);
                transcript.events.push('\n');
            } else if let Some(input) = line.strip_prefix('@') {
                let (head, bytes) = input.split_once("< ")?;
                let (ms, word) = head.split_once(' ')?;
                let bytes = if bytes == "\\end" {
                    None
                } else {
                    Some(unescape(bytes)?)
                };
                transcript.inputs.push(Input {
                    ms: ms.parse().ok()?,
                    link: link(word)?,
                    bytes,
                });
            } else {
                let (word, bytes) = line.split_once("> ")?;
                transcript.written[link(word)?.index()] = unescape(bytes)?;
            }
        }
        Some(transcript)
    }
}

fn give(rig: &mut Rig<'_>, app: &mut App, link: Link, bytes: Option<&[u8]>) {
    match bytes {
        Some(bytes) => rig.feed(link, bytes),
        None => rig.cut(link),
    }
    app.act(rig);
}

/// The reverse of `escape_ascii`.
fn unescape(text: &str) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        out.push(match byte {
            b'\\' => match bytes.next()? {
                b'n' => b'\n',
                b'r' => b'\r',
                b't' => b'\t',
                b'x' => {
                    let digits = [bytes.next()?, bytes.next()?];
                    u8::from_str_radix(std::str::from_utf8(&digits).ok()?, 16).ok()?
                }
                other => other,
            },
            byte => byte,
        });
    }
    Some(out)
}
