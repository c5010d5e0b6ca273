//! What the command does: one module for each subcommand.

pub(crate) mod completions;
pub(crate) mod connect;
#[cfg(feature = "demo")]
pub(crate) mod demo;
pub(crate) mod emit;
pub(crate) mod listen;
pub(crate) mod load;
pub(crate) mod man;
