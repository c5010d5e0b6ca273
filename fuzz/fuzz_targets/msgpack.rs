//! See `sockeye_testkit::fuzz::msgpack`.
#![no_main]

sockeye_fuzz::target!(sockeye_testkit::fuzz::msgpack);
