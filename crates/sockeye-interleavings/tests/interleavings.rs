//! The seam between handles, driver and dispatchers in every order of its threads, to the bound that
//! `crates/sockeye/src/interleavings.rs` states. Every model is explained there.

use sockeye_interleavings::interleavings as models;

macro_rules! tests {
    ($($name:ident)+) => {
        $(
            #[test]
            fn $name() {
                models::$name();
            }
        )+
    };
}

tests! {
    the_last_handle_ends_the_driver
    a_weak_handle_meets_the_end
    a_namespace_is_asked_for_while_it_is_forgotten
    what_was_emitted_goes_before_the_goodbye
    an_answer_meets_the_end_of_its_future
    the_end_is_told_to_who_waits
    two_calls_of_connect
    two_flushes
    two_threads_wait_for_room
    a_stream_sees_the_end
}
