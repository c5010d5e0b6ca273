//! What may go straight, what waits, and what it costs.

use super::*;
use crate::waiters::{AckReceiver, ack_channel};
use std::task::{Context, Waker};

type Receiver = AckReceiver;

fn answer() -> (Answer, Receiver) {
    let (sender, receiver) = ack_channel();
    (
        Answer::Ack(sender, Err(AckError::Timeout { sent: true })),
        receiver,
    )
}

fn is_there(receiver: &mut Receiver) -> bool {
    let cx = Context::from_waker(Waker::noop());
    receiver.poll(&cx).is_ready()
}

/// The next load, as the dispatcher takes it.
fn taken(queue: &Queue) -> Load {
    let mut load = Load::default();
    assert_eq!(queue.take(&mut load), Some(true));
    load
}

#[test]
fn an_answer_goes_straight_when_nothing_waits() {
    let queue = Queue::new();
    assert!(queue.answer(answer().0).is_err());
    // Something comes first.
    queue.notice(&Notice::Upgraded);
    assert!(queue.answer(answer().0).is_ok());
    assert_eq!(queue.written(), Call::Start);
    // It is being worked through.
    let mut load = taken(&queue);
    assert_eq!((load.items.len(), queue.written()), (2, Call::No));
    assert!(queue.answer(answer().0).is_ok());
    assert_eq!(queue.written(), Call::No);
    load = taken(&queue);
    load.clear();
    // The dispatcher is idle.
    assert_eq!(queue.take(&mut load), Some(false));
    assert!(queue.answer(answer().0).is_err());
    queue.notice(&Notice::Upgraded);
    assert_eq!(queue.written(), Call::Wake);
    assert!(queue.answer(answer().0).is_ok());
}

#[test]
fn what_is_being_written_is_not_taken_before_it_is_handed_over() {
    let queue = Queue::new();
    let mut load = Load::default();
    queue.notice(&Notice::Upgraded);
    assert_eq!(queue.written(), Call::Start);
    drop(taken(&queue));
    queue.notice(&Notice::Upgraded);
    assert_eq!(queue.take(&mut load), Some(false));
    assert_eq!(queue.written(), Call::Wake);
    assert_eq!(queue.take(&mut load), Some(true));
}

#[test]
fn answers_pass_a_pending_handler_in_their_order_and_once() {
    let queue = Queue::new();
    let (first, mut first_there) = answer();
    let (second, mut second_there) = answer();
    queue.notice(&Notice::Upgraded);
    queue.answer(first).ok().unwrap();
    queue.written();
    let mut load = taken(&queue);
    queue.answer(second).ok().unwrap();
    queue.notice(&Notice::Upgraded);
    queue.written();
    assert!(!is_there(&mut first_there) && !is_there(&mut second_there));
    queue.let_pass(false);
    assert!(is_there(&mut first_there) && is_there(&mut second_there));
    // From now on they pass by themselves, and notices do not.
    assert!(queue.answer(answer().0).is_err());
    assert_eq!(queue.written(), Call::No);
    queue.go_on();
    assert!(load.notices.take_turn().is_some());
    assert!(queue.take_turn().is_none());
    let mut load = taken(&queue);
    assert!(queue.take_turn().is_none());
    assert!(load.notices.take_turn().is_some());
}

#[test]
fn notices_pass_a_full_stream() {
    let queue = Queue::new();
    queue.notice(&Notice::Upgraded);
    queue.notice(&Notice::ReconnectFailed);
    queue.written();
    let mut load = taken(&queue);
    load.notices.take_turn().unwrap();
    queue.let_pass(true);
    assert!(load.notices.next_early().is_some());
    assert!(load.notices.next_early().is_none());
    queue.notice(&Notice::Upgraded);
    assert!(
        queue.early_notice().is_none(),
        "it has not been handed over"
    );
    assert_eq!(queue.written(), Call::Wake);
    assert!(queue.early_notice().is_some() && queue.early_notice().is_none());
    // Their turns come, and find nothing.
    assert!(load.notices.take_turn().is_none());
    queue.go_on();
    let mut load = taken(&queue);
    assert!(load.notices.take_turn().is_none());
}

#[test]
fn pings_without_end_are_one_entry() {
    let queue = Queue::new();
    let mut bytes = 0;
    for _ in 0..1_000_000 {
        bytes += queue.notice(&Notice::Ping).0;
    }
    queue.written();
    let mut load = taken(&queue);
    assert_eq!((load.items.len(), bytes), (1, ENTRY));
    assert_eq!(load.notices.take_turn().unwrap().times, 1_000_000);
}

#[test]
fn an_entry_is_counted_for_at_least_what_it_takes() {
    assert!(size_of::<Item>() <= ENTRY);
}

#[test]
fn memory_goes_back_after_a_burst() {
    let queue = Queue::new();
    for n in 0..100_000 {
        queue.notice(&Notice::ReconnectAttempt(n));
    }
    queue.written();
    let mut load = taken(&queue);
    load.clear();
    assert_eq!(load.items.capacity(), 0);
    assert_eq!(queue.take(&mut load), Some(false));
    let mut inner = lock(&queue.inner);
    assert_eq!(inner.load().items.capacity(), 0);
    drop(inner);
    // A little is kept for the next events.
    queue.notice(&Notice::Upgraded);
    queue.written();
    load = taken(&queue);
    load.clear();
    assert!(load.items.capacity() > 0);
}

#[test]
fn the_end_finds_out_who_does_the_last_things() {
    let queue = Queue::new();
    assert!(queue.end(), "there is no dispatcher");
    let queue = Queue::new();
    queue.notice(&Notice::Upgraded);
    queue.written();
    assert!(!queue.end());
    let mut load = taken(&queue);
    assert_eq!(queue.take(&mut load), None);
    let (rest, ended) = queue.take_rest();
    assert!(rest.items.is_empty() && ended);
    queue.notice(&Notice::Upgraded);
    assert_eq!(queue.written(), Call::Flush);
    assert!(queue.answer(answer().0).is_err());
}

#[test]
fn what_is_no_text_spoils_nothing_else() {
    assert_eq!(text("aé🐟".into()), "aé🐟");
    // Each part stays where it was.
    for bytes in [
        &b"ab\xffcd"[..],
        b"\xe2\x82ab",
        b"\xf0\x9f\x90",
        b"\xc3\xa9\xa9x\xed\xa0\x80",
    ] {
        let mended = text(bytes.to_vec());
        assert_eq!(mended.len(), bytes.len());
        for (i, byte) in bytes.iter().enumerate().filter(|(_, byte)| byte.is_ascii()) {
            assert_eq!(mended.as_bytes()[i], *byte);
        }
    }
}
