//! Arguments that came in MessagePack: read by serde where they lie.

use serde::Deserialize;

use super::{Args, ArgsError, Form, missing};
use crate::packet::json::ArrayItems;
use crate::packet::msgpack::typed::PackedDe;
use crate::packet::msgpack::{ArgsText, PackedArgs, skip_value};

impl<'a> Args<'a> {
    /// Arguments in MessagePack that have been looked through.
    #[inline]
    pub(crate) const fn packed(items: &'a [u8], count: u32, text: &'a ArgsText) -> Self {
        Self {
            form: Form::Packed(PackedArgs { items, count, text }),
            at: 0,
            index: 0,
        }
    }

    /// If the arguments came in MessagePack: how many there are, and their bytes, one behind the other. What is read by
    /// serde is read from these, without a text in between.
    #[inline]
    pub const fn as_packed(&self) -> Option<(&'a [u8], u32)> {
        match self.form {
            Form::Text { .. } => None,
            Form::Packed(packed) => Some((packed.items, packed.count)),
        }
    }

    /// Takes arguments that came from [`as_packed`](Self::as_packed) before, and so are known to be sound: for drivers
    /// that carry events to another task. `text` is where their JSON will lie if somebody asks for it; it belongs to these
    /// arguments alone. Other bytes give wrong arguments or errors, never a panic.
    #[inline]
    pub const fn from_packed(items: &'a [u8], count: u32, text: &'a ArgsText) -> Self {
        Self::packed(items, count, text)
    }

    /// The binary values of arguments that came in MessagePack, in the order of their numbers in the text, where they lie.
    pub fn packed_binaries(&self) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        let packed = match self.form {
            Form::Text { .. } => None,
            Form::Packed(packed) => Some(packed.binaries()),
        };
        packed.into_iter().flatten()
    }

    /// Goes on with the text.
    pub(super) fn become_text(&mut self) {
        let Form::Packed(packed) = self.form else {
            return;
        };
        let (json, attachments) = packed.text();
        let mut items = ArrayItems::resume(json, 1);
        for _ in 0..self.index {
            items.next();
        }
        self.at = items.position();
        self.form = Form::Text { json, attachments };
    }

    pub(super) fn skip_packed(&mut self, packed: PackedArgs<'a>) -> bool {
        if self.index >= packed.count {
            return false;
        }
        self.index += 1;
        self.at = skip_value(packed.items, self.at);
        true
    }

    pub(super) fn next_packed<T: Deserialize<'a>>(
        &mut self,
        packed: PackedArgs<'a>,
    ) -> Result<T, ArgsError> {
        let (start, index) = (self.at, self.index);
        if index >= packed.count {
            return missing(index);
        }
        let mut de = PackedDe::new(packed.items, start);
        let result = T::deserialize(&mut de);
        if de.wants_text(result.is_err()) {
            // So is what comes behind: to find each place in the text anew would take longer with every argument.
            self.become_text();
            return self.next();
        }
        self.index += 1;
        self.at = de.position();
        if result.is_err() || self.at == start {
            // Or a type that made itself without looking at the argument.
            self.at = skip_value(packed.items, start);
        }
        result.map_err(|error| ArgsError::Invalid {
            index,
            reason: error.into_reason(),
        })
    }
}
