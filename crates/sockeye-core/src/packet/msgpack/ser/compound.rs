//! Arrays, maps and variants while they are written.
use serde::ser::{self, Serialize};

use super::{Done, Kind, Packer};
use crate::packet::json::write::Fail;

/// An array, object or variant that is being written.
#[doc(hidden)]
pub struct Compound<'w, 'o> {
    pub(super) packer: &'w mut Packer<'o>,
    pub(super) at: usize,
    pub(super) said: Option<u32>,
    pub(super) count: u32,
    pub(super) kind: Kind,
    /// A `RawValue` or a number of arbitrary precision of `serde_json`: its only field is the JSON text.
    pub(super) verbatim: bool,
}

impl Compound<'_, '_> {
    #[inline]
    fn element<T: Serialize + ?Sized>(&mut self, value: &T) -> Done {
        self.count += 1;
        value.serialize(&mut *self.packer)
    }

    #[inline]
    fn key<T: Serialize + ?Sized>(&mut self, key: &T) -> Done {
        self.count += 1;
        let start = self.packer.out.len();
        key.serialize(&mut *self.packer)?;
        if let Some(0xa0..=0xbf | 0xd9..=0xdb) = self.packer.out.get(start) {
            return Ok(());
        }
        self.packer.out.truncate(start);
        self.packer.odd_key(key)
    }

    #[inline]
    fn field<T: Serialize + ?Sized>(&mut self, name: &str, value: &T) -> Done {
        if self.verbatim {
            return self.verbatim(value);
        }
        self.count += 1;
        self.packer.text(name)?;
        value.serialize(&mut *self.packer)
    }

    /// Takes JSON text: as a text first, which is then read.
    #[cold]
    fn verbatim<T: Serialize + ?Sized>(&mut self, value: &T) -> Done {
        let start = self.packer.out.len();
        value.serialize(&mut *self.packer)?;
        let written = self.packer.out.split_off(start);
        let text = crate::packet::msgpack::read::text_of(&written);
        self.packer.json(text.unwrap_or_default(), &[])
    }

    #[inline]
    fn finish(self) -> Done {
        if !self.verbatim {
            self.packer.close(self.at, self.said, self.count, self.kind);
        }
        Ok(())
    }
}

macro_rules! compound {
    ($($kind:ident: $method:ident($($key:ident: $type:ty)?) = $call:ident;)*) => {$(
        impl ser::$kind for Compound<'_, '_> {
            type Ok = ();
            type Error = Fail;
            #[inline]
            fn $method<T: Serialize + ?Sized>(&mut self, $($key: $type,)? value: &T) -> Done {
                self.$call($($key,)? value)
            }
            #[inline]
            fn end(self) -> Done {
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

impl ser::SerializeMap for Compound<'_, '_> {
    type Ok = ();
    type Error = Fail;

    #[inline]
    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Done {
        self.key(key)
    }
    #[inline]
    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Done {
        value.serialize(&mut *self.packer)
    }
    #[inline]
    fn end(self) -> Done {
        self.finish()
    }
}
