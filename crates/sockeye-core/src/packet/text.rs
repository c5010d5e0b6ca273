//! JSON strings that stay escaped until somebody looks at them.
use core::fmt::{self, Write};

#[cfg(feature = "alloc")]
use alloc::{borrow::Cow, boxed::Box, string::String};

use serde::de::{self, Deserialize, Deserializer, Visitor};
use serde::ser::{Serialize, Serializer};

/// A JSON string as it came over the wire, unescaped while it is read: no copy, no allocation, in every tier.
///
/// Compare it with a `str`, print it, walk its [`chars`](Self::chars), or copy it out. It is also a serde type, so it may stand in
/// argument tuples and in borrowed structs where a `&str` would fail on an escape such as `\n` or `\"`.
///
/// A lone half of a surrogate pair, which JavaScript can send and UTF-8 cannot hold, reads as U+FFFD.
#[derive(Clone, Copy, Default)]
pub struct Text<'a> {
    /// What stands between the quotes.
    raw: &'a str,
}

impl<'a> Text<'a> {
    /// The newtype name by which our deserializer knows that the raw string is wanted.
    pub(crate) const NEWTYPE: &'static str = "$sockeye::Text";

    /// `raw` is what stands between the quotes of a valid JSON string.
    #[inline]
    pub(crate) const fn from_raw(raw: &'a str) -> Self {
        Self { raw }
    }

    /// The string that a JSON value is, quotes included; `None` for a value of another type. The value is trusted to be
    /// valid, as the raw arguments of a packet are: of anything else it makes nonsense, never a panic.
    pub fn from_json(value: &'a str) -> Option<Self> {
        let inner = value.trim_ascii().strip_prefix('"')?.strip_suffix('"')?;
        Some(Self::from_raw(inner))
    }

    /// The text between the quotes, still escaped.
    #[inline]
    pub const fn as_raw(&self) -> &'a str {
        self.raw
    }

    /// The text, if nothing in it is escaped.
    #[inline]
    pub fn as_plain(&self) -> Option<&'a str> {
        (!self.is_escaped()).then_some(self.raw)
    }

    #[cfg_attr(feature = "alloc", inline)]
    #[cfg_attr(not(feature = "alloc"), inline(never))]
    fn is_escaped(&self) -> bool {
        // Between the quotes of a valid string a byte that is not plain is a backslash: mostly this answers for
        // a word at a time, where that is worth its code.
        !(cfg!(feature = "alloc") && super::json::is_plain(self.raw.as_bytes()))
            && self.raw.as_bytes().contains(&b'\\')
    }

    /// Whether the text is the empty string.
    pub const fn is_empty(&self) -> bool {
        self.raw.is_empty()
    }

    /// Bytes that the unescaped text takes. Walks over it.
    pub fn len_utf8(&self) -> usize {
        match self.as_plain() {
            Some(plain) => plain.len(),
            None => self.chars().map(char::len_utf8).sum(),
        }
    }

    /// The characters of the text, unescaped.
    #[inline]
    pub fn chars(&self) -> TextChars<'a> {
        TextChars {
            rest: self.raw.chars(),
        }
    }

    /// Copies the unescaped text to the front of `out`; `None` if it does not fit (the raw length is always enough).
    pub fn copy_to<'b>(&self, out: &'b mut [u8]) -> Option<&'b str> {
        let mut at = 0;
        if let Some(plain) = self.as_plain() {
            out.get_mut(..plain.len())?
                .copy_from_slice(plain.as_bytes());
            at = plain.len();
        } else {
            for c in self.chars() {
                let space = out.get_mut(at..at + c.len_utf8())?;
                at += c.encode_utf8(space).len();
            }
        }
        core::str::from_utf8(&out[..at]).ok()
    }

    /// The unescaped text: borrowed if nothing in it is escaped, otherwise a new `String`.
    #[cfg(feature = "alloc")]
    pub fn to_cow(&self) -> Cow<'a, str> {
        match self.as_plain() {
            Some(plain) => Cow::Borrowed(plain),
            None => {
                let mut text = String::with_capacity(self.raw.len());
                text.extend(self.chars());
                Cow::Owned(text)
            }
        }
    }
}

/// The characters of a [`Text`]; see [`Text::chars`].
#[derive(Debug, Clone)]
pub struct TextChars<'a> {
    rest: core::str::Chars<'a>,
}

impl TextChars<'_> {
    fn hex(&mut self) -> Option<u32> {
        let mut code = 0;
        for _ in 0..4 {
            code = code << 4 | self.rest.next()?.to_digit(16)?;
        }
        Some(code)
    }

    #[cold]
    fn escape(&mut self) -> Option<char> {
        Some(match self.rest.next()? {
            'b' => '\u{8}',
            'f' => '\u{c}',
            'n' => '\n',
            'r' => '\r',
            't' => '\t',
            'u' => {
                let high = self.hex()?;
                if high & 0xfc00 == 0xd800 && self.rest.as_str().starts_with("\\u") {
                    let mut ahead = Self {
                        rest: self.rest.as_str().get(2..).unwrap_or("").chars(),
                    };
                    if let Some(low) = ahead.hex().filter(|low| low & 0xfc00 == 0xdc00) {
                        *self = ahead;
                        return char::from_u32(0x10000 + ((high & 0x3ff) << 10 | low & 0x3ff));
                    }
                }
                char::from_u32(high).unwrap_or(char::REPLACEMENT_CHARACTER)
            }
            plain => plain,
        })
    }
}

impl Iterator for TextChars<'_> {
    type Item = char;

    #[inline]
    fn next(&mut self) -> Option<char> {
        match self.rest.next()? {
            '\\' => self.escape(),
            c => Some(c),
        }
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        // "\u0041" is six characters for one.
        (
            self.rest.size_hint().0.div_ceil(12),
            self.rest.size_hint().1,
        )
    }
}

impl PartialEq<str> for Text<'_> {
    #[inline]
    fn eq(&self, other: &str) -> bool {
        // An escape is always longer than what it stands for.
        match self.raw.len() {
            len if len == other.len() => self.raw == other && !self.is_escaped(),
            len if len < other.len() => false,
            _ => self.is_escaped() && self.chars().eq(other.chars()),
        }
    }
}

impl PartialEq<&str> for Text<'_> {
    #[inline]
    fn eq(&self, other: &&str) -> bool {
        *self == **other
    }
}

impl PartialEq<Text<'_>> for str {
    #[inline]
    fn eq(&self, other: &Text<'_>) -> bool {
        *other == *self
    }
}

impl PartialEq<Text<'_>> for &str {
    #[inline]
    fn eq(&self, other: &Text<'_>) -> bool {
        *other == **self
    }
}

#[cfg(feature = "alloc")]
impl PartialEq<String> for Text<'_> {
    #[inline]
    fn eq(&self, other: &String) -> bool {
        *self == **other
    }
}

impl PartialEq for Text<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.chars().eq(other.chars())
    }
}

impl Eq for Text<'_> {}

impl fmt::Display for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.as_plain() {
            Some(plain) => f.pad(plain),
            None => self.chars().try_for_each(|c| f.write_char(c)),
        }
    }
}

impl fmt::Debug for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_char('"')?;
        self.chars()
            .flat_map(char::escape_debug)
            .try_for_each(|c| f.write_char(c))?;
        f.write_char('"')
    }
}

#[cfg(feature = "alloc")]
impl From<Text<'_>> for String {
    fn from(text: Text<'_>) -> Self {
        text.to_cow().into_owned()
    }
}

impl Serialize for Text<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.as_plain() {
            Some(plain) => serializer.serialize_str(plain),
            None => serializer.collect_str(self),
        }
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Text<'a> {
    #[inline]
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Raw;
        impl<'de> Visitor<'de> for Raw {
            type Value = Text<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string")
            }

            // Only our deserializer comes here, with the raw string.
            #[inline]
            fn visit_borrowed_str<E: de::Error>(self, raw: &'de str) -> Result<Text<'de>, E> {
                Ok(Text::from_raw(raw))
            }

            // Any other deserializer has unescaped already; plain text can be held, the rest cannot be put back.
            fn visit_newtype_struct<D: Deserializer<'de>>(
                self,
                other: D,
            ) -> Result<Text<'de>, D::Error> {
                let plain = <&'de str>::deserialize(other)?;
                if plain.bytes().any(|c| c == b'"' || c == b'\\' || c < 0x20) {
                    return Err(de::Error::custom(
                        "Text can only be read from Socket.IO arguments",
                    ));
                }
                Ok(Text::from_raw(plain))
            }
        }
        deserializer.deserialize_newtype_struct(Self::NEWTYPE, Raw)
    }
}

/// A short explanation inside an error. With `alloc` it is whole; without, it is cut off after about 46 bytes.
#[derive(Clone, PartialEq, Eq)]
pub struct Reason(Store);

#[cfg(feature = "alloc")]
type Store = Box<str>;

#[cfg(not(feature = "alloc"))]
type Store = crate::short::Short<46>;

impl Reason {
    /// Renders `message`.
    #[cold]
    #[cfg(feature = "alloc")]
    pub(crate) fn new(message: impl fmt::Display) -> Self {
        Self(alloc::format!("{message}").into_boxed_str())
    }

    /// Renders the front of `message`.
    #[cold]
    #[cfg(not(feature = "alloc"))]
    pub(crate) fn new(message: impl fmt::Display) -> Self {
        Self::render(&message)
    }

    /// Once for all types of messages.
    #[cold]
    #[cfg(not(feature = "alloc"))]
    #[inline(never)]
    fn render(message: &dyn fmt::Display) -> Self {
        let mut reason = Self(Store::EMPTY);
        // What does not fit is cut.
        let _ = write!(reason.0, "{message}");
        reason
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        #[cfg(feature = "alloc")]
        return &self.0;
        #[cfg(not(feature = "alloc"))]
        return self.0.as_str();
    }
}

impl core::ops::Deref for Reason {
    type Target = str;

    fn deref(&self) -> &str {
        self.as_str()
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl core::error::Error for Reason {}

impl fmt::Debug for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

#[cfg(test)]
mod tests {
    extern crate std;
    use std::{format, string::String};

    use super::*;

    const CASES: &[(&str, &str)] = &[
        ("", ""),
        ("plain", "plain"),
        ("é😀", "é😀"),
        (r#"a\"b\\c\/d"#, "a\"b\\c/d"),
        (r"\b\f\n\r\t", "\u{8}\u{c}\n\r\t"),
        (r"\u0041\u00e9\u20AC", "Aé€"),
        (r"\ud83d\ude00!", "😀!"),
        (r"x\uD83D\uDE00\uD83D\uDE00", "x😀😀"),
        (r"\ud83d", "\u{fffd}"),
        (r"\ud83dx", "\u{fffd}x"),
        (r"\ud83d\n", "\u{fffd}\n"),
        (r"\ud83d\ud83d\ude00", "\u{fffd}😀"),
        (r"\ude00\ud83d", "\u{fffd}\u{fffd}"),
        (r"\ud83d\u0041", "\u{fffd}A"),
        (r"\u0000", "\0"),
    ];

    #[test]
    fn unescapes_as_it_is_read() {
        for (raw, plain) in CASES {
            let text = Text::from_raw(raw);
            assert_eq!(text.chars().collect::<String>(), *plain, "{raw}");
            assert_eq!(format!("{text}"), *plain);
            assert_eq!(text.as_raw(), *raw);
            assert_eq!(text.as_plain(), (!raw.contains('\\')).then_some(*plain));
            assert_eq!(format!("{text:?}"), format!("{plain:?}"));
            let (low, high) = text.chars().size_hint();
            assert!(low <= plain.chars().count() && plain.chars().count() <= high.unwrap());
            #[cfg(feature = "alloc")]
            assert_eq!(text.to_cow(), *plain);
        }
        assert_eq!(format!("[{:>4}]", Text::from_raw("ab")), "[  ab]");
    }

    #[test]
    fn compares_with_plain_text_both_ways() {
        for (raw, plain) in CASES {
            for (other, wanted) in CASES {
                let text = Text::from_raw(raw);
                let equal = plain == wanted;
                assert_eq!(text == **wanted, equal, "{raw} {wanted}");
                assert_eq!(*wanted == text, equal);
                assert_eq!(text == Text::from_raw(other), equal);
            }
        }
        // As long, and the same bytes, but one is escaped.
        assert!(Text::from_raw(r"\n") != r"\n");
        assert!(Text::from_raw("ab") != "a" && Text::from_raw("a") != "ab");
    }

    #[test]
    fn copies_what_fits() {
        for (raw, plain) in CASES {
            let text = Text::from_raw(raw);
            let mut out = [0; 32];
            assert_eq!(text.len_utf8(), plain.len());
            assert_eq!(text.copy_to(&mut out), Some(*plain));
            assert_eq!(text.copy_to(&mut out[..plain.len()]), Some(*plain));
            if !plain.is_empty() {
                assert_eq!(text.copy_to(&mut out[..plain.len() - 1]), None);
            }
        }
    }

    #[test]
    fn broken_escapes_end_the_text() {
        for raw in [r"a\", r"a\u", r"a\u12", r"a\u12xy", r"a\ud800\u"] {
            assert!(Text::from_raw(raw).chars().count() <= 6);
        }
    }

    #[test]
    fn reasons_keep_their_front() {
        let reason = Reason::new(format_args!("{} {}", "short", 1));
        assert_eq!((reason.as_str(), &*reason), ("short 1", "short 1"));
        let long = Reason::new("é".repeat(100));
        let kept = if cfg!(feature = "alloc") { 100 } else { 23 };
        assert_eq!(long.as_str(), "é".repeat(kept));
    }
}
