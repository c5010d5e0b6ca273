//! The binary attachments of a packet, where they were received.
use core::fmt;
use core::ops::Deref;

#[cfg(feature = "alloc")]
use alloc::vec::Vec;

use crate::features::BINARY;

use serde::de::{self, Deserialize, Deserializer, Visitor};
use serde::ser::{Serialize, Serializer};

/// The binary attachments of one packet, in the order of their placeholders' numbers. Borrowed from the receive buffer.
///
/// In the protocol they are the binary messages that follow a `BINARY_EVENT` or `BINARY_ACK` packet; the arguments refer to them by
/// `{"_placeholder":true,"num":n}`.
#[derive(Clone, Copy, Default)]
pub struct Attachments<'a> {
    /// Each one as `[length: u32, little endian][bytes]`, end to end.
    records: &'a [u8],
    count: u32,
}

impl<'a> Attachments<'a> {
    /// No attachments.
    pub const EMPTY: Self = Self {
        records: &[],
        count: 0,
    };

    /// `records` holds `count` times a length (`u32`, little endian) and so many bytes.
    #[inline]
    pub(crate) const fn new(records: &'a [u8], count: usize) -> Self {
        Self {
            records: if BINARY { records } else { &[] },
            count: if BINARY { count as u32 } else { 0 },
        }
    }

    /// Attachments that lie as `[length: u32, little endian][bytes]`, end to end: for drivers that keep packets before
    /// they hand them to the core. `None` if `records` is not `count` such records, and for any without the feature
    /// `binary`.
    pub fn from_records(records: &'a [u8], count: usize) -> Option<Self> {
        if !BINARY {
            return (records.is_empty() && count == 0).then_some(Self::EMPTY);
        }
        let attachments = Self::new(records, count);
        let bytes: usize = attachments.iter().map(|bytes| bytes.len() + 4).sum();
        (attachments.iter().count() == count && bytes == records.len()).then_some(attachments)
    }

    /// The records behind it, as [`from_records`](Self::from_records) takes them.
    pub const fn as_records(&self) -> &'a [u8] {
        if BINARY { self.records } else { &[] }
    }

    /// How many there are.
    #[inline]
    pub const fn len(&self) -> usize {
        if BINARY { self.count as usize } else { 0 }
    }

    /// Whether there are none, as with every packet that is all text.
    #[inline]
    pub const fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The bytes for placeholder number `n`. Walks over the ones before it.
    #[inline]
    pub fn get(&self, n: usize) -> Option<&'a [u8]> {
        self.iter().nth(n)
    }

    /// The attachments in order.
    #[inline]
    pub const fn iter(&self) -> AttachmentsIter<'a> {
        AttachmentsIter { left: *self }
    }
}

/// Iterates over [`Attachments`].
#[derive(Clone)]
pub struct AttachmentsIter<'a> {
    left: Attachments<'a>,
}

impl<'a> Iterator for AttachmentsIter<'a> {
    type Item = &'a [u8];

    #[inline]
    fn next(&mut self) -> Option<&'a [u8]> {
        if !BINARY {
            return None;
        }
        self.left.count = self.left.count.checked_sub(1)?;
        let (len, rest) = self.left.records.split_first_chunk()?;
        let (bytes, rest) = rest.split_at_checked(u32::from_le_bytes(*len) as usize)?;
        self.left.records = rest;
        Some(bytes)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (0, Some(self.left.len()))
    }
}

impl<'a> IntoIterator for Attachments<'a> {
    type Item = &'a [u8];
    type IntoIter = AttachmentsIter<'a>;

    fn into_iter(self) -> AttachmentsIter<'a> {
        self.iter()
    }
}

impl<'a> IntoIterator for &Attachments<'a> {
    type Item = &'a [u8];
    type IntoIter = AttachmentsIter<'a>;

    fn into_iter(self) -> AttachmentsIter<'a> {
        self.iter()
    }
}

impl PartialEq for Attachments<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other)
    }
}

impl Eq for Attachments<'_> {}

impl fmt::Debug for Attachments<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

impl fmt::Debug for AttachmentsIter<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.left.fmt(f)
    }
}

/// Binary data to send or receive: an attachment of the packet, not part of its JSON.
///
/// May stand anywhere in the arguments: alone, in structs, maps, lists or enums. In the JSON a placeholder takes its place, and the bytes
/// follow in a message of their own. In other formats than Socket.IO's it is what serde makes of bytes.
///
/// A `serde_json::Value` cannot hold it, and would hold a list of numbers: `serde_json::to_value` fails for it, and `serde_json::json!`
/// panics, with a message that names the way. The [`json!`](crate::json!) of this crate and its [`Value`](super::Value) hold binary data.
#[cfg(feature = "alloc")]
#[derive(Clone, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Bin(pub Vec<u8>);

/// Borrowed binary data to send or receive, in every tier: an attachment of the packet, not part of its JSON.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct BinRef<'a>(pub &'a [u8]);

/// Whether `S` makes a `serde_json::Value`, which cannot hold bytes: it would hold a list of numbers, and this would be sent. Other formats
/// make of bytes what they make of bytes, `serde_json::to_string` for a log included. There is no other mark of it than its name; a test
/// watches over that.
#[cfg(feature = "alloc")]
#[inline]
fn is_to_value<S>() -> bool {
    core::any::type_name::<S>() == "serde_json::value::ser::Serializer"
}

#[cfg(feature = "alloc")]
const NO_BINARY: &str = "binary data does not fit a serde_json::Value: make the value with sockeye's json! or as a sockeye Value";

macro_rules! bin {
    ($(#[$when:meta])? $name:ty) => {
        $(#[$when])?
        impl Serialize for $name {
            #[inline]
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                #[cfg(feature = "alloc")]
                if is_to_value::<S>() {
                    return Err(serde::ser::Error::custom(NO_BINARY));
                }
                serializer.serialize_bytes(&self.0)
            }
        }

        $(#[$when])?
        impl Deref for $name {
            type Target = [u8];

            #[inline]
            fn deref(&self) -> &[u8] {
                &self.0
            }
        }

        $(#[$when])?
        impl AsRef<[u8]> for $name {
            #[inline]
            fn as_ref(&self) -> &[u8] {
                &self.0
            }
        }

        $(#[$when])?
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({} bytes)", stringify!($name).split('<').next().unwrap_or(""), self.0.len())
            }
        }
    };
}

bin!(
    #[cfg(feature = "alloc")]
    Bin
);
bin!(BinRef<'_>);

#[cfg(feature = "alloc")]
impl From<Vec<u8>> for Bin {
    fn from(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }
}

#[cfg(feature = "alloc")]
impl From<&[u8]> for Bin {
    fn from(bytes: &[u8]) -> Self {
        Self(bytes.into())
    }
}

#[cfg(feature = "alloc")]
impl<const N: usize> From<[u8; N]> for Bin {
    fn from(bytes: [u8; N]) -> Self {
        Self(bytes.into())
    }
}

#[cfg(feature = "alloc")]
impl<const N: usize> From<&[u8; N]> for Bin {
    fn from(bytes: &[u8; N]) -> Self {
        Self(bytes.into())
    }
}

#[cfg(feature = "alloc")]
impl From<BinRef<'_>> for Bin {
    fn from(bytes: BinRef<'_>) -> Self {
        Self(bytes.0.into())
    }
}

#[cfg(feature = "alloc")]
impl From<Bin> for Vec<u8> {
    fn from(bin: Bin) -> Self {
        bin.0
    }
}

#[cfg(feature = "alloc")]
impl core::ops::DerefMut for Bin {
    fn deref_mut(&mut self) -> &mut [u8] {
        &mut self.0
    }
}

impl<'a> From<&'a [u8]> for BinRef<'a> {
    fn from(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }
}

impl<'a, const N: usize> From<&'a [u8; N]> for BinRef<'a> {
    fn from(bytes: &'a [u8; N]) -> Self {
        Self(bytes)
    }
}

#[cfg(feature = "alloc")]
impl<'a> From<&'a Bin> for BinRef<'a> {
    fn from(bin: &'a Bin) -> Self {
        Self(&bin.0)
    }
}

#[cfg(feature = "alloc")]
impl<'de> Deserialize<'de> for Bin {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Bytes;
        impl<'de> Visitor<'de> for Bytes {
            type Value = Bin;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("binary data")
            }

            fn visit_bytes<E: de::Error>(self, bytes: &[u8]) -> Result<Bin, E> {
                Ok(Bin(bytes.into()))
            }

            fn visit_byte_buf<E: de::Error>(self, bytes: Vec<u8>) -> Result<Bin, E> {
                Ok(Bin(bytes))
            }
        }
        deserializer.deserialize_byte_buf(Bytes)
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for BinRef<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Bytes;
        impl<'de> Visitor<'de> for Bytes {
            type Value = BinRef<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("binary data")
            }

            fn visit_borrowed_bytes<E: de::Error>(
                self,
                bytes: &'de [u8],
            ) -> Result<BinRef<'de>, E> {
                Ok(BinRef(bytes))
            }
        }
        deserializer.deserialize_bytes(Bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RECORDS: &[u8] = b"\x02\0\0\0hi\0\0\0\0\x03\0\0\0abc";

    #[test]
    fn reads_records_in_order() {
        let all = Attachments::new(RECORDS, 3);
        assert_eq!((all.len(), all.is_empty()), (3, false));
        assert_eq!(all.get(0), Some(&b"hi"[..]));
        assert_eq!(all.get(1), Some(&b""[..]));
        assert_eq!(all.get(2), Some(&b"abc"[..]));
        assert_eq!(all.get(3), None);
        assert_eq!(all.iter().map(<[u8]>::len).sum::<usize>(), 5);
        assert_eq!(Attachments::EMPTY.get(0), None);
        assert!(Attachments::EMPTY.is_empty());
    }

    #[test]
    fn records_can_be_kept_and_given_back() {
        let all = Attachments::from_records(RECORDS, 3).unwrap();
        assert_eq!(
            Attachments::from_records(all.as_records(), all.len()),
            Some(all)
        );
        for wrong in [2, 4] {
            assert_eq!(Attachments::from_records(RECORDS, wrong), None);
        }
        assert_eq!(Attachments::from_records(&RECORDS[1..], 3), None);
        assert_eq!(Attachments::from_records(&[], 0), Some(Attachments::EMPTY));
    }

    #[test]
    fn truncated_records_end_the_walk() {
        for cut in 0..RECORDS.len() {
            let cut = Attachments::new(&RECORDS[..cut], 3);
            assert!(cut.iter().count() < 3);
        }
    }
}
