//! Events as types: the name and the acknowledgement stand at the type of the arguments.

/// An event as a type: which name it has, what its arguments are, and what it is acknowledged with.
///
/// Its arguments go out by [`EmitArgs`](super::EmitArgs) and come in by [`FromArgs`](super::FromArgs), of which it has
/// one or both. `#[derive(Event)]` writes all of it (feature `derive`):
///
/// ```
/// # #[cfg(feature = "derive")] {
/// use serde::{Deserialize, Serialize};
/// use sockeye_core::packet::{Args, Attachments, Event, TypedEvent};
///
/// /// The event `led` with one argument, `{"on":true}`, acknowledged by a bool.
/// #[derive(Event, Serialize, Deserialize)]
/// #[event(ack = (bool,))]
/// struct Led { on: bool }
///
/// assert_eq!(Led::NAME, "led");
/// let args = Args::new(r#"[{"on":true}]"#, Attachments::EMPTY)?;
/// assert!(args.parse::<Led>()?.on);
/// # }
/// # Ok::<(), sockeye_core::packet::ArgsError>(())
/// ```
///
/// By hand, for arguments that are read in a way of their own:
///
/// ```
/// use sockeye_core::packet::{Acknowledged, Args, ArgsError, FromArgs, TypedEvent};
///
/// struct Level(u8);
///
/// impl TypedEvent for Level {
///     const NAME: &'static str = "level";
///     type Ack = (bool,);
/// }
///
/// impl Acknowledged for Level {}
///
/// impl<'a> FromArgs<'a> for Level {
///     fn from_args(args: &mut Args<'a>) -> Result<Self, ArgsError> {
///         Ok(Self(args.next::<u8>()?.min(100)))
///     }
/// }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a typed event",
    label = "this has no event name",
    note = "give it one: `#[derive(Event)]`; events without a type of their own are handled and sent by name (`on`, `emit`)"
)]
pub trait TypedEvent {
    /// The event's name on the wire.
    const NAME: &'static str;

    /// What the event is acknowledged with: a tuple, one element an argument (`()` for an acknowledgement without any),
    /// or another type that is [`FromArgs`](super::FromArgs) where it is asked for and [`EmitArgs`](super::EmitArgs)
    /// where it is given; [`NoAck`] for an event that is not acknowledged.
    type Ack;
}

/// A [`TypedEvent`] that has an acknowledgement: what can be sent as a request. `#[derive(Event)]` makes it of an event with
/// `#[event(ack = …)]`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` has no acknowledgement, so that it cannot be sent as a request",
    label = "an event with an acknowledgement is expected",
    note = "say what it is acknowledged with, as a tuple: `#[event(ack = (bool,))]`, or `#[event(ack = ())]` for an empty one; or send it with `emit_event`"
)]
pub trait Acknowledged: TypedEvent {}

/// The acknowledgement of a [`TypedEvent`] that has none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoAck;

/// What `#[derive(Event)]` writes refers to these. Not for callers.
#[doc(hidden)]
pub mod derived {
    pub use crate::packet::json::write::{ArgsWriter, Fail, Sink};
    pub use crate::packet::{Acknowledged, Args, ArgsError, EmitArgs, FromArgs, NoAck, TypedEvent};
    pub use serde::{Deserialize, Serialize};
}
