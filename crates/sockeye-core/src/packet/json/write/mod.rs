//! Arguments to JSON, with binary values lifted out into attachments.
//!
//! One serializer serves every tier and both kinds of output (a growing `Vec`, or a slice): what goes through `serialize_bytes`, at
//! any depth, becomes `{"_placeholder":true,"num":n}` and is handed to the caller, numbered in depth-first order as the protocol wants.
use core::fmt::{self, Write};

#[cfg(feature = "alloc")]
use alloc::{boxed::Box, vec::Vec};

use serde::ser::{self, Serialize};

use crate::message::{message, write_message};
#[cfg(feature = "alloc")]
pub use crate::packet::attachments::Bin;
pub use crate::packet::attachments::BinRef;
use crate::packet::json;
use crate::packet::text::Reason;
use crate::slices;

mod compound;
mod emit;
mod number;
mod sink;

use compound::Compound;
pub use emit::{EmitArgs, RawArgs};
use sink::Slice;
pub use sink::{Edge, Sink};

/// Why arguments could not be encoded. Nothing of them is kept then.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum EncodeError {
    /// The packet does not fit in the space there is for it.
    BufferTooSmall,
    /// More binary values than a packet may carry.
    TooManyAttachments {
        /// How many it may carry.
        limit: usize,
    },
    /// A `Serialize` implementation refused, or asked for what JSON cannot say (a map key that is no string, number or bool).
    Serialize(Reason),
}

impl fmt::Display for EncodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BufferTooSmall => f.write_str(message!(
                "S1",
                "the packet does not fit in its buffer: send less, or configure more room"
            )),
            Self::TooManyAttachments { limit } => {
                write_message!(
                    f,
                    "S2",
                    "more than {limit} binary values in one packet: servers drop the connection over that",
                    limit
                )
            }
            Self::Serialize(reason) => {
                write_message!(
                    f,
                    "S3",
                    "the arguments cannot be written as JSON: {reason}",
                    reason
                )
            }
        }
    }
}

impl core::error::Error for EncodeError {}

/// Appends `["event",a,b]`, or `[a,b]` without an event name (an acknowledgement), to `json`, and gives every binary value to `attach` in
/// the order of its placeholder's number. Answers with the number of binary values.
///
/// The same arguments always give the same bytes. Nothing is allocated but room in `json`.
///
/// # Errors
/// Any [`EncodeError`], also one that `attach` gave back; `json` is then as long as before.
#[cfg(feature = "alloc")]
#[inline]
pub fn encode_args_to_vec<A: EmitArgs + ?Sized>(
    prefix_event: Option<&str>,
    args: &A,
    json: &mut Vec<u8>,
    attach: &mut dyn FnMut(&[u8]) -> Result<(), EncodeError>,
) -> Result<usize, EncodeError> {
    let before = json.len();
    let done = ArgsWriter::run(prefix_event, args, json, attach);
    if done.is_err() {
        json.truncate(before);
    }
    done
}

/// As `encode_args_to_vec`, to the front of `out`. Answers with the number of bytes and of binary values.
///
/// # Errors
/// Any [`EncodeError`], also one that `attach` gave back; what `out` holds is then of no use.
#[inline]
pub fn encode_args_to_slice<A: EmitArgs + ?Sized>(
    prefix_event: Option<&str>,
    args: &A,
    out: &mut [u8],
    attach: &mut dyn FnMut(&[u8]) -> Result<(), EncodeError>,
) -> Result<(usize, usize), EncodeError> {
    let mut slice = Slice { out, len: 0 };
    let count = ArgsWriter::run(prefix_event, args, &mut slice, attach)?;
    Ok((slice.len, count))
}

/// What the serializer passes up. Small, because every value returns it; the whole story is noted beside it.
#[derive(Debug)]
#[doc(hidden)]
pub enum Fail {
    /// The [`EncodeError`] is in the writer.
    Noted,
    /// What an implementation of `Serialize` said.
    #[cfg(feature = "alloc")]
    Custom(Box<Reason>),
    /// An implementation of `Serialize` refused.
    #[cfg(not(feature = "alloc"))]
    Custom,
    /// A map key that is neither string nor number nor bool.
    Key,
}

impl fmt::Display for Fail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("encoding failed")
    }
}

impl ser::StdError for Fail {}

impl ser::Error for Fail {
    #[cold]
    #[cfg(feature = "alloc")]
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self::Custom(Box::new(Reason::new(message)))
    }

    #[cold]
    #[cfg(not(feature = "alloc"))]
    fn custom<T: fmt::Display>(_: T) -> Self {
        Self::Custom
    }
}

impl Fail {
    #[cold]
    pub(in crate::packet) fn into_error(self) -> EncodeError {
        match self {
            Self::Noted => EncodeError::BufferTooSmall,
            #[cfg(feature = "alloc")]
            Self::Custom(reason) => EncodeError::Serialize(*reason),
            #[cfg(not(feature = "alloc"))]
            Self::Custom => EncodeError::Serialize(Reason::new(message!(
                "S4",
                "a value refused to be serialized"
            ))),
            Self::Key => EncodeError::Serialize(Reason::new(message!(
                "S5",
                "a map key must be a string, number or bool"
            ))),
        }
    }
}

/// Takes each binary value in turn.
type Attach<'s> = dyn FnMut(&[u8]) -> Result<(), EncodeError> + 's;

/// Writes one packet's array. [`EmitArgs`] gives it the arguments.
#[doc(hidden)]
pub struct ArgsWriter<'s, S> {
    out: &'s mut S,
    attach: &'s mut Attach<'s>,
    attached: usize,
    noted: Option<EncodeError>,
    /// Goes in front of the next argument.
    lead: &'static [u8],
}

impl<'s, S: Sink> ArgsWriter<'s, S> {
    /// Writes the array; the answer is the number of attachments.
    #[inline]
    fn run<A: EmitArgs + ?Sized>(
        event: Option<&str>,
        args: &A,
        out: &'s mut S,
        attach: &'s mut Attach<'s>,
    ) -> Result<usize, EncodeError> {
        let mut writer = Self {
            out,
            attach,
            attached: 0,
            noted: None,
            lead: b"[",
        };
        let done = writer.array(event, args);
        match done {
            Ok(()) => Ok(writer.attached),
            Err(fail) => Err(writer.explain(fail)),
        }
    }

    #[inline]
    fn array<A: EmitArgs + ?Sized>(&mut self, event: Option<&str>, args: &A) -> Result<(), Fail> {
        if let Some(event) = event {
            self.put(b"[")?;
            self.text(event)?;
            self.lead = b",";
        }
        args.write_to(self)?;
        if event.is_none() && self.lead == b"[" {
            return self.put(b"[]");
        }
        self.put(b"]")
    }

    #[cold]
    fn explain(&mut self, fail: Fail) -> EncodeError {
        match fail {
            Fail::Noted => self.noted.take().unwrap_or(EncodeError::BufferTooSmall),
            fail => fail.into_error(),
        }
    }

    /// Writes one argument.
    #[inline]
    fn arg<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Fail> {
        #[cfg(feature = "msgpack")]
        if let Some(packed) = self.out.pack(value) {
            return packed;
        }
        self.put(self.lead)?;
        self.lead = b",";
        value.serialize(self)
    }

    /// Writes arguments that are JSON already, as a whole array, with what its placeholders refer to.
    fn raw<'b>(
        &mut self,
        array: &str,
        #[cfg_attr(not(feature = "msgpack"), allow(unused_mut))] mut attachments: impl Iterator<
            Item = &'b [u8],
        >,
    ) -> Result<(), Fail> {
        #[cfg(feature = "msgpack")]
        if let Some(packed) = self.out.pack_json(array, &mut attachments) {
            return packed;
        }
        let inner = array.trim_ascii();
        let inner = inner[1..inner.len().max(2) - 1].trim_ascii();
        if !inner.is_empty() {
            self.put(self.lead)?;
            self.lead = b",";
            self.put(inner.as_bytes())?;
        }
        for bytes in attachments {
            self.attach(bytes)?;
        }
        Ok(())
    }

    /// Writes arguments that are in MessagePack already, if they can stay so.
    #[cfg(feature = "msgpack")]
    fn items(&mut self, items: &[u8], count: u32, binaries: usize) -> Option<Result<(), Fail>> {
        self.out.pack_items(items, count, binaries)
    }

    #[inline(always)]
    fn put(&mut self, bytes: &[u8]) -> Result<(), Fail> {
        if self.out.put(bytes) {
            Ok(())
        } else {
            self.full()
        }
    }

    #[cold]
    fn full(&mut self) -> Result<(), Fail> {
        self.note(EncodeError::BufferTooSmall)
    }

    #[cold]
    fn note(&mut self, error: EncodeError) -> Result<(), Fail> {
        self.noted = Some(error);
        Err(Fail::Noted)
    }

    fn attach(&mut self, bytes: &[u8]) -> Result<(), Fail> {
        if let Err(error) = (self.attach)(bytes) {
            return self.note(error);
        }
        self.attached += 1;
        Ok(())
    }

    /// A string with its quotes.
    #[cfg_attr(feature = "alloc", inline(always))]
    #[cfg_attr(not(feature = "alloc"), inline)]
    fn text(&mut self, text: &str) -> Result<(), Fail> {
        self.text_between(Edge::one(b"\""), text, Edge::one(b"\""))
    }

    /// A string in its quotes, which come with `before` and `after`.
    #[cfg_attr(feature = "alloc", inline(always))]
    #[cfg_attr(not(feature = "alloc"), inline(never))]
    fn text_between(&mut self, before: Edge, text: &str, after: Edge) -> Result<(), Fail> {
        match self.out.put_text(before, text.as_bytes(), after) {
            Some(true) => Ok(()),
            Some(false) => self.full(),
            None => self.escaped_between(before, text, after),
        }
    }

    /// The same of a text that needs escapes. (On small processors by itself: the short way then needs no room on the stack.)
    #[cfg_attr(feature = "alloc", inline(always))]
    #[cfg_attr(not(feature = "alloc"), cold, inline(never))]
    fn escaped_between(&mut self, before: Edge, text: &str, after: Edge) -> Result<(), Fail> {
        self.put(before.bytes())?;
        self.escaped(text)?;
        self.put(after.bytes())
    }

    /// The inside of a string that needs escapes.
    #[cold]
    fn escaped(&mut self, text: &str) -> Result<(), Fail> {
        let text = text.as_bytes();
        let plain = json::find_special(text, 0);
        self.put(slices::front(text, plain))?;
        self.escape_rest(slices::part(text, plain, text.len()))
    }

    /// `rest` begins with a byte that needs an escape.
    fn escape_rest(&mut self, mut rest: &[u8]) -> Result<(), Fail> {
        while let Some((&c, tail)) = rest.split_first() {
            let short = match c {
                b'"' | b'\\' => c,
                b'\n' => b'n',
                b'\r' => b'r',
                b'\t' => b't',
                8 => b'b',
                12 => b'f',
                _ => 0,
            };
            if short != 0 {
                self.put(&[b'\\', short])?;
            } else {
                let digit = |n: u8| b"0123456789abcdef"[usize::from(n & 15)];
                self.put(&[b'\\', b'u', b'0', b'0', digit(c >> 4), digit(c)])?;
            }
            let plain = json::find_special(tail, 0);
            self.put(slices::front(tail, plain))?;
            rest = slices::part(tail, plain, tail.len());
        }
        Ok(())
    }

    fn formatted(&mut self, what: fmt::Arguments<'_>) -> Result<(), Fail> {
        struct Put<'w, 's, S>(&'w mut ArgsWriter<'s, S>);
        impl<S: Sink> Write for Put<'_, '_, S> {
            fn write_str(&mut self, text: &str) -> fmt::Result {
                self.0.escaped(text).map_err(|_| fmt::Error)
            }
        }
        if Put(self).write_fmt(what).is_ok() {
            return Ok(());
        }
        Err(if self.noted.is_some() {
            Fail::Noted
        } else {
            ser::Error::custom("a Display implementation failed")
        })
    }

    /// The value after `{"Variant":`, whose closing brace the caller owes.
    #[inline]
    fn variant(&mut self, variant: &str) -> Result<(), Fail> {
        self.text_between(Edge::two(b"{\""), variant, Edge::two(b"\":"))
    }
}

macro_rules! widened {
    ($wide:ident: $($method:ident($int:ty))*) => {$(
        #[inline]
        fn $method(self, v: $int) -> Result<(), Fail> {
            self.$wide(v.into())
        }
    )*};
}

impl<'w, 's, S: Sink> ser::Serializer for &'w mut ArgsWriter<'s, S> {
    type Ok = ();
    type Error = Fail;
    type SerializeSeq = Compound<'w, 's, S>;
    type SerializeTuple = Compound<'w, 's, S>;
    type SerializeTupleStruct = Compound<'w, 's, S>;
    type SerializeTupleVariant = Compound<'w, 's, S>;
    type SerializeMap = Compound<'w, 's, S>;
    type SerializeStruct = Compound<'w, 's, S>;
    type SerializeStructVariant = Compound<'w, 's, S>;

    #[inline]
    fn serialize_bool(self, v: bool) -> Result<(), Fail> {
        self.put(if v { b"true" } else { b"false" })
    }
    widened!(serialize_i64: serialize_i8(i8) serialize_i16(i16) serialize_i32(i32));
    widened!(serialize_u64: serialize_u8(u8) serialize_u16(u16) serialize_u32(u32));

    #[inline]
    fn serialize_i64(self, v: i64) -> Result<(), Fail> {
        self.number(v < 0, v.unsigned_abs())
    }
    fn serialize_i128(self, v: i128) -> Result<(), Fail> {
        self.formatted(format_args!("{v}"))
    }
    #[inline]
    fn serialize_u64(self, v: u64) -> Result<(), Fail> {
        self.number(false, v)
    }
    fn serialize_u128(self, v: u128) -> Result<(), Fail> {
        self.formatted(format_args!("{v}"))
    }
    #[inline]
    fn serialize_f32(self, v: f32) -> Result<(), Fail> {
        // Below 4096 floats are closer together than thousandths, so the shortest digits are the only three decimals that fit.
        let magnitude = f64::from(v.abs());
        #[cfg(not(feature = "alloc"))]
        if let Some(thousands) = number::thousandths(number::parts_of_f32(v)) {
            return self.decimals(v < 0.0, thousands);
        }
        if cfg!(feature = "alloc") && magnitude > 0.0 && magnitude < 4096.0 {
            let thousands = (magnitude * 1000.0 + 0.5) as u32;
            if (f64::from(thousands) / 1000.0) as f32 == v.abs() {
                return self.decimals(v < 0.0, thousands);
            }
        }
        self.float(v, v.is_finite())
    }
    #[inline]
    fn serialize_f64(self, v: f64) -> Result<(), Fail> {
        #[cfg(not(feature = "alloc"))]
        if let Some(thousands) = number::thousandths(number::parts_of_f64(v)) {
            return self.decimals(v < 0.0, thousands);
        }
        if cfg!(feature = "alloc") && v != 0.0 && v.abs() < 4e6 {
            let thousands = (v.abs() * 1000.0 + 0.5) as u32;
            if f64::from(thousands) / 1000.0 == v.abs() {
                return self.decimals(v < 0.0, thousands);
            }
        }
        self.float(v, v.is_finite())
    }
    #[inline]
    fn serialize_char(self, v: char) -> Result<(), Fail> {
        self.text(v.encode_utf8(&mut [0; 4]))
    }
    #[inline]
    fn serialize_str(self, v: &str) -> Result<(), Fail> {
        self.text(v)
    }
    fn serialize_bytes(self, v: &[u8]) -> Result<(), Fail> {
        self.put(b"{\"_placeholder\":true,\"num\":")?;
        self.number(false, self.attached as u64)?;
        self.put(b"}")?;
        self.attach(v)
    }
    #[inline]
    fn serialize_none(self) -> Result<(), Fail> {
        self.put(b"null")
    }
    #[inline]
    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<(), Fail> {
        value.serialize(self)
    }
    #[inline]
    fn serialize_unit(self) -> Result<(), Fail> {
        self.put(b"null")
    }
    #[inline]
    fn serialize_unit_struct(self, _: &'static str) -> Result<(), Fail> {
        self.put(b"null")
    }
    #[inline]
    fn serialize_unit_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
    ) -> Result<(), Fail> {
        self.text(variant)
    }
    #[inline]
    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        value: &T,
    ) -> Result<(), Fail> {
        value.serialize(self)
    }
    #[inline]
    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        value: &T,
    ) -> Result<(), Fail> {
        self.variant(variant)?;
        value.serialize(&mut *self)?;
        self.put(b"}")
    }
    #[inline]
    fn serialize_seq(self, _: Option<usize>) -> Result<Compound<'w, 's, S>, Fail> {
        self.put(b"[")?;
        Ok(Compound {
            writer: self,
            empty: true,
            close: b"]",
            verbatim: false,
        })
    }
    #[inline]
    fn serialize_tuple(self, _: usize) -> Result<Compound<'w, 's, S>, Fail> {
        self.serialize_seq(None)
    }
    #[inline]
    fn serialize_tuple_struct(
        self,
        _: &'static str,
        _: usize,
    ) -> Result<Compound<'w, 's, S>, Fail> {
        self.serialize_seq(None)
    }
    #[inline]
    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        _: usize,
    ) -> Result<Compound<'w, 's, S>, Fail> {
        self.variant(variant)?;
        self.put(b"[")?;
        Ok(Compound {
            writer: self,
            empty: true,
            close: b"]}",
            verbatim: false,
        })
    }
    #[inline]
    fn serialize_map(self, _: Option<usize>) -> Result<Compound<'w, 's, S>, Fail> {
        self.put(b"{")?;
        Ok(Compound {
            writer: self,
            empty: true,
            close: b"}",
            verbatim: false,
        })
    }
    #[inline]
    fn serialize_struct(self, name: &'static str, _: usize) -> Result<Compound<'w, 's, S>, Fail> {
        if name == "$serde_json::private::RawValue" || name == "$serde_json::private::Number" {
            return Ok(Compound {
                writer: self,
                empty: true,
                close: b"",
                verbatim: true,
            });
        }
        self.serialize_map(None)
    }
    #[inline]
    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        _: usize,
    ) -> Result<Compound<'w, 's, S>, Fail> {
        self.variant(variant)?;
        self.put(b"{")?;
        Ok(Compound {
            writer: self,
            empty: true,
            close: b"}}",
            verbatim: false,
        })
    }
    fn collect_str<T: fmt::Display + ?Sized>(self, value: &T) -> Result<(), Fail> {
        self.put(b"\"")?;
        self.formatted(format_args!("{value}"))?;
        self.put(b"\"")
    }
}

#[cfg(test)]
pub(in crate::packet) mod tests;
