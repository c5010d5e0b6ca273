//! Arrays, objects and variants while they are written.
use serde::ser::{self, Serialize};

use super::{ArgsWriter, Edge, Fail, Sink};

/// An array, object or variant that is being written.
#[doc(hidden)]
pub struct Compound<'w, 's, S> {
    pub(super) writer: &'w mut ArgsWriter<'s, S>,
    pub(super) empty: bool,
    pub(super) close: &'static [u8],
    /// A `RawValue` or a number of arbitrary precision of `serde_json`: its only field is the JSON text.
    pub(super) verbatim: bool,
}

impl<S: Sink> Compound<'_, '_, S> {
    #[inline(always)]
    fn separate(&mut self) -> Result<(), Fail> {
        if core::mem::replace(&mut self.empty, false) {
            Ok(())
        } else {
            self.writer.put(b",")
        }
    }

    #[inline]
    fn element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Fail> {
        self.separate()?;
        value.serialize(&mut *self.writer)
    }

    #[inline]
    fn key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), Fail> {
        self.separate()?;
        let start = self.writer.out.written().len();
        key.serialize(&mut *self.writer)?;
        if self.writer.out.written().get(start) == Some(&b'"') {
            Ok(())
        } else {
            self.quote_key(start)
        }
    }

    /// A key that is no string: numbers and bools get quotes.
    #[cold]
    fn quote_key(&mut self, start: usize) -> Result<(), Fail> {
        self.writer.put(b"\"\"")?;
        let key = &mut self.writer.out.written()[start..];
        if matches!(key.first(), Some(b'-' | b'0'..=b'9' | b't' | b'f')) {
            let shift = key.len() - 1;
            key[..shift].rotate_right(1);
            return Ok(());
        }
        Err(Fail::Key)
    }

    #[inline]
    fn field<T: Serialize + ?Sized>(&mut self, name: &str, value: &T) -> Result<(), Fail> {
        if self.verbatim {
            return self.verbatim(value);
        }
        self.name(name)?;
        value.serialize(&mut *self.writer)
    }

    /// A field's name, with the comma before and the colon after.
    #[cfg_attr(feature = "alloc", inline(always))]
    #[cfg_attr(not(feature = "alloc"), inline)]
    fn name(&mut self, name: &str) -> Result<(), Fail> {
        if core::mem::replace(&mut self.empty, false) {
            self.writer
                .text_between(Edge::one(b"\""), name, Edge::two(b"\":"))
        } else {
            self.writer
                .text_between(Edge::two(b",\""), name, Edge::two(b"\":"))
        }
    }

    /// Writes JSON text: as a string first, then takes quotes and escapes away where it lies.
    #[cold]
    fn verbatim<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Fail> {
        let start = self.writer.out.written().len();
        value.serialize(&mut *self.writer)?;
        let text = self.writer.out.written().get_mut(start..);
        let len = unquote(text.unwrap_or_default());
        self.writer.out.shorten(start + len);
        Ok(())
    }

    #[inline]
    fn finish(self) -> Result<(), Fail> {
        self.writer.put(self.close)
    }
}

/// Takes quotes and escapes of a JSON string away where it lies: how much is left. Not for `\\u`: only white space and
/// printable characters occur in JSON.
#[cold]
#[inline(never)]
fn unquote(text: &mut [u8]) -> usize {
    let (mut to, mut escaped) = (0, false);
    for from in 1..text.len().saturating_sub(1) {
        let c = match text.get(from).copied().unwrap_or_default() {
            b'\\' if !escaped => {
                escaped = true;
                continue;
            }
            b'n' if escaped => b'\n',
            b'r' if escaped => b'\r',
            b't' if escaped => b'\t',
            other => other,
        };
        escaped = false;
        if let Some(place) = text.get_mut(to) {
            *place = c;
            to += 1;
        }
    }
    to
}

macro_rules! compound {
    ($($kind:ident: $method:ident($($key:ident: $type:ty)?) = $call:ident;)*) => {$(
        impl<S: Sink> ser::$kind for Compound<'_, '_, S> {
            type Ok = ();
            type Error = Fail;
            #[inline]
            fn $method<T: Serialize + ?Sized>(&mut self, $($key: $type,)? value: &T) -> Result<(), Fail> {
                self.$call($($key,)? value)
            }
            #[inline]
            fn end(self) -> Result<(), Fail> {
                self.finish()
            }
        }
    )*};
}

compound! {
    SerializeSeq: serialize_element() = element;
    SerializeTuple: serialize_element() = element;
    SerializeTupleStruct: serialize_field() = element;
    SerializeTupleVariant: serialize_field() = element;
    SerializeStruct: serialize_field(key: &'static str) = field;
    SerializeStructVariant: serialize_field(key: &'static str) = field;
}

impl<S: Sink> ser::SerializeMap for Compound<'_, '_, S> {
    type Ok = ();
    type Error = Fail;

    #[inline]
    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), Fail> {
        self.key(key)
    }
    #[inline]
    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Fail> {
        self.writer.put(b":")?;
        value.serialize(&mut *self.writer)
    }
    #[inline]
    fn end(self) -> Result<(), Fail> {
        self.finish()
    }
}
