//! Arguments in MessagePack, and their text for those who ask for it.

use alloc::boxed::Box;
use core::fmt;

use once_cell::race::OnceBox;

use super::read::{Head, Reader};
use crate::packet::parser::Decoded;
use crate::packet::socket::{Kind, Span};
use crate::packet::{Args, Attachments};

/// Where the JSON of arguments that came in MessagePack lies, once somebody has asked for it: what reads them by serde
/// never does. For drivers that carry events to another task: see [`Args::from_packed`](crate::packet::Args::from_packed).
#[derive(Debug, Default)]
pub struct ArgsText {
    decoded: OnceBox<Decoded>,
}

impl ArgsText {
    /// There is no text yet.
    pub const fn new() -> Self {
        Self {
            decoded: OnceBox::new(),
        }
    }

    /// Whether somebody has asked for the text.
    pub fn is_made(&self) -> bool {
        self.decoded.get().is_some()
    }

    /// Forgets the text: the next arguments are others.
    #[inline]
    pub fn clear(&mut self) {
        if self.is_made() {
            *self = Self::new();
        }
    }
}

/// Arguments in MessagePack that have been looked through.
#[derive(Clone, Copy)]
pub(crate) struct PackedArgs<'a> {
    /// One behind the other.
    pub(crate) items: &'a [u8],
    pub(crate) count: u32,
    pub(crate) text: &'a ArgsText,
}

impl<'a> PackedArgs<'a> {
    /// The arguments as JSON, and what its placeholders refer to.
    pub(crate) fn text(&self) -> (&'a str, Attachments<'a>) {
        let decoded = self.text.decoded.get_or_init(|| {
            let mut decoded = Decoded::new();
            decoded.show_items(self.items, self.count);
            Box::new(decoded)
        });
        (decoded.text(), decoded.attachments())
    }

    /// The binary values, in the order in which the text would number them.
    pub(crate) fn binaries(&self) -> Binaries<'a> {
        Binaries {
            reader: Reader::new(self.items, 0),
        }
    }
}

impl fmt::Debug for PackedArgs<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} in {} bytes", self.count, self.items.len())
    }
}

/// Walks over the binary values of arguments.
pub(crate) struct Binaries<'a> {
    reader: Reader<'a>,
}

impl<'a> Iterator for Binaries<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        // Arrays and maps need no count: what is in them comes next, and all of it is looked at.
        while !self.reader.is_at_end() {
            match self.reader.head().ok()? {
                Head::Bin(bytes) | Head::Ext(_, bytes) => return Some(bytes),
                _ => (),
            }
        }
        None
    }
}

/// A message as the client looks at it that need not become text: for tests and tools.
#[doc(hidden)]
#[derive(Debug)]
pub struct Seen<'m> {
    pub nsp: &'m str,
    pub id: Option<u64>,
    /// None for an acknowledgement.
    pub event: Option<&'m str>,
    pub args: Args<'m>,
    /// The last argument, if it is a text.
    pub last_text: &'m str,
}

/// Looks through a message as the client does. `None` if it has to become text.
#[doc(hidden)]
pub fn look<'m>(
    message: &'m [u8],
    limit: usize,
    most: u16,
    text: &'m ArgsText,
) -> Option<Seen<'m>> {
    let found = super::Check::new().in_place(message, limit, most)?;
    let parsed = &found.parsed;
    let text_of = |span: &Span| core::str::from_utf8(span.bytes(message)).ok();
    let items = message.get(found.from as usize..parsed.data.end as usize)?;
    Some(Seen {
        nsp: text_of(&parsed.nsp)
            .filter(|nsp| !nsp.is_empty())
            .unwrap_or("/"),
        id: parsed.id,
        event: text_of(&parsed.name).filter(|_| parsed.kind == Kind::Event),
        args: Args::from_packed(items, found.count, text),
        last_text: text_of(&parsed.last_text)?,
    })
}
