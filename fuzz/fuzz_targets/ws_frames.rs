//! See `sockeye_testkit::fuzz::ws_frames`.
#![no_main]

sockeye_fuzz::target!(sockeye_testkit::fuzz::ws_frames);
