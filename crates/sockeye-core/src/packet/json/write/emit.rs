//! What can be sent as arguments.
#[cfg(feature = "alloc")]
use alloc::vec::Vec;

use serde::Serialize;

#[cfg(feature = "msgpack")]
use super::EncodeError;
use super::{ArgsWriter, Fail, Sink};
use crate::packet::args::{Args, ArgsError, check};
#[cfg(feature = "msgpack")]
use crate::packet::msgpack::Packer;

#[cfg(feature = "msgpack")]
impl<'o> ArgsWriter<'_, Packer<'o>> {
    /// Has the arguments packed, one behind the other.
    pub(in crate::packet) fn pack<A: EmitArgs + ?Sized>(
        args: &A,
        out: &mut Packer<'o>,
    ) -> Result<(), EncodeError> {
        let mut writer = ArgsWriter {
            out,
            attach: &mut |_| Ok(()),
            attached: 0,
            noted: None,
            lead: b"",
        };
        match args.write_to(&mut writer) {
            Ok(()) => Ok(()),
            Err(fail) => Err(writer.out.explain(fail)),
        }
    }
}

/// The arguments of an event or an acknowledgement, each of which becomes one element of the packet's JSON array.
///
/// Implemented for tuples of up to twelve [`Serialize`] values, for slices, arrays and (`alloc`) `Vec`s of them, whose every element is
/// an argument of its own, for [`RawArgs`], for received [`Args`] (to pass them on), and for references to all of these. A single argument
/// is a tuple too: `("text",)`. Its method is no part of the public interface: other crates use it, and pass it on, but do not implement it afresh.
///
/// Binary values may stand at any depth: `Bin`, `BinRef`, and every type that serializes through `serialize_bytes` (a `Vec<u8>` by itself does
/// not: it is a list of numbers). JSON is written by serde_json's conventions: enums by variant name, `None` and `()` as `null`, floats that
/// are not finite as `null`, map keys that are numbers or bools as strings.
///
/// # Protocol
/// `2["name",a,b]` is an event. With binary values it is a `BINARY_EVENT`, where each is replaced by `{"_placeholder":true,"num":n}`, numbered
/// from 0 in the order in which they are met, and follows as a message of its own. Servers refuse packets with more than ten by default.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be sent as the arguments of an event",
    label = "arguments are a tuple, a slice or a `Vec`",
    note = "put a single argument in a tuple: `(value,)`; every argument must implement `serde::Serialize`"
)]
pub trait EmitArgs {
    /// Gives the writer each argument. Not for callers.
    #[doc(hidden)]
    fn write_to<S: Sink>(&self, writer: &mut ArgsWriter<'_, S>) -> Result<(), Fail>;
}

impl<T: EmitArgs + ?Sized> EmitArgs for &T {
    #[inline]
    fn write_to<S: Sink>(&self, writer: &mut ArgsWriter<'_, S>) -> Result<(), Fail> {
        (**self).write_to(writer)
    }
}

impl<T: Serialize> EmitArgs for [T] {
    fn write_to<S: Sink>(&self, writer: &mut ArgsWriter<'_, S>) -> Result<(), Fail> {
        self.iter().try_for_each(|value| writer.arg(value))
    }
}

impl<T: Serialize, const N: usize> EmitArgs for [T; N] {
    fn write_to<S: Sink>(&self, writer: &mut ArgsWriter<'_, S>) -> Result<(), Fail> {
        self.as_slice().write_to(writer)
    }
}

#[cfg(feature = "alloc")]
impl<T: Serialize> EmitArgs for Vec<T> {
    fn write_to<S: Sink>(&self, writer: &mut ArgsWriter<'_, S>) -> Result<(), Fail> {
        self.as_slice().write_to(writer)
    }
}

impl EmitArgs for () {
    #[inline]
    fn write_to<S: Sink>(&self, _: &mut ArgsWriter<'_, S>) -> Result<(), Fail> {
        Ok(())
    }
}

macro_rules! emit_tuple {
    ($first:ident $($name:ident)*) => {
        emit_tuple!($($name)*);
        impl<$first: Serialize, $($name: Serialize,)*> EmitArgs for ($first, $($name,)*) {
            #[inline]
            fn write_to<Out: Sink>(&self, writer: &mut ArgsWriter<'_, Out>) -> Result<(), Fail> {
                #[allow(non_snake_case)]
                let ($first, $($name,)*) = self;
                writer.arg($first)?;
                $(writer.arg($name)?;)*
                Ok(())
            }
        }
    };
    () => {};
}

emit_tuple!(A B C D E F G H I J K L);

impl EmitArgs for Args<'_> {
    fn write_to<S: Sink>(&self, writer: &mut ArgsWriter<'_, S>) -> Result<(), Fail> {
        // As they came, if they leave in that form.
        #[cfg(feature = "msgpack")]
        if let Some((items, count)) = self.as_packed()
            && let Some(packed) = writer.items(items, count, self.packed_binaries().count())
        {
            return packed;
        }
        writer.raw(self.json(), self.attachments().iter())
    }
}

/// Arguments that are JSON already, such as what a user typed on a command line.
///
/// ```
/// # use sockeye_core::packet::RawArgs;
/// let args = RawArgs::new(r#"["reading", {"_placeholder": true, "num": 0}]"#, &[b"\x01\x02"])?;
/// assert!(RawArgs::new("[1", &[]).is_err());
/// # Ok::<(), sockeye_core::packet::ArgsError>(())
/// ```
#[derive(Debug, Clone, Copy)]
pub struct RawArgs<'a> {
    json: &'a str,
    attachments: &'a [&'a [u8]],
}

impl<'a> RawArgs<'a> {
    /// Takes a JSON array, one element an argument, and the attachments its placeholders refer to (`{"_placeholder":true,"num":0}` is the
    /// first one).
    ///
    /// # Errors
    /// [`ArgsError::Json`] if `json` is not exactly one JSON array, [`ArgsError::Placeholder`] if one of its placeholders has no attachment.
    pub fn new(json: &'a str, attachments: &'a [&'a [u8]]) -> Result<Self, ArgsError> {
        check(json, attachments.len())?;
        Ok(Self { json, attachments })
    }
}

impl EmitArgs for RawArgs<'_> {
    fn write_to<S: Sink>(&self, writer: &mut ArgsWriter<'_, S>) -> Result<(), Fail> {
        writer.raw(self.json, self.attachments.iter().copied())
    }
}
