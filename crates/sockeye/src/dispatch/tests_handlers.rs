//! Registration costs what it touches, not what there is.

use super::*;
use crate::dispatch::handler::{Settled, event_fn};

fn nothing() -> Box<EventFn> {
    event_fn(|()| ())
}

fn steps(work: impl FnOnce()) -> usize {
    STEPS.set(0);
    work();
    STEPS.get()
}

/// Registers and removes so many handlers, of as many events or of one; an event comes for every tenth.
fn load(count: usize, name: impl Fn(usize) -> String) -> usize {
    steps(|| {
        let handlers = Handlers::new();
        let mut listening = Listening::default();
        let ids: Vec<_> = (0..count)
            .map(|n| handlers.on(&name(n), nothing(), false))
            .collect();
        for n in (0..count).step_by(10) {
            listening.load(&handlers, &format!("event {n}"));
        }
        for id in ids {
            assert!(handlers.off(id));
            assert!(!handlers.off(id));
        }
        assert!(!handlers.has("event 0"));
        let table = lock(&handlers.table);
        assert!(table.events.is_empty() && table.places.is_empty());
    })
}

#[test]
fn twice_the_handlers_cost_twice_the_steps() {
    let by_name = |n: usize| format!("event {n}");
    let (one, two) = (load(4000, by_name), load(8000, by_name));
    assert!(one > 4000 && two <= 2 * one + 100, "{one} {two}");
    let same = |_: usize| "all".to_owned();
    let (one, two) = (load(4000, same), load(8000, same));
    assert!(one > 4000 && two <= 2 * one + 100, "{one} {two}");
}

#[test]
fn handlers_come_in_the_order_of_their_registration() {
    let handlers = Handlers::new();
    let ids: Vec<_> = (0..100)
        .map(|_| handlers.on("e", nothing(), false).0)
        .collect();
    handlers.off(HandlerId(ids[50]));
    let mut listening = Listening::default();
    listening.load(&handlers, "e");
    let order: Vec<_> = listening.entries.iter().map(|entry| entry.id).collect();
    let kept: Vec<_> = ids.iter().copied().filter(|id| *id != ids[50]).collect();
    assert_eq!(order, kept);
    // What is loaded stays until something changes.
    let loaded = steps(|| listening.load(&handlers, "e"));
    assert_eq!(loaded, 0);
    handlers.on("f", nothing(), false);
    assert_eq!(steps(|| listening.load(&handlers, "e")), 99);
}

#[test]
fn listeners_of_all_events_keep_their_order_and_are_removed_by_number() {
    let handlers = Handlers::new();
    let heard = Arc::new(Mutex::new(Vec::new()));
    let listener = |n: u32| -> Box<AnyFn> {
        let heard = Arc::clone(&heard);
        Box::new(move |_| lock(&heard).push(n))
    };
    let ids = [
        handlers.on_any(false, false, listener(2)),
        handlers.on_any(false, true, listener(1)),
        handlers.on_any(false, false, listener(3)),
        handlers.on_any(true, false, listener(9)),
        handlers.on_any(false, true, listener(0)),
    ];
    assert!(handlers.off(ids[2]) && !handlers.off(ids[2]));
    assert_eq!(lock(&handlers.table).any.len(), 3);
    handlers.off_any(false);
    assert!(lock(&handlers.table).any.is_empty());
    assert!(!handlers.off(ids[0]) && handlers.has_outgoing());
    assert!(handlers.off(ids[3]) && !handlers.has_outgoing());
    assert!(lock(&handlers.table).places.is_empty());
}

#[test]
fn a_notice_is_wanted_while_somebody_listens() {
    let handlers = Handlers::new();
    let all = [Kind::Connected, Kind::Disconnected, Kind::Other];
    let wanted = |handlers: &Handlers| all.map(|kind| handlers.wants(kind));
    assert_eq!(wanted(&handlers), [false; 3]);
    let id = handlers.on_notice(Kind::Disconnected, Box::new(|_, _| Settled::Now(Ok(()))));
    assert_eq!(wanted(&handlers), [false, true, false]);
    let (stream, _) = handlers.notice_stream(10);
    assert_eq!(wanted(&handlers), [true; 3]);
    handlers.off(id);
    assert_eq!(wanted(&handlers), [true; 3]);
    handlers.off(stream);
    assert_eq!(wanted(&handlers), [false; 3]);
    handlers.on_notice(Kind::Connected, Box::new(|_, _| Settled::Now(Ok(()))));
    handlers.clear();
    assert_eq!(wanted(&handlers), [false; 3]);
}
