//! See `sockeye_testkit::fuzz::http`.
#![no_main]

sockeye_fuzz::target!(sockeye_testkit::fuzz::http);
