//! Values as people type them: JSON, or `@` and where the value is to be found.
//!
//! The rule of `@`, everywhere: `@FILE` is what is in the file. A file whose name ends in `.json` holds JSON, any other holds
//! bytes; where only JSON can stand (credentials), all do. `@json:FILE`, `@text:FILE` and `@bin:FILE` say it explicitly, and
//! `-` as FILE is stdin.

use std::fmt;
use std::io::Read as _;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::value::RawValue;

use super::Arg;
use super::read::{plain, typed};

/// The largest file that `@FILE` reads.
const MAX_FILE: u64 = 64 << 20;

/// How words become arguments.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Words {
    /// A word that is not JSON is a text.
    pub(crate) text: bool,
}

impl Words {
    /// Reads an argument as typed on a command line.
    pub(crate) fn read(self, word: &str) -> Result<Arg, String> {
        if let Some(source) = word.strip_prefix('@') {
            return Source::parse(source).arg();
        }
        match typed(word) {
            Ok(arg) => Ok(arg),
            Err(_) if self.text => Ok(Arg::Text(word.to_owned())),
            Err(why) => Err(not_json(word, &why)),
        }
    }
}

/// Reads credentials, which can only be JSON. Complaints do not quote them.
pub(crate) fn credentials(word: &str) -> Result<Arg, String> {
    let arg = match word.strip_prefix('@') {
        Some(source) => Source::parse(source).json(),
        None => typed(word).map_err(|why| format!("it is not JSON: {why}")),
    };
    arg.and_then(check_credentials)
}

/// What a CONNECT can carry: an object, or nothing. Complaints do not quote it.
pub(crate) fn check_credentials(arg: Arg) -> Result<Arg, String> {
    match &arg {
        Arg::Object(_) => Ok(arg),
        Arg::Raw(json) if &**json == "null" => Ok(arg),
        _ => Err("credentials are a JSON object: {\"token\":\"…\"}".to_owned()),
    }
}

#[derive(Clone, Copy, PartialEq)]
enum Form {
    Json,
    Text,
    Bytes,
}

/// What follows an `@`.
struct Source<'a> {
    form: Option<Form>,
    path: &'a str,
}

impl<'a> Source<'a> {
    fn parse(text: &'a str) -> Self {
        let forms = [
            ("json:", Form::Json),
            ("text:", Form::Text),
            ("bin:", Form::Bytes),
        ];
        for (prefix, form) in forms {
            if let Some(path) = text.strip_prefix(prefix) {
                return Self {
                    form: Some(form),
                    path,
                };
            }
        }
        Self {
            form: None,
            path: text,
        }
    }

    fn arg(&self) -> Result<Arg, String> {
        let named = if self.path.to_ascii_lowercase().ends_with(".json") {
            Form::Json
        } else {
            Form::Bytes
        };
        let bytes = self.bytes()?;
        match self.form.unwrap_or(named) {
            Form::Json => self.parsed(bytes),
            Form::Text => self.text(bytes).map(Arg::Text),
            Form::Bytes => Ok(Arg::Bin(bytes.into())),
        }
    }

    fn json(&self) -> Result<Arg, String> {
        if self.form.is_some_and(|form| form != Form::Json) {
            return Err("only JSON can stand here: @FILE or @json:FILE".to_owned());
        }
        self.parsed(self.bytes()?)
    }

    fn parsed(&self, bytes: Vec<u8>) -> Result<Arg, String> {
        let text = self.text(bytes)?;
        typed(&text).map_err(|why| format!("{} does not hold JSON: {why}", self.name()))
    }

    fn text(&self, bytes: Vec<u8>) -> Result<String, String> {
        String::from_utf8(bytes).map_err(|_| format!("{} is not UTF-8 text", self.name()))
    }

    fn name(&self) -> &str {
        if self.path == "-" { "stdin" } else { self.path }
    }

    fn bytes(&self) -> Result<Vec<u8>, String> {
        let cannot = |why: &dyn fmt::Display| format!("cannot read {}: {why}", self.name());
        let mut bytes = Vec::new();
        let read = if self.path.is_empty() {
            return Err("a file name is missing after @".to_owned());
        } else if self.path == "-" {
            claim_stdin()?;
            std::io::stdin()
                .lock()
                .take(MAX_FILE + 1)
                .read_to_end(&mut bytes)
        } else {
            if Path::new(self.path).is_dir() {
                return Err(cannot(&"it is a directory"));
            }
            std::fs::File::open(self.path)
                .and_then(|file| file.take(MAX_FILE + 1).read_to_end(&mut bytes))
        };
        read.map_err(|error| cannot(&error))?;
        if bytes.len() as u64 > MAX_FILE {
            let most = MAX_FILE >> 20;
            return Err(cannot(&format_args!("it is larger than {most} MB")));
        }
        Ok(bytes)
    }
}

static STDIN: AtomicBool = AtomicBool::new(false);

/// Stdin is read by one reader only: a second one is told so.
pub(crate) fn claim_stdin() -> Result<(), String> {
    if STDIN.swap(true, Ordering::Relaxed) {
        return Err("stdin is read already, by another @- or as commands".to_owned());
    }
    Ok(())
}

/// Arguments after one another on one line: JSON values and `@FILE` (or `@"file with spaces"`).
pub(crate) fn arguments(text: &str, words: Words) -> Result<Vec<Arg>, String> {
    let mut args = Vec::new();
    let mut rest = text.trim_start();
    while !rest.is_empty() {
        let number = args.len() + 1;
        let length = if let Some(path) = rest.strip_prefix('@') {
            let (source, length) = source_of(path)?;
            args.push(Source::parse(&source).arg()?);
            length + 1
        } else {
            let mut stream = serde_json::Deserializer::from_str(rest).into_iter::<&RawValue>();
            match stream.next() {
                Some(Ok(raw)) => {
                    args.push(typed(raw.get()).map_err(|why| format!("argument {number}: {why}"))?);
                    stream.byte_offset()
                }
                Some(Err(error)) => {
                    let word = rest.split_whitespace().next().unwrap_or(rest);
                    if !words.text || rest.starts_with(['{', '[', '"']) {
                        let why = not_json(word, &plain(&error));
                        return Err(format!("argument {number}: {why}"));
                    }
                    args.push(Arg::Text(word.to_owned()));
                    word.len()
                }
                None => break,
            }
        };
        rest = &rest[length..];
        if !rest.is_empty() && !rest.starts_with(char::is_whitespace) {
            return Err(format!("a space is missing after argument {number}"));
        }
        rest = rest.trim_start();
    }
    Ok(args)
}

/// What follows an `@` in a line, and how many bytes of the line it takes.
fn source_of(text: &str) -> Result<(String, usize), String> {
    let quote = text
        .find('"')
        .filter(|&at| matches!(&text[..at], "" | "json:" | "text:" | "bin:"));
    if let Some(at) = quote {
        let mut stream = serde_json::Deserializer::from_str(&text[at..]).into_iter::<String>();
        return match stream.next() {
            Some(Ok(path)) => Ok((format!("{}{path}", &text[..at]), at + stream.byte_offset())),
            _ => Err("the file name after @ has no closing quote".to_owned()),
        };
    }
    let end = text.find(char::is_whitespace).unwrap_or(text.len());
    Ok((text[..end].to_owned(), end))
}

/// What is wrong with a word that should be JSON, and how to write it.
fn not_json(word: &str, why: &str) -> String {
    let shown: String = word.chars().take(60).collect();
    let bare = !word.is_empty()
        && word
            .chars()
            .all(|c| c.is_alphanumeric() || "-_ .,!?".contains(c));
    if bare {
        format!("{shown} is not JSON: write a text with quotes, \"{shown}\", or use --text")
    } else {
        format!("{shown} is not JSON: {why}")
    }
}

/// A namespace as the protocol can carry it.
pub(crate) fn namespace(text: &str) -> Result<String, String> {
    if !text.starts_with('/') {
        return Err(format!("a namespace starts with a slash: /{text}"));
    }
    if text.contains(|c: char| c == ',' || c.is_whitespace() || c.is_control()) {
        return Err(format!(
            "the namespace {text} must not contain a comma or a space"
        ));
    }
    Ok(text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;

    const JSON: Words = Words { text: false };
    const TEXT: Words = Words { text: true };

    #[test]
    fn mistakes_are_explained_in_one_line() {
        let read = |word| JSON.read(word).unwrap_err();
        assert_eq!(
            read("hello"),
            "hello is not JSON: write a text with quotes, \"hello\", or use --text"
        );
        assert_eq!(
            read("{\"a\":}"),
            "{\"a\":} is not JSON: expected value at character 6"
        );
        assert!(read("{\"_bin\":\"###\"}").contains("base64"));
        assert!(read("@/no/such/file").starts_with("cannot read /no/such/file: "));
        assert!(read("@/").contains("directory"));
        assert!(read("@").contains("file name is missing"));
    }

    #[test]
    fn text_is_for_what_is_not_json() {
        assert_eq!(TEXT.read("hello"), Ok(Arg::Text("hello".into())));
        assert_eq!(TEXT.read("5"), Ok(Arg::Raw("5".into())));
        assert_eq!(TEXT.read("\"x\""), Ok(Arg::Text("x".into())));
        let args = arguments("hello 5 {\"a\":1}", TEXT).unwrap();
        assert_eq!(args.len(), 3);
        assert_eq!(args[0], Arg::Text("hello".into()));
        assert!(
            arguments("{\"a\":", TEXT).is_err(),
            "what begins as JSON must be JSON"
        );
    }

    #[test]
    fn the_rule_of_files() {
        let dir = std::env::temp_dir().join(format!("sockeye words {}", std::process::id()));
        std::fs::create_dir_all(&dir).unwrap();
        let path = |name: &str| dir.join(name).display().to_string();
        std::fs::write(path("a.json"), "{\"t\":1}\n").unwrap();
        std::fs::write(path("a.bin"), [1, 2, 0xff]).unwrap();
        let object = Arg::Object(vec![("t".into(), Arg::Raw("1".into()))]);
        let read = |form: &str, name: &str| JSON.read(&format!("@{form}{}", path(name)));

        assert_eq!(read("", "a.json"), Ok(object.clone()));
        assert_eq!(
            read("", "a.bin"),
            Ok(Arg::Bin(Bytes::from_static(&[1, 2, 0xff])))
        );
        assert_eq!(
            read("bin:", "a.json"),
            Ok(Arg::Bin(Bytes::from_static(b"{\"t\":1}\n")))
        );
        assert_eq!(read("text:", "a.json"), Ok(Arg::Text("{\"t\":1}\n".into())));
        assert!(read("text:", "a.bin").unwrap_err().contains("not UTF-8"));
        assert!(read("json:", "a.bin").unwrap_err().contains("not UTF-8"));

        // The same where only JSON can stand.
        assert_eq!(
            credentials(&format!("@{}", path("a.json"))),
            Ok(object.clone())
        );
        assert_eq!(
            credentials(&format!("@json:{}", path("a.json"))),
            Ok(object.clone())
        );
        assert!(credentials(&format!("@bin:{}", path("a.json"))).is_err());

        // And in a line, where a name may be quoted.
        let line = format!("1 @\"{}\" @json:\"{}\"", path("a.bin"), path("a.json"));
        let args = arguments(&line, JSON).unwrap();
        assert_eq!(args[2], object);
        std::fs::remove_dir_all(&dir).unwrap();
        assert_eq!(args[1], Arg::Bin(Bytes::from_static(&[1, 2, 0xff])));
        assert!(
            arguments("@\"open", JSON)
                .unwrap_err()
                .contains("closing quote")
        );
    }

    #[test]
    fn a_secret_is_not_quoted() {
        let why = credentials("{\"token\":\"s3cret\"").unwrap_err();
        assert!(!why.contains("s3cret"), "{why}");
    }
}
