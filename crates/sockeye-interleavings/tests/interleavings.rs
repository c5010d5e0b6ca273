//! The seam between handles, driver and dispatchers in every order of its threads, to the bound that
//! `crates/sockeye/src/interleavings/mod.rs` states. Every model is explained there.

use sockeye_interleavings::interleavings as models;

macro_rules! tests {
    ($client:ident: $($name:ident)+) => {
        mod $client {
            $(
                #[test]
                fn $name() {
                    super::models::$client::$name();
                }
            )+
        }
    };
}

tests! {
    tokio:
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

tests! {
    blocking:
    the_bell_is_heard_and_then_silent
    every_task_of_the_pool_is_run
    the_last_handle_ends_the_thread
    a_weak_handle_meets_the_end
    the_last_handle_is_dropped_while_it_connects
    it_is_closed_while_it_connects
    two_threads_wait_for_answers
    the_end_is_told_to_who_waits
    a_refusal_is_told_to_who_waits
    two_calls_of_connect
    what_was_emitted_goes_before_the_goodbye
    two_threads_wait_for_room
    an_event_comes_while_the_thread_is_about_to_wait
}
