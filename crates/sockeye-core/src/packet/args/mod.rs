//! The arguments of a received event or acknowledgement, decoded one by one straight into the user's types.
use core::fmt;

#[cfg(feature = "alloc")]
use alloc::vec::Vec;

use serde::Deserialize;

use crate::message::{message, write_message};
use crate::packet::attachments::Attachments;
use crate::packet::json::read::{DecodeError, JsonDe};
use crate::packet::json::{self, ArrayItems};
#[cfg(feature = "msgpack")]
use crate::packet::msgpack::PackedArgs;
use crate::packet::text::{Reason, Text};

/// Why an argument could not be read.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ArgsError {
    /// The peer sent fewer arguments, and the type does not take `null` for one (an `Option` does).
    Missing {
        /// Which argument, from 0.
        index: u32,
    },
    /// The argument is not of the type asked for.
    Invalid {
        /// Which argument, from 0.
        index: u32,
        /// What was expected, and what was found.
        reason: Reason,
    },
    /// The text is not exactly one JSON array.
    Json {
        /// The byte where the trouble is.
        at: u32,
        /// What the trouble is.
        reason: &'static str,
    },
    /// A `{"_placeholder":true}` whose `num` is not the number of an attachment.
    Placeholder,
}

impl fmt::Display for ArgsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing { index } => write_message!(
                f,
                "G1",
                "argument {index} is missing: the peer sent {index} (use an Option if it may be absent)",
                index
            ),
            Self::Invalid { index, reason } => {
                write_message!(f, "G2", "argument {index}: {reason}", index, reason)
            }
            Self::Json { at, reason } => write_message!(
                f,
                "G3",
                "the arguments are not a JSON array: {reason} (at byte {at})",
                reason,
                at
            ),
            Self::Placeholder => f.write_str(message!(
                "G4",
                "a binary placeholder in the arguments has no attachment: check its \"num\""
            )),
        }
    }
}

impl core::error::Error for ArgsError {}

/// Decodes one JSON value as arguments are decoded: for JSON that came with a packet outside of its arguments, such as the data of a refusal.
/// Everything that JavaScript sends can be read; see [`Args`].
///
/// ```
/// # use sockeye_core::packet::read_json;
/// let (code, who): (u32, &str) = read_json(r#"[7, "me"]"#)?;
/// assert_eq!((code, who), (7, "me"));
/// # Ok::<(), sockeye_core::packet::Reason>(())
/// ```
///
/// # Errors
/// What is wrong with the text, or why its value does not fit the type.
pub fn read_json<'a, T: Deserialize<'a>>(json: &'a str) -> Result<T, Reason> {
    json::check_value(json.as_bytes()).map_err(Reason::new)?;
    let mut de = JsonDe::new(json, 0, Attachments::EMPTY);
    T::deserialize(&mut de).map_err(DecodeError::into_reason)
}

/// Checks that `json` is one array all of whose placeholders have an attachment.
pub(super) fn check(json: &str, attachments: usize) -> Result<(), ArgsError> {
    if let Err(error) = json::scan_array(json.as_bytes()) {
        return Err(ArgsError::Json {
            at: error.offset(),
            reason: error.reason(),
        });
    }
    if json::check_placeholders(json.as_bytes(), attachments) {
        Ok(())
    } else {
        Err(ArgsError::Placeholder)
    }
}

/// The arguments of a received event (without its name) or acknowledgement: a JSON array and its binary attachments, borrowed.
///
/// Each argument is decoded on demand, straight from the receive buffer into the caller's type, which may borrow. [`parse`](Self::parse)
/// takes them all as a tuple, [`next`](Self::next) one after another.
///
/// ```
/// # use sockeye_core::packet::{Args, Attachments};
/// let args = Args::new(r#"["kitchen", 21.5, {"unit": "C"}]"#, Attachments::EMPTY)?;
/// let (room, degrees): (&str, f32) = args.parse()?;
/// assert_eq!((room, degrees), ("kitchen", 21.5));
/// # Ok::<(), sockeye_core::packet::ArgsError>(())
/// ```
///
/// As with handlers in JavaScript, arguments that nobody asks for are no error, and an absent one reads as `null`. (A server with
/// connection state recovery adds an offset as the last argument of its events.)
///
/// # Protocol
/// The data of `EVENT` (`2["name",a,b]`), `BINARY_EVENT` (`51-["name",{"_placeholder":true,"num":0}]` and then one binary message), `ACK`
/// and `BINARY_ACK` packets, in Socket.IO protocol 5. The JSON nests at most 512 levels inside an argument (64
/// without `alloc`): deeper packets are refused.
///
/// # Types
/// Everything that implements serde's [`Deserialize`] by serde_json's conventions. Numbers, bools, `&str`, [`Text`] and borrowed structs
/// are decoded without allocation. A `&str` field fails if the text contains an escape such as `\n` or `\"`, as in serde_json: there, use
/// [`Text`], or (`alloc`) `String` or `Cow<str>`. Without `alloc`, types that copy a string (such as `heapless::String`) take escaped
/// strings up to 256 bytes.
///
/// Binary values are read by `Bin` and `Value` (`alloc`), [`BinRef`](super::BinRef), `&[u8]`, and any type that asks for bytes
/// (`serde_bytes`, `bytes::Bytes`), at any depth. A type that cannot hold them, such as `Vec<u8>`, `serde_json::Value` or a struct, is an
/// error. (A `String` takes bytes where serde buffers a value first: in an untagged enum the binary variant comes first.)
///
/// Half of a surrogate pair, which JavaScript sends when it cuts an emoji in two, is read as U+FFFD. A number that no `f64` (or `f32`) can
/// hold, such as `1e400`, is an error where one is asked for; types that take any value see an infinite one, as JavaScript does.
/// [`raw`](Self::raw) shows every argument as it came.
///
/// # MessagePack
/// With `Parser::MessagePack` (feature `msgpack`) arguments are read where they lie in the packet, to the same effect: text is made
/// only of those that are looked at as text ([`json`](Self::json), [`raw`](Self::raw), [`attachments`](Self::attachments), `Debug`, `==`, a
/// [`ValueRef`](super::ValueRef), a [`Text`] with an escape, a `RawValue`), and what is read behind one in such a way is read from the text
/// as well. Strings are borrowed whatever is in them. Floats that are not finite are themselves; in the text they are `null`.
#[derive(Clone, Copy)]
pub struct Args<'a> {
    form: Form<'a>,
    /// Before the next argument, or before its comma.
    at: usize,
    /// The next argument's number.
    index: u32,
}

/// As what arguments lie there.
#[derive(Clone, Copy)]
enum Form<'a> {
    Text {
        /// A valid array from bracket to bracket.
        json: &'a str,
        attachments: Attachments<'a>,
    },
    #[cfg(feature = "msgpack")]
    Packed(PackedArgs<'a>),
}

impl Form<'_> {
    /// Where the first argument is.
    #[inline]
    const fn start(&self) -> usize {
        match self {
            Self::Text { .. } => 1,
            #[cfg(feature = "msgpack")]
            Self::Packed(_) => 0,
        }
    }
}

impl<'a> Args<'a> {
    /// Takes a JSON array and the attachments its placeholders refer to.
    ///
    /// # Errors
    /// [`ArgsError::Json`] if `json` is not exactly one JSON array, [`ArgsError::Placeholder`] if one of its placeholders has no attachment.
    pub fn new(json: &'a str, attachments: Attachments<'a>) -> Result<Self, ArgsError> {
        check(json, attachments.len())?;
        Ok(Self::trusted(json.trim_ascii(), attachments))
    }

    /// `json` has been checked and begins and ends with its brackets.
    #[inline]
    pub(crate) const fn trusted(json: &'a str, attachments: Attachments<'a>) -> Self {
        Self {
            form: Form::Text { json, attachments },
            at: 1,
            index: 0,
        }
    }

    /// Takes a JSON array that came from [`json`](Self::json) before, and so is known to be one: for drivers that
    /// carry events to another task. Another text gives wrong arguments or errors, never a panic.
    #[inline]
    pub const fn from_checked(json: &'a str, attachments: Attachments<'a>) -> Self {
        Self::trusted(json, attachments)
    }

    /// No arguments.
    pub const EMPTY: Self = Self::trusted("[]", Attachments::EMPTY);

    /// Text and attachments: of arguments in MessagePack they are made now, if nobody has asked for them before.
    #[inline]
    fn text(&self) -> (&'a str, Attachments<'a>) {
        match self.form {
            Form::Text { json, attachments } => (json, attachments),
            #[cfg(feature = "msgpack")]
            Form::Packed(packed) => packed.text(),
        }
    }

    /// All the arguments as a JSON array. (Of arguments that came in MessagePack it is made when it is asked for.)
    #[inline]
    pub fn json(&self) -> &'a str {
        self.text().0
    }

    /// What the placeholders in the arguments refer to.
    #[inline]
    pub fn attachments(&self) -> Attachments<'a> {
        self.text().1
    }

    /// How many arguments there are, read ones included. Walks over them.
    pub fn len(&self) -> usize {
        match self.form {
            Form::Text { json, .. } => json::array_items(json).count(),
            #[cfg(feature = "msgpack")]
            Form::Packed(packed) => packed.count as usize,
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        match self.form {
            Form::Text { json, .. } => json::array_items(json).next().is_none(),
            #[cfg(feature = "msgpack")]
            Form::Packed(packed) => packed.count == 0,
        }
    }

    /// The JSON text of argument `n`, from 0.
    pub fn raw(&self, n: usize) -> Option<&'a str> {
        self.iter_raw().nth(n)
    }

    /// The JSON text of every argument.
    pub fn iter_raw(&self) -> impl Iterator<Item = &'a str> + use<'a> {
        json::array_items(self.json())
    }

    /// The JSON text of the next argument, if there is one.
    pub fn next_raw(&mut self) -> Option<&'a str> {
        #[cfg(feature = "msgpack")]
        self.become_text();
        let mut items = ArrayItems::resume(self.json(), self.at);
        let raw = items.next();
        self.at = items.position();
        self.index += u32::from(raw.is_some());
        raw
    }

    /// Passes over the next argument; whether there was one.
    pub fn skip_next(&mut self) -> bool {
        match self.form {
            Form::Text { .. } => self.next_raw().is_some(),
            #[cfg(feature = "msgpack")]
            Form::Packed(packed) => self.skip_packed(packed),
        }
    }

    /// The next argument as a string, escaped or not, without allocation.
    ///
    /// # Errors
    /// As [`next`](Self::next).
    pub fn next_text(&mut self) -> Result<Text<'a>, ArgsError> {
        self.next()
    }

    /// Whether there is a next argument.
    #[cfg(feature = "alloc")]
    fn has_next(&self) -> bool {
        match self.form {
            Form::Text { json, .. } => ArrayItems::resume(json, self.at).seek().is_some(),
            #[cfg(feature = "msgpack")]
            Form::Packed(packed) => self.index < packed.count,
        }
    }

    /// Decodes the next argument. One that the peer did not send reads as `null`. After an error the following argument is next.
    ///
    /// See the type's documentation for which types borrow, and for strings with escapes.
    ///
    /// # Errors
    /// [`ArgsError::Missing`], or [`ArgsError::Invalid`] with what was expected and what was found.
    // An iterator cannot yield what the caller asks for.
    #[allow(clippy::should_implement_trait)]
    #[inline]
    pub fn next<T: Deserialize<'a>>(&mut self) -> Result<T, ArgsError> {
        let (json, attachments) = match self.form {
            Form::Text { json, attachments } => (json, attachments),
            #[cfg(feature = "msgpack")]
            Form::Packed(packed) => return self.next_packed(packed),
        };
        let mut items = ArrayItems::resume(json, self.at);
        let index = self.index;
        let Some(start) = items.seek() else {
            self.at = items.position();
            return missing(index);
        };
        self.index += 1;
        let mut de = JsonDe::new(json, start, attachments);
        match T::deserialize(&mut de) {
            Ok(value) => {
                self.at = de.position();
                if self.at == start {
                    // A type that made itself without looking at the argument.
                    self.at = skip(json, start);
                }
                Ok(value)
            }
            Err(error) => {
                self.at = skip(json, start);
                Err(ArgsError::Invalid {
                    index,
                    reason: error.into_reason(),
                })
            }
        }
    }

    /// Decodes all the arguments, from the first one on, as a tuple of up to twelve types. Further arguments are ignored.
    ///
    /// # Errors
    /// As [`next`](Self::next), for the first argument that fails.
    #[inline]
    pub fn parse<T: FromArgs<'a>>(&self) -> Result<T, ArgsError> {
        T::from_args(&mut Self {
            form: self.form,
            at: self.form.start(),
            index: 0,
        })
    }
}

/// What a type makes of an argument that the peer did not send.
#[inline]
fn missing<'a, T: Deserialize<'a>>(index: u32) -> Result<T, ArgsError> {
    let mut null = JsonDe::new("null", 0, Attachments::EMPTY);
    T::deserialize(&mut null).map_err(|_| ArgsError::Missing { index })
}

#[cold]
fn skip(json: &str, start: usize) -> usize {
    json::skip_value(json.as_bytes(), start).unwrap_or(json.len())
}

/// How they were sent says nothing about what they are.
impl fmt::Debug for Args<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (json, attachments) = self.text();
        f.debug_struct("Args")
            .field("json", &json)
            .field("attachments", &attachments)
            .field("index", &self.index)
            .finish()
    }
}

impl Default for Args<'_> {
    fn default() -> Self {
        Self::EMPTY
    }
}

/// Two are equal if their text and attachments are, however far they have been read.
impl PartialEq for Args<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.text() == other.text()
    }
}

/// The types that a whole list of arguments decodes into: tuples of up to twelve, and (`alloc`) a `Vec` of all arguments, however many, as of
/// one type (`Vec<Value>`).
///
/// ```
/// # use sockeye_core::packet::{Args, Attachments, FromArgs};
/// let args = Args::new(r#"[1, true]"#, Attachments::EMPTY)?;
/// assert_eq!(<(u8, bool, Option<u8>)>::from_args(&mut { args })?, (1, true, None));
/// # Ok::<(), sockeye_core::packet::ArgsError>(())
/// ```
#[diagnostic::on_unimplemented(
    message = "the arguments of an event cannot be read as `{Self}`",
    label = "arguments are a tuple",
    note = "a single argument is a tuple too: `(T,)`; every element must implement `serde::Deserialize`"
)]
pub trait FromArgs<'a>: Sized {
    /// Decodes from the next argument on.
    ///
    /// # Errors
    /// As [`Args::next`], for the first argument that fails.
    fn from_args(args: &mut Args<'a>) -> Result<Self, ArgsError>;
}

/// Arguments that own what they hold, so that a handler or an answer may keep them: `String`, not `&str`.
///
/// Every [`FromArgs`] without a borrow is one; there is nothing to implement. Its name is what the compiler says where
/// something borrowed is asked for: "implementation of `OwnedArgs` is not general enough".
pub trait OwnedArgs<'a>: FromArgs<'a> {}

impl<'a, A: FromArgs<'a>> OwnedArgs<'a> for A {}

impl<'a> FromArgs<'a> for () {
    #[inline]
    fn from_args(_: &mut Args<'a>) -> Result<Self, ArgsError> {
        Ok(())
    }
}

impl<'a> FromArgs<'a> for Args<'a> {
    #[inline]
    fn from_args(args: &mut Self) -> Result<Self, ArgsError> {
        Ok(*args)
    }
}

#[cfg(feature = "alloc")]
impl<'a, T: Deserialize<'a>> FromArgs<'a> for Vec<T> {
    fn from_args(args: &mut Args<'a>) -> Result<Self, ArgsError> {
        let mut values = Self::new();
        while args.has_next() {
            values.push(args.next()?);
        }
        Ok(values)
    }
}

macro_rules! from_tuple {
    ($first:ident $($name:ident)*) => {
        from_tuple!($($name)*);
        impl<'a, $first: Deserialize<'a>, $($name: Deserialize<'a>,)*> FromArgs<'a> for ($first, $($name,)*) {
            #[inline]
            fn from_args(args: &mut Args<'a>) -> Result<Self, ArgsError> {
                Ok((args.next::<$first>()?, $(args.next::<$name>()?,)*))
            }
        }
    };
    () => {};
}

from_tuple!(A B C D E F G H I J K L);

#[cfg(feature = "msgpack")]
mod packed;
#[cfg(test)]
pub(super) mod tests;
