//! `sockeye connect`
pub(crate) mod command;
pub(crate) const LONG_ABOUT: &str = "x";
