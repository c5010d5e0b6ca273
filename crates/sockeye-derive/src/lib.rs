//! `#[derive(Event)]` of Sockeye: use it by way of `sockeye`, `sockeye-embedded` or `sockeye-core`, which each re-export
//! theirs as `Event` (feature `derive`).

mod attributes;
mod expand;
mod name;

use proc_macro::TokenStream;

#[doc = include_str!("event.md")]
#[proc_macro_derive(HostEvent, attributes(event))]
pub fn host_event(input: TokenStream) -> TokenStream {
    expand::derive(input.into(), "::sockeye").into()
}

/// Makes a type an event of its own: its name, its arguments and its acknowledgement.
///
/// ```
/// use serde::{Deserialize, Serialize};
/// use sockeye_embedded::{BinRef, Event, Handlers, TypedEvent};
///
/// #[derive(Event, Serialize, Deserialize)]
/// #[event(ack = (bool,))]
/// struct Led { on: bool }
///
/// /// Two arguments, which are read where they lie.
/// #[derive(Event)]
/// struct Frame<'a>(u32, BinRef<'a>);
///
/// let handlers = Handlers::new()
///     .on_event(|_, led: Led| (led.on,)) // the acknowledgement
///     .on(Frame::NAME, |_, event| {
///         let Frame(number, bytes) = event.args.parse()?;
///         // … what borrows is read by name …
///         Ok(())
///     });
/// # fn check(_: impl sockeye_embedded::Handler) {}
/// # check(handlers);
/// ```
///
/// What can be said in `#[event(…)]`, and how arguments are made of fields, is the same as in the crate `sockeye`:
///
/// | | |
/// |---|---|
/// | `name = "…"` | the event's name; by default that of the type, in snake case |
/// | `ack = (A, B)` | what it is acknowledged with, as a tuple; by default nothing |
/// | `args` | each field is an argument of its own: the default of tuple structs |
/// | `value` | the whole is one argument, as serde writes it: the default of structs with named fields, and of enums |
/// | `crate = "path"` | where this crate is, if it has another name |
#[proc_macro_derive(EmbeddedEvent, attributes(event))]
pub fn embedded_event(input: TokenStream) -> TokenStream {
    expand::derive(input.into(), "::sockeye_embedded").into()
}

/// Makes a type an event of its own: its name, its arguments and its acknowledgement. See `TypedEvent`; what can be said in
/// `#[event(…)]` is the same as in the crates `sockeye` and `sockeye-embedded`.
#[proc_macro_derive(CoreEvent, attributes(event))]
pub fn core_event(input: TokenStream) -> TokenStream {
    expand::derive(input.into(), "::sockeye_core").into()
}
