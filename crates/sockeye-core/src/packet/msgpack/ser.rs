//! A serializer to MessagePack: typed arguments, with no text in between.
//!
//! What it writes of a value is, byte for byte, what `write.rs` makes of the JSON of the same value, with one exception:
//! floats that are not finite are themselves here, as the official parser sends them, and `null` there.

use alloc::vec::Vec;
use core::fmt::{self, Write as _};

use serde::ser::{self, Error as _, Serialize};

use super::write::{self, Counts};
use crate::packet::json::write::{ArgsWriter, Edge, EmitArgs, EncodeError, Fail, Sink};
use crate::packet::{encode_args_to_vec, json};

mod compound;

pub use compound::Compound;

/// Appends the array `["event",a,b]`, or `[a,b]` without an event name (an acknowledgement), in MessagePack to `out`. Answers
/// with the number of binary values, which lie in their places; there may be `most` of them.
///
/// The same arguments always give the same bytes: what [`encode`](super::encode) makes of their JSON, except that floats
/// which are not finite are themselves. Nothing is allocated but room in `out`, unless arrays or maps of more than fifteen
/// elements do not know their length, or a key is no text.
///
/// # Errors
/// Any [`EncodeError`]; `out` is then as long as before.
pub fn encode_args<A: EmitArgs + ?Sized>(
    event: Option<&str>,
    args: &A,
    most: u16,
    out: &mut Vec<u8>,
) -> Result<usize, EncodeError> {
    let start = out.len();
    let mut packer = Packer {
        out,
        count: 0,
        binaries: 0,
        most: most.into(),
        noted: None,
        fixes: Vec::new(),
    };
    packer.out.push(0x90);
    let named = event.map_or(Ok(()), |event| {
        packer.count += 1;
        packer.text(event)
    });
    let done = match named {
        Ok(()) => ArgsWriter::pack(args, &mut packer),
        Err(fail) => Err(packer.explain(fail)),
    };
    match done {
        Ok(()) => {
            packer.close(start, None, packer.count, Kind::Array);
            packer.apply_fixes();
            Ok(packer.binaries)
        }
        Err(error) => {
            packer.out.truncate(start);
            Err(error)
        }
    }
}

/// Where packed arguments go.
#[doc(hidden)]
pub struct Packer<'o> {
    out: &'o mut Vec<u8>,
    /// Elements of the outermost array so far.
    count: u32,
    binaries: usize,
    most: usize,
    noted: Option<EncodeError>,
    /// Arrays and maps whose length turned out to be another than was said, which takes another number of bytes.
    fixes: Vec<Fix>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Array,
    Map,
}

impl Kind {
    fn head(self, n: u32, out: &mut Vec<u8>) {
        match self {
            Self::Array => write::array_head(n, out),
            Self::Map => write::map_head(n, out),
        }
    }

    /// Bytes of a head.
    const fn len(n: u32) -> usize {
        match n {
            0..=15 => 1,
            16..=0xffff => 3,
            _ => 5,
        }
    }
}

#[derive(Clone, Copy)]
struct Fix {
    /// Where the head is that has been written, and its bytes.
    at: usize,
    old: usize,
    count: u32,
    kind: Kind,
}

type Done = Result<(), Fail>;

impl Packer<'_> {
    #[cold]
    fn note(&mut self, error: EncodeError) -> Done {
        self.noted = Some(error);
        Err(Fail::Noted)
    }

    #[cold]
    pub(in crate::packet) fn explain(&mut self, fail: Fail) -> EncodeError {
        match fail {
            Fail::Noted => self.noted.take().unwrap_or(EncodeError::BufferTooSmall),
            fail => fail.into_error(),
        }
    }

    /// A length that MessagePack can say.
    fn len(&mut self, len: usize) -> Result<u32, Fail> {
        match u32::try_from(len) {
            Ok(len) => Ok(len),
            Err(_) => {
                self.noted = Some(EncodeError::BufferTooSmall);
                Err(Fail::Noted)
            }
        }
    }

    fn text(&mut self, text: &str) -> Done {
        self.len(text.len())?;
        write::plain(text, self.out);
        Ok(())
    }

    /// So many binary values more.
    fn binaries(&mut self, count: usize) -> Done {
        self.binaries += count;
        if self.binaries > self.most {
            let limit = self.most;
            return self.note(EncodeError::TooManyAttachments { limit });
        }
        Ok(())
    }

    fn float(&mut self, v: f64) -> Done {
        self.out.push(0xcb);
        self.out.extend_from_slice(&v.to_be_bytes());
        Ok(())
    }

    fn open(&mut self, kind: Kind, len: Option<usize>) -> Result<(usize, Option<u32>), Fail> {
        let at = self.out.len();
        let said = len.map(|len| self.len(len)).transpose()?;
        kind.head(said.unwrap_or(0), self.out);
        Ok((at, said))
    }

    /// The array or map whose head is `at` has so many elements or members.
    #[inline]
    fn close(&mut self, at: usize, said: Option<u32>, count: u32, kind: Kind) {
        if said != Some(count) {
            self.correct(at, said, count, kind);
        }
    }

    #[inline(never)]
    fn correct(&mut self, at: usize, said: Option<u32>, count: u32, kind: Kind) {
        let old = Kind::len(said.unwrap_or(0));
        if count < 16
            && old == 1
            && let Some(head) = self.out.get_mut(at)
        {
            *head = count as u8
                | match kind {
                    Kind::Array => 0x90,
                    Kind::Map => 0x80,
                };
            return;
        }
        if Kind::len(count) != old {
            self.fixes.push(Fix {
                at,
                old,
                count,
                kind,
            });
            return;
        }
        let mut head = Vec::new();
        kind.head(count, &mut head);
        if let Some(place) = self.out.get_mut(at..at + head.len()) {
            place.copy_from_slice(&head);
        }
    }

    /// Gives the heads that have turned out to be of another size their size: one pass for all.
    fn apply_fixes(&mut self) {
        if self.fixes.is_empty() {
            return;
        }
        self.fixes.sort_unstable_by_key(|fix| fix.at);
        let old = core::mem::take(self.out);
        self.out.reserve(old.len() + 4 * self.fixes.len());
        let mut from = 0;
        for fix in &self.fixes {
            self.out
                .extend_from_slice(old.get(from..fix.at).unwrap_or_default());
            fix.kind.head(fix.count, self.out);
            from = fix.at + fix.old;
        }
        self.out
            .extend_from_slice(old.get(from..).unwrap_or_default());
    }

    /// Puts JSON that somebody has made.
    fn json(&mut self, json: &str, attachments: &[&[u8]]) -> Done {
        let mut counts = Counts::NONE;
        match write::value(json, attachments, &mut counts, self.out) {
            Some(()) => Ok(()),
            None => Err(Fail::custom("the arguments are not valid JSON")),
        }
    }

    /// A key that is no text: a number or a bool is written as JSON writes it.
    #[cold]
    fn odd_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Done {
        let mut json = Vec::new();
        let mut attach = |_: &[u8]| Err(EncodeError::BufferTooSmall);
        let written = encode_args_to_vec(None, &(key,), &mut json, &mut attach).is_ok();
        let key = json
            .strip_prefix(b"[")
            .and_then(|rest| rest.strip_suffix(b"]"))
            .filter(|key| written && matches!(key.first(), Some(b'-' | b'0'..=b'9' | b't' | b'f')))
            .and_then(|key| core::str::from_utf8(key).ok());
        match key {
            Some(key) => self.text(key),
            None => Err(Fail::Key),
        }
    }
}

/// What is written to an [`ArgsWriter`] over it is packed, not put.
impl Sink for Packer<'_> {
    fn put(&mut self, _: &[u8]) -> bool {
        false
    }

    fn put_all<const N: usize>(&mut self, _: [&[u8]; N]) -> bool {
        false
    }

    fn put_text(&mut self, _: Edge, _: &[u8], _: Edge) -> Option<bool> {
        Some(false)
    }

    fn written(&mut self) -> &mut [u8] {
        &mut []
    }

    fn shorten(&mut self, _: usize) {}

    #[inline]
    fn pack<T: Serialize + ?Sized>(&mut self, value: &T) -> Option<Done> {
        self.count += 1;
        Some(value.serialize(self))
    }

    fn pack_json(
        &mut self,
        array: &str,
        attachments: &mut dyn Iterator<Item = &[u8]>,
    ) -> Option<Done> {
        let attachments: Vec<&[u8]> = attachments.collect();
        let mut done = self.binaries(attachments.len());
        for item in json::array_items(array) {
            self.count += 1;
            done = done.and_then(|()| self.json(item, &attachments));
        }
        Some(done)
    }

    fn pack_items(&mut self, items: &[u8], count: u32, binaries: usize) -> Option<Done> {
        self.count += count;
        self.out.extend_from_slice(items);
        Some(self.binaries(binaries))
    }
}

/// The double whose digits are the shortest that tell a single from others: what reads the JSON of it makes of it, so that
/// 0.1 is 0.1 on the other side as well.
fn by_digits(v: f32) -> f64 {
    let magnitude = f64::from(v.abs());
    if magnitude < 4096.0 {
        // Below 4096 floats are closer together than thousandths, so the shortest digits are the only three decimals that fit.
        let thousands = (magnitude * 1000.0 + 0.5) as u32;
        let rounded = f64::from(thousands) / 1000.0;
        if rounded as f32 == v.abs() {
            return rounded.copysign(v.into());
        }
    }
    if !v.is_finite() {
        return v.into();
    }
    let mut digits = zmij::Buffer::new();
    digits.format_finite(v).parse().unwrap_or_else(|_| v.into())
}

macro_rules! widened {
    ($wide:ident: $($method:ident($int:ty))*) => {$(
        #[inline]
        fn $method(self, v: $int) -> Done {
            self.$wide(v.into())
        }
    )*};
}

impl<'w, 'o> ser::Serializer for &'w mut Packer<'o> {
    type Ok = ();
    type Error = Fail;
    type SerializeSeq = Compound<'w, 'o>;
    type SerializeTuple = Compound<'w, 'o>;
    type SerializeTupleStruct = Compound<'w, 'o>;
    type SerializeTupleVariant = Compound<'w, 'o>;
    type SerializeMap = Compound<'w, 'o>;
    type SerializeStruct = Compound<'w, 'o>;
    type SerializeStructVariant = Compound<'w, 'o>;

    #[inline]
    fn serialize_bool(self, v: bool) -> Done {
        self.out.push(if v { 0xc3 } else { 0xc2 });
        Ok(())
    }
    widened!(serialize_i64: serialize_i8(i8) serialize_i16(i16) serialize_i32(i32));
    widened!(serialize_u64: serialize_u8(u8) serialize_u16(u16) serialize_u32(u32));

    #[inline]
    fn serialize_i64(self, v: i64) -> Done {
        match u64::try_from(v) {
            Ok(v) => write::unsigned(v, self.out),
            Err(_) => write::signed(v, self.out),
        }
        Ok(())
    }
    /// More than 64 bits are a float, as in JavaScript beyond 53.
    fn serialize_i128(self, v: i128) -> Done {
        match (u64::try_from(v), i64::try_from(v)) {
            (Ok(v), _) => self.serialize_u64(v),
            (_, Ok(v)) => self.serialize_i64(v),
            _ => self.float(v as f64),
        }
    }
    #[inline]
    fn serialize_u64(self, v: u64) -> Done {
        write::unsigned(v, self.out);
        Ok(())
    }
    fn serialize_u128(self, v: u128) -> Done {
        match u64::try_from(v) {
            Ok(v) => self.serialize_u64(v),
            Err(_) => self.float(v as f64),
        }
    }
    #[inline]
    fn serialize_f32(self, v: f32) -> Done {
        self.float(by_digits(v))
    }
    #[inline]
    fn serialize_f64(self, v: f64) -> Done {
        self.float(v)
    }
    #[inline]
    fn serialize_char(self, v: char) -> Done {
        self.text(v.encode_utf8(&mut [0; 4]))
    }
    #[inline]
    fn serialize_str(self, v: &str) -> Done {
        self.text(v)
    }
    fn serialize_bytes(self, v: &[u8]) -> Done {
        self.binaries(1)?;
        let len = self.len(v.len())?;
        write::bin_head(len, self.out);
        self.out.extend_from_slice(v);
        Ok(())
    }
    #[inline]
    fn serialize_none(self) -> Done {
        self.serialize_unit()
    }
    #[inline]
    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Done {
        value.serialize(self)
    }
    #[inline]
    fn serialize_unit(self) -> Done {
        self.out.push(0xc0);
        Ok(())
    }
    #[inline]
    fn serialize_unit_struct(self, _: &'static str) -> Done {
        self.serialize_unit()
    }
    #[inline]
    fn serialize_unit_variant(self, _: &'static str, _: u32, variant: &'static str) -> Done {
        self.text(variant)
    }
    #[inline]
    fn serialize_newtype_struct<T: Serialize + ?Sized>(self, _: &'static str, value: &T) -> Done {
        value.serialize(self)
    }
    #[inline]
    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        value: &T,
    ) -> Done {
        self.variant(variant)?;
        value.serialize(self)
    }
    #[inline]
    fn serialize_seq(self, len: Option<usize>) -> Result<Compound<'w, 'o>, Fail> {
        self.compound(Kind::Array, len)
    }
    #[inline]
    fn serialize_tuple(self, len: usize) -> Result<Compound<'w, 'o>, Fail> {
        self.compound(Kind::Array, Some(len))
    }
    #[inline]
    fn serialize_tuple_struct(self, _: &'static str, len: usize) -> Result<Compound<'w, 'o>, Fail> {
        self.compound(Kind::Array, Some(len))
    }
    #[inline]
    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        len: usize,
    ) -> Result<Compound<'w, 'o>, Fail> {
        self.variant(variant)?;
        self.compound(Kind::Array, Some(len))
    }
    #[inline]
    fn serialize_map(self, len: Option<usize>) -> Result<Compound<'w, 'o>, Fail> {
        self.compound(Kind::Map, len)
    }
    #[inline]
    fn serialize_struct(self, name: &'static str, len: usize) -> Result<Compound<'w, 'o>, Fail> {
        if name == "$serde_json::private::RawValue" || name == "$serde_json::private::Number" {
            let at = self.out.len();
            return Ok(Compound {
                packer: self,
                at,
                said: Some(0),
                count: 0,
                kind: Kind::Map,
                verbatim: true,
            });
        }
        self.compound(Kind::Map, Some(len))
    }
    #[inline]
    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        len: usize,
    ) -> Result<Compound<'w, 'o>, Fail> {
        self.variant(variant)?;
        self.compound(Kind::Map, Some(len))
    }
    fn collect_str<T: fmt::Display + ?Sized>(self, value: &T) -> Done {
        /// Appends what is displayed.
        struct Put<'p>(&'p mut Vec<u8>);
        impl fmt::Write for Put<'_> {
            fn write_str(&mut self, text: &str) -> fmt::Result {
                self.0.extend_from_slice(text.as_bytes());
                Ok(())
            }
        }
        let at = self.out.len();
        self.out.push(0xa0);
        if write!(Put(self.out), "{value}").is_err() {
            return Err(Fail::custom("a Display implementation failed"));
        }
        let len = self.out.len() - at - 1;
        self.len(len)?;
        if let (..=31, Some(head)) = (len, self.out.get_mut(at)) {
            *head |= len as u8;
            return Ok(());
        }
        // Its length takes more bytes: behind the text, and from there to its front.
        let end = self.out.len();
        write::string_head(len, self.out);
        let head = self.out.len() - end;
        if let Some(text) = self.out.get_mut(at + 1..) {
            text.rotate_right(head);
        }
        self.out.remove(at);
        Ok(())
    }
}

impl<'o> Packer<'o> {
    /// A map of one member, whose value comes next.
    fn variant(&mut self, variant: &str) -> Done {
        self.out.push(0x81);
        self.text(variant)
    }

    #[inline]
    fn compound(&mut self, kind: Kind, len: Option<usize>) -> Result<Compound<'_, 'o>, Fail> {
        let (at, said) = self.open(kind, len)?;
        Ok(Compound {
            packer: self,
            at,
            said,
            count: 0,
            kind,
            verbatim: false,
        })
    }
}
