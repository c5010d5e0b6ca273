//! Received events and their arguments, owned: for streams and async handlers.

use std::fmt;

use bytes::Bytes;
use serde::Deserialize;
use serde_json::Value;
#[cfg(feature = "msgpack")]
use sockeye_core::packet::msgpack::ArgsText;
use sockeye_core::packet::{Args as ArgsRef, ArgsError, Attachments, EmitArgs, FromArgs};

use crate::Responder;

/// The arguments of an event or of an acknowledgement, owned.
///
/// Decode them as a tuple with [`parse`](Self::parse), or look at them as JSON with [`values`](Self::values).
#[derive(Clone)]
pub struct Args {
    form: Form,
}

/// What arguments came as.
#[derive(Clone)]
enum Form {
    Text {
        /// A JSON array.
        json: Box<str>,
        /// As [`Attachments::from_records`] takes them.
        records: Bytes,
        count: usize,
    },
    #[cfg(feature = "msgpack")]
    Packed(Packed),
}

/// Arguments in MessagePack: serde reads them where they lie.
#[cfg(feature = "msgpack")]
#[derive(Debug)]
struct Packed {
    items: Bytes,
    count: u32,
    /// Their JSON, once somebody has asked for it.
    text: ArgsText,
}

/// (The text is made again where it is asked for.)
#[cfg(feature = "msgpack")]
impl Clone for Packed {
    fn clone(&self) -> Self {
        Self {
            items: self.items.clone(),
            count: self.count,
            text: ArgsText::new(),
        }
    }
}

impl Args {
    pub(crate) fn from_ref(args: &ArgsRef<'_>) -> Self {
        #[cfg(feature = "msgpack")]
        if let Some((items, count)) = args.as_packed() {
            let packed = Packed {
                items: Bytes::copy_from_slice(items),
                count,
                text: ArgsText::new(),
            };
            let form = Form::Packed(packed);
            return Self { form };
        }
        let attachments = args.attachments();
        Self {
            form: Form::Text {
                json: args.json().into(),
                records: Bytes::copy_from_slice(attachments.as_records()),
                count: attachments.len(),
            },
        }
    }

    /// Arguments of the plainest kind: a JSON array as bytes, which were found to be UTF-8 when they arrived.
    pub(crate) fn from_plain(json: &[u8]) -> Self {
        let json = String::from_utf8(json.to_vec()).unwrap_or_default();
        Self {
            form: Form::Text {
                json: json.into_boxed_str(),
                records: Bytes::new(),
                count: 0,
            },
        }
    }

    /// Bytes of text and attachments, as they came.
    pub(crate) fn size(&self) -> usize {
        match &self.form {
            Form::Text { json, records, .. } => json.len() + records.len(),
            #[cfg(feature = "msgpack")]
            Form::Packed(packed) => packed.items.len(),
        }
    }

    pub(crate) fn view(&self) -> ArgsRef<'_> {
        match &self.form {
            Form::Text { json, count: 0, .. } => ArgsRef::from_checked(json, Attachments::EMPTY),
            Form::Text {
                json,
                records,
                count,
            } => {
                let attachments = Attachments::from_records(records, *count);
                ArgsRef::from_checked(json, attachments.unwrap_or(Attachments::EMPTY))
            }
            #[cfg(feature = "msgpack")]
            Form::Packed(packed) => ArgsRef::from_packed(&packed.items, packed.count, &packed.text),
        }
    }

    /// Decodes the arguments as a tuple: `args.parse::<(String, u32)>()`. Arguments beyond the tuple are ignored,
    /// missing ones are `null`, so that an `Option` takes them. Types may borrow from `self`.
    ///
    /// # Errors
    /// Which argument does not fit, and why.
    pub fn parse<'a, T: FromArgs<'a>>(&'a self) -> Result<T, ArgsError> {
        self.view().parse()
    }

    /// Decodes one argument, counted from 0: `args.get::<String>(0)?`. One that the peer did not send reads as `null`, so
    /// that an `Option` takes it. The type may borrow from `self`.
    ///
    /// # Errors
    /// The argument is missing, or of another type: what was expected, and what was found.
    pub fn get<'a, T: Deserialize<'a>>(&'a self, index: usize) -> Result<T, ArgsError> {
        let mut args = self.view();
        for _ in 0..index {
            if !args.skip_next() {
                break;
            }
        }
        args.next()
    }

    /// The JSON array of the arguments; binary as `{"_placeholder":true,"num":n}`.
    ///
    /// (Of arguments that came in MessagePack it is made when it is asked for first.)
    pub fn json(&self) -> &str {
        self.view().json()
    }

    /// The arguments as JSON values; binary as placeholders, see [`attachments`](Self::attachments). A
    /// [`Value`](crate::Value) holds binary data itself: `args.parse::<Vec<sockeye::Value>>()`.
    ///
    /// Half of a surrogate pair, which JavaScript can send, is U+FFFD; a number beyond every float is `null`.
    pub fn values(&self) -> Vec<Value> {
        // The core's reader takes everything that has been accepted as a packet. Without attachments, placeholders
        // are objects like any other.
        ArgsRef::from_checked(self.json(), Attachments::EMPTY)
            .parse()
            .unwrap_or_default()
    }

    /// How many arguments there are.
    pub fn len(&self) -> usize {
        self.view().len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The attachments, in the order of their placeholders' numbers. Cheap clones of one buffer.
    pub fn attachments(&self) -> Vec<Bytes> {
        let args = self.view();
        match &self.form {
            Form::Text { records, .. } => {
                let attachments = args.attachments().iter();
                attachments.map(|bytes| records.slice_ref(bytes)).collect()
            }
            #[cfg(feature = "msgpack")]
            Form::Packed(packed) => {
                let binaries = args.packed_binaries();
                binaries
                    .map(|bytes| packed.items.slice_ref(bytes))
                    .collect()
            }
        }
    }
}

impl fmt::Debug for Args {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.json())?;
        match self.view().attachments().len() {
            0 => Ok(()),
            count => write!(f, " + {count} attachments"),
        }
    }
}

/// Two are equal if text and attachments are.
impl PartialEq for Args {
    fn eq(&self, other: &Self) -> bool {
        self.view() == other.view()
    }
}

impl<'a> FromArgs<'a> for Args {
    fn from_args(args: &mut ArgsRef<'a>) -> Result<Self, ArgsError> {
        Ok(Self::from_ref(args))
    }
}

impl EmitArgs for Args {
    fn write_to<S: sockeye_core::packet::Sink>(
        &self,
        writer: &mut sockeye_core::packet::ArgsWriter<'_, S>,
    ) -> Result<(), sockeye_core::packet::Fail> {
        self.view().write_to(writer)
    }
}

/// An event from the server, or (in [`on_any_outgoing`](crate::Socket::on_any_outgoing)) to it.
#[derive(Clone)]
pub struct Event {
    pub(crate) name: Box<str>,
    pub(crate) args: Args,
    pub(crate) responder: Responder,
}

impl Event {
    /// The event's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its arguments.
    pub const fn args(&self) -> &Args {
        &self.args
    }

    /// Decodes the arguments as a tuple; see [`Args::parse`].
    ///
    /// # Errors
    /// Which argument does not fit, and why.
    pub fn parse<'a, T: FromArgs<'a>>(&'a self) -> Result<T, ArgsError> {
        self.args.parse()
    }

    /// Answers the event, if the server asked for it.
    pub fn responder(&self) -> Responder {
        self.responder.clone()
    }
}

impl fmt::Debug for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Event")
            .field("name", &self.name)
            .field("args", &self.args)
            .finish_non_exhaustive()
    }
}
