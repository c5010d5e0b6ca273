//! See `sockeye_testkit::fuzz::client`.
#![no_main]

sockeye_fuzz::target!(sockeye_testkit::fuzz::client);
