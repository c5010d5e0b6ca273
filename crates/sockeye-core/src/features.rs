//! What is compiled in, as values: code behind them is checked in every build, and left out of images without them.

/// Whether long-polling is compiled in.
pub(crate) const POLLING: bool = cfg!(feature = "polling");

/// Whether the `retries` queue is compiled in.
pub(crate) const RETRIES: bool = cfg!(feature = "retries");
/// Whether connection state recovery is compiled in.
pub(crate) const RECOVERY: bool = cfg!(feature = "recovery");

/// Whether packets may have attachments. Without it none can be made, and one that announces some is a parse error.
pub(crate) const BINARY: bool = cfg!(any(feature = "alloc", feature = "binary"));

/// Whether there is what drivers may want, and that of devices does not: see the feature `extras`.
pub(crate) const EXTRAS: bool = cfg!(any(feature = "alloc", feature = "extras"));

/// Whether errors are told in whole sentences, or by their codes.
pub(crate) const MESSAGES: bool = cfg!(any(feature = "alloc", feature = "messages"));

/// Whether older servers (Engine.IO 3) are understood: as for [`POLLING`].
pub(crate) const EIO3: bool = cfg!(feature = "eio3");
