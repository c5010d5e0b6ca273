//! See `sockeye_testkit::fuzz::packed`.
#![no_main]

sockeye_fuzz::target!(sockeye_testkit::fuzz::packed);
