//! Ids that servers give: of sessions, of sockets, of what recovery needs.

use core::fmt;

use crate::limits::ID_MAX;
use crate::packet::Text;

#[cfg(feature = "alloc")]
type Store = alloc::string::String;
#[cfg(not(feature = "alloc"))]
type Store = crate::short::Short<ID_MAX>;

/// Any JSON string can be an id. At most [`ID_MAX`] bytes of UTF-8 are kept; a longer one is told, not cut.
#[derive(Clone, Default, PartialEq)]
pub(crate) struct Id(Store);

impl Id {
    #[cfg(feature = "alloc")]
    pub(crate) const EMPTY: Self = Self(Store::new());
    #[cfg(not(feature = "alloc"))]
    pub(crate) const EMPTY: Self = Self(Store::EMPTY);

    /// `None` if it is too long.
    #[cfg(test)]
    pub(crate) fn read(text: Text<'_>) -> Option<Self> {
        let mut id = Self::EMPTY;
        id.set(text).then_some(id)
    }

    /// Takes another text on; whether it fits (if not, the id is empty). Its memory is used again.
    pub(crate) fn set(&mut self, text: Text<'_>) -> bool {
        self.0.clear();
        let mut buf = [0; 4];
        let mut len = 0;
        for part in text.chars() {
            let part = part.encode_utf8(&mut buf);
            len += part.len();
            if len > ID_MAX {
                self.0.clear();
                return false;
            }
            self.0.push_str(part);
        }
        true
    }

    /// The parts behind one another; `None` if that is too long.
    #[cfg(feature = "eio3")]
    pub(crate) fn join(parts: &[&str]) -> Option<Self> {
        let mut id = Self::EMPTY;
        if parts.iter().map(|part| part.len()).sum::<usize>() > ID_MAX {
            return None;
        }
        for part in parts {
            id.0.push_str(part);
        }
        Some(id)
    }

    /// Keeps what stands between the quotes of a JSON string as it is, to give it back as it came; whether it fits (if
    /// not, nothing is kept).
    #[cfg(feature = "recovery")]
    pub(crate) fn set_raw(&mut self, raw: &str) -> bool {
        self.0.clear();
        let fits = raw.len() <= ID_MAX;
        if fits {
            self.0.push_str(raw);
        }
        fits
    }

    pub(crate) fn as_str(&self) -> &str {
        self.0.as_str()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }
}

impl fmt::Debug for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::packet::json;

    #[test]
    fn any_json_string_is_an_id_up_to_a_bound() {
        for (raw, text) in [
            (r#""ab/c==""#, "ab/c=="),
            (r#""ab\/c\u003d\u003D""#, "ab/c=="),
            (r#""\ud83d\ude00 \u002B\u00e4""#, "😀 +ä"),
            (r#""\ud83d""#, "\u{fffd}"),
            (r#""""#, ""),
        ] {
            let id = json::as_str(raw).and_then(Id::read);
            assert_eq!(id.as_ref().map(Id::as_str), Some(text));
        }
        let long = [b'x'; ID_MAX + 1];
        let long = core::str::from_utf8(&long).unwrap();
        assert!(Id::read(Text::from_raw(long)).is_none());
        assert!(Id::read(Text::from_raw(&long[1..])).is_some());
    }
}
