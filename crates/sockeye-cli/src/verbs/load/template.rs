//! Arguments with placeholders: read once, expanded for every event.
//!
//! A placeholder outside of a quoted text is a value of its own (`{{n}}` a number, `{{bytes 9}}` binary); inside of one it
//! becomes part of the text.

use std::fmt::Write as _;
use std::time::{SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use serde::de::IgnoredAny;

use crate::value::{Arg, plain, typed};

/// The most attachments that servers take in one packet.
const ATTACHMENTS: usize = 10;
/// The most bytes of `{{bytes N}}`.
const MOST_BYTES: usize = 64 << 20;

/// Characters for private use that stand for placeholders while the JSON around them is read: in a text, as a value, and
/// the end of both.
const IN_TEXT: char = '\u{e000}';
const AS_VALUE: char = '\u{e001}';
const END: char = '\u{e002}';

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Placeholder {
    Client,
    N,
    Now,
    Random(i64, i64),
    Bytes(usize),
}

impl Placeholder {
    fn parse(text: &str) -> Result<Self, String> {
        let words: Vec<&str> = text.split_whitespace().collect();
        match *words.as_slice() {
            ["client"] => Ok(Self::Client),
            ["n"] => Ok(Self::N),
            ["now"] => Ok(Self::Now),
            ["random", from, to] => match (from.parse(), to.parse()) {
                (Ok(from), Ok(to)) if from <= to => Ok(Self::Random(from, to)),
                _ => Err(format!(
                    "{{{{{text}}}}}: two whole numbers are expected, the smaller one first, as in {{{{random 1 100}}}}"
                )),
            },
            ["bytes", count] => match count.parse() {
                Ok(count) if count <= MOST_BYTES => Ok(Self::Bytes(count)),
                _ => Err(format!(
                    "{{{{{text}}}}}: a number of bytes up to {MOST_BYTES} is expected, as in {{{{bytes 1024}}}}"
                )),
            },
            _ => Err(format!(
                "{{{{{text}}}}} is no placeholder: {{{{client}}}}, {{{{n}}}}, {{{{now}}}}, {{{{random 1 100}}}} or {{{{bytes 1024}}}} is expected"
            )),
        }
    }
}

#[derive(Clone, Debug)]
enum Piece {
    Text(String),
    Slot(Placeholder),
}

#[derive(Clone, Debug)]
enum Attachment {
    Fixed(Bytes),
    Filler(usize),
}

/// A JSON array of arguments, or one JSON value, with placeholders.
#[derive(Clone, Debug)]
pub(crate) struct Template {
    pieces: Vec<Piece>,
    attachments: Vec<Attachment>,
    /// Enough bytes for the longest filler.
    filler: Bytes,
    sent_at: Option<String>,
}

/// What placeholders are replaced by.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Values<'a> {
    pub(crate) client: u64,
    pub(crate) n: u64,
    pub(crate) random: &'a Random,
}

/// A small generator (SplitMix64): the same seed gives the same numbers.
#[derive(Debug)]
pub(crate) struct Random(std::cell::Cell<u64>);

impl Random {
    pub(crate) fn new(seed: u64, client: u64) -> Self {
        let own = Self(std::cell::Cell::new(
            seed ^ client.wrapping_mul(0xd6e8_feb8_6659_fd93),
        ));
        own.next();
        own
    }

    pub(crate) fn next(&self) -> u64 {
        let state = self.0.get().wrapping_add(0x9e37_79b9_7f4a_7c15);
        self.0.set(state);
        let mut z = state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number of the range, both ends included.
    pub(crate) fn range(&self, from: i64, to: i64) -> i64 {
        let span = to.abs_diff(from);
        let offset = match span.checked_add(1) {
            // The bias of a multiplication is below 2^-64 of the span.
            Some(count) => ((u128::from(self.next()) * u128::from(count)) >> 64) as u64,
            None => self.next(),
        };
        from.wrapping_add_unsigned(offset)
    }

    /// From 0 to below 1.
    pub(crate) fn share(&self) -> f64 {
        (self.next() >> 11) as f64 / (1u64 << 53) as f64
    }
}

/// Microseconds of the Unix epoch.
pub(crate) fn unix_micros() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| since.as_micros() as u64)
}

impl Template {
    /// Arguments of an event: a JSON array of them, or one JSON value. Nothing: none.
    ///
    /// # Errors
    /// Where it is wrong, and what was expected.
    pub(crate) fn arguments(text: &str) -> Result<Self, String> {
        match read(text)? {
            Arg::List(items) => Self::of(&Arg::List(items)),
            one => Self::of(&Arg::List(vec![one])),
        }
    }

    /// Credentials: a JSON object without binary.
    ///
    /// # Errors
    /// What is wrong, without a word of them.
    pub(crate) fn credentials(text: &str) -> Result<Self, String> {
        let arg = crate::value::check_credentials(read(text)?)?;
        let template = Self::of(&arg)?;
        if template.attachments.is_empty() {
            Ok(template)
        } else {
            Err("credentials cannot hold binary".to_owned())
        }
    }

    /// No arguments.
    pub(crate) fn none() -> Self {
        Self {
            pieces: vec![Piece::Text("[]".to_owned())],
            attachments: Vec::new(),
            filler: Bytes::new(),
            sent_at: None,
        }
    }

    fn of(arg: &Arg) -> Result<Self, String> {
        let mut template = Self {
            pieces: Vec::new(),
            attachments: Vec::new(),
            ..Self::none()
        };
        template.value(arg, &mut String::new())?;
        if template.attachments.len() > ATTACHMENTS {
            return Err(format!(
                "{} binary values: servers take {ATTACHMENTS} at most in one event",
                template.attachments.len()
            ));
        }
        let filler = template.attachments.iter().map(|one| match one {
            Attachment::Filler(bytes) => *bytes,
            Attachment::Fixed(_) => 0,
        });
        let random = Random::new(1, 1);
        let filler: Vec<u8> = (0..filler.max().unwrap_or(0).div_ceil(8))
            .flat_map(|_| random.next().to_le_bytes())
            .collect();
        template.filler = filler.into();
        Ok(template)
    }

    fn text(&mut self, text: &str) {
        if let Some(Piece::Text(last)) = self.pieces.last_mut() {
            last.push_str(text);
        } else {
            self.pieces.push(Piece::Text(text.to_owned()));
        }
    }

    fn attach(&mut self, attachment: Attachment) {
        let number = self.attachments.len();
        self.attachments.push(attachment);
        self.text(&format!("{{\"_placeholder\":true,\"num\":{number}}}"));
    }

    fn value(&mut self, arg: &Arg, path: &mut String) -> Result<(), String> {
        match arg {
            Arg::Raw(json) => self.text(json),
            Arg::Bin(bytes) => self.attach(Attachment::Fixed(bytes.clone())),
            Arg::Text(text) => self.string(text, path)?,
            Arg::List(items) => {
                self.text("[");
                for (index, item) in items.iter().enumerate() {
                    self.text(if index == 0 { "" } else { "," });
                    self.inside(item, &index.to_string(), path)?;
                }
                self.text("]");
            }
            Arg::Object(entries) => {
                self.text("{");
                for (index, (key, value)) in entries.iter().enumerate() {
                    self.text(if index == 0 { "" } else { "," });
                    self.string(key, "")?;
                    self.text(":");
                    let step = key.replace('~', "~0").replace('/', "~1");
                    self.inside(value, &step, path)?;
                }
                self.text("}");
            }
        }
        Ok(())
    }

    fn inside(&mut self, arg: &Arg, step: &str, path: &mut String) -> Result<(), String> {
        let length = path.len();
        path.push('/');
        path.push_str(step);
        let result = self.value(arg, path);
        path.truncate(length);
        result
    }

    fn string(&mut self, text: &str, path: &str) -> Result<(), String> {
        let slot = |text: &str| Placeholder::parse(text.trim_end_matches(END));
        if let Some(alone) = text.strip_prefix(AS_VALUE) {
            let slot = slot(alone)?;
            if slot == Placeholder::Now && self.sent_at.is_none() {
                self.sent_at = Some(path.to_owned());
            }
            match slot {
                Placeholder::Bytes(count) => self.attach(Attachment::Filler(count)),
                _ => self.pieces.push(Piece::Slot(slot)),
            }
            return Ok(());
        }
        self.text("\"");
        let mut rest = text;
        while let Some((before, after)) = rest.split_once(IN_TEXT) {
            self.escaped(before);
            let (placeholder, after) = after.split_once(END).unwrap_or((after, ""));
            self.pieces.push(Piece::Slot(slot(placeholder)?));
            rest = after;
        }
        self.escaped(rest);
        self.text("\"");
        Ok(())
    }

    fn escaped(&mut self, text: &str) {
        let quoted = serde_json::Value::from(text).to_string();
        self.text(&quoted[1..quoted.len() - 1]);
    }

    /// Where `{{now}}` stands by itself, as a JSON pointer.
    pub(crate) fn sent_at(&self) -> Option<&str> {
        self.sent_at.as_deref()
    }

    /// Writes the JSON text of one event.
    pub(crate) fn expand(&self, values: Values<'_>, out: &mut String) {
        for piece in &self.pieces {
            // Writing to a text cannot fail.
            let _ = match piece {
                Piece::Text(text) => out.write_str(text),
                Piece::Slot(Placeholder::Client) => write!(out, "{}", values.client),
                Piece::Slot(Placeholder::N) => write!(out, "{}", values.n),
                Piece::Slot(Placeholder::Now) => {
                    let now = unix_micros();
                    write!(out, "{}.{:03}", now / 1000, now % 1000)
                }
                Piece::Slot(Placeholder::Random(from, to)) => {
                    write!(out, "{}", values.random.range(*from, *to))
                }
                Piece::Slot(Placeholder::Bytes(count)) => {
                    out.extend(std::iter::repeat_n('x', *count));
                    Ok(())
                }
            };
        }
    }

    /// The binary values of every event.
    pub(crate) fn attachments(&self) -> Vec<&[u8]> {
        let bytes = |one| match one {
            &Attachment::Filler(count) => &self.filler[..count],
            Attachment::Fixed(bytes) => bytes,
        };
        self.attachments.iter().map(bytes).collect()
    }
}

/// Reads JSON with placeholders; these are marked texts in what is returned.
fn read(text: &str) -> Result<Arg, String> {
    if text.contains([IN_TEXT, AS_VALUE, END]) {
        return Err("the characters U+E000 to U+E002 cannot be used here".to_owned());
    }
    let mut marked = String::with_capacity(text.len() + 16);
    // Where pieces of the text are in `marked`, and in the text itself: for the place of an error.
    let mut places = vec![(0, 0)];
    let (mut at, mut quoted) = (0, false);
    while let Some(c) = text[at..].chars().next() {
        let rest = &text[at..];
        let length = if let Some(behind) = rest.strip_prefix("{{") {
            let Some((inside, _)) = behind.split_once("}}") else {
                return Err(format!("{}: {{{{ has no }}}}", place(text, at)));
            };
            let inside_trimmed = inside.trim();
            Placeholder::parse(inside_trimmed)
                .map_err(|why| format!("{}: {why}", place(text, at)))?;
            if quoted {
                marked.extend([IN_TEXT]);
                marked.push_str(inside_trimmed);
                marked.extend([END]);
            } else {
                let _ = write!(marked, "\"{AS_VALUE}{inside_trimmed}{END}\"");
            }
            places.push((marked.len(), at + inside.len() + 4));
            inside.len() + 4
        } else {
            let escape = quoted && c == '\\';
            quoted ^= c == '"';
            let next = rest[c.len_utf8()..].chars().next();
            let length = c.len_utf8() + next.filter(|_| escape).map_or(0, char::len_utf8);
            marked.push_str(&rest[..length]);
            length
        };
        at += length;
    }
    if let Err(error) = serde_json::from_str::<IgnoredAny>(&marked) {
        let in_marked = offset(&marked, error.line(), error.column());
        let (from, to) = *places
            .iter()
            .rev()
            .find(|(from, _)| *from <= in_marked)
            .unwrap_or(&(0, 0));
        let at = (to + in_marked - from).min(text.len());
        let why = error.to_string();
        let why = why.split(" at line ").next().unwrap_or_default();
        return Err(format!("{}: {why}", place(text, at)));
    }
    typed(&marked).map_err(|why| why.replace([IN_TEXT, AS_VALUE, END], ""))
}

/// Byte offset of a line and column of serde_json: columns count bytes, the last one read.
fn offset(text: &str, line: usize, column: usize) -> usize {
    let before: usize = text
        .split_inclusive('\n')
        .take(line.max(1) - 1)
        .map(str::len)
        .sum();
    before + column.max(1) - 1
}

/// A place in a text for people.
pub(super) fn place(text: &str, at: usize) -> String {
    let mut at = at.min(text.len());
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    let before = &text[..at];
    let line = before.matches('\n').count() + 1;
    let column = before.chars().rev().take_while(|c| *c != '\n').count() + 1;
    format!("line {line}, column {column}")
}

/// Why a text is not JSON, for people.
pub(super) fn json_error(error: &serde_json::Error) -> String {
    plain(error)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn expanded(text: &str) -> String {
        let template = Template::arguments(text).unwrap();
        let random = Random::new(1, 7);
        let values = Values {
            client: 7,
            n: 3,
            random: &random,
        };
        let mut out = String::new();
        template.expand(values, &mut out);
        out
    }

    #[test]
    fn placeholders_are_values_or_parts_of_texts() {
        assert_eq!(
            expanded(
                r#"["c{{client}}-{{ n }}", {{client}}, {"n{{n}}": [{{n}}, "{{n}}"]}, "\"{{n}}\\"]"#
            ),
            r#"["c7-3",7,{"n3":[3,"3"]},"\"3\\"]"#
        );
        assert_eq!(expanded("{{n}}"), "[3]");
        assert_eq!(expanded("\"{{bytes 4}}\""), "[\"xxxx\"]");
        assert_eq!(expanded("[1e400, \"\\u00e9\"]"), "[1e400,\"é\"]");
        assert_eq!(expanded("[]"), "[]");
    }

    #[test]
    fn binary_becomes_attachments() {
        let template = Template::arguments(r#"[{{bytes 20}}, {"_bin": "AQI="}]"#).unwrap();
        let attachments = template.attachments();
        assert_eq!(attachments[0].len(), 20);
        assert_eq!(attachments[1], [1, 2]);
        let mut out = String::new();
        let random = Random::new(1, 1);
        template.expand(
            Values {
                client: 1,
                n: 1,
                random: &random,
            },
            &mut out,
        );
        assert_eq!(
            out,
            r#"[{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}]"#
        );
        let many = format!("[{}]", ["{{bytes 1}}"; 11].join(","));
        assert!(
            Template::arguments(&many)
                .unwrap_err()
                .contains("10 at most")
        );
        let error = Template::credentials(r#"{"a":{{bytes 1}}}"#).unwrap_err();
        assert!(error.contains("cannot hold binary"), "{error}");
    }

    #[test]
    fn the_time_is_found_where_it_was_put() {
        let pointer = |text| {
            Template::arguments(text)
                .unwrap()
                .sent_at()
                .map(str::to_owned)
        };
        assert_eq!(
            pointer(r#"{"a/b": [0, {{now}}]}"#).as_deref(),
            Some("/0/a~1b/1")
        );
        assert_eq!(pointer(r#"["{{now}}"]"#), None);
        let now: Vec<f64> = serde_json::from_str(&expanded("{{now}}")).unwrap();
        assert!((now[0] * 1000.0 - unix_micros() as f64).abs() < 60e6);
    }

    #[test]
    fn random_numbers_keep_to_their_range_and_repeat() {
        let draw = || {
            let random = Random::new(5, 1);
            (0..1000).map(|_| random.range(-2, 3)).collect::<Vec<_>>()
        };
        let numbers = draw();
        assert!((-2..=3).all(|wanted| numbers.contains(&wanted)));
        assert!(numbers.iter().all(|n| (-2..=3).contains(n)));
        assert_eq!(numbers, draw());
        let random = Random::new(1, 1);
        random.range(i64::MIN, i64::MAX);
        assert_eq!(random.range(4, 4), 4);
    }

    #[test]
    fn mistakes_have_a_place() {
        for (text, part) in [
            (
                "[1,\n {{nn}}]",
                "line 2, column 2: {{nn}} is no placeholder: {{client}}",
            ),
            (
                "[{{n}}, {{client}} 1]",
                "line 1, column 20: expected `,` or `]`",
            ),
            ("[{{random 2 1}}]", "the smaller one first"),
            ("[{{bytes -1}}]", "a number of bytes up to"),
            ("[\"{{n\"]", "line 1, column 3: {{ has no }}"),
            ("[1", "EOF"),
            ("", "EOF"),
            ("\u{e000}", "U+E000"),
        ] {
            let error = Template::arguments(text).unwrap_err();
            assert!(error.contains(part), "{text}: {error}");
        }
    }
}
