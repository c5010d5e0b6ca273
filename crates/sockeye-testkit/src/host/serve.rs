//! The threads of a [`Host`](super::Host): one accepts, one keeps the server's time, and two serve each connection.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, PoisonError};
use std::thread;
use std::time::Duration;

use sockeye_core::Link;

use super::{Door, Out, Shared};
use crate::{Act, Frame, Request, frame};

/// What a connection is: a link of the session of a server.
type Seat = (Arc<Shared>, Link);

pub(super) fn accept(front: &Arc<Shared>, door: &Arc<Door>, listener: &TcpListener) {
    for stream in listener.incoming().flatten() {
        let _ = stream.set_nodelay(true);
        let Ok(ending) = stream.try_clone() else {
            continue;
        };
        let number = front.with(|state| {
            if state.ended {
                return None;
            }
            state.accepted += 1;
            state.open += 1;
            state.streams.insert(state.accepted, ending);
            Some(state.accepted)
        });
        let Some(number) = number else { return };
        let (front, door) = (Arc::clone(front), Arc::clone(door));
        thread::spawn(move || {
            let seat = connection(&front, &door, number, &stream);
            // Before it is told that the connection is over, it is.
            let _ = stream.shutdown(Shutdown::Both);
            drop(stream);
            if let Some((shared, link)) = seat {
                shared.with(|state| {
                    if state.is_current(link, number) {
                        state.links[link.index()] = None;
                        if !state.silent {
                            state.server.lost(link);
                        }
                    }
                });
            }
            front.with(|state| {
                state.streams.remove(&number);
                state.open -= 1;
            });
        });
    }
}

/// The server's own timers.
pub(super) fn tick(shared: &Shared) {
    loop {
        let now = shared.now();
        let mut state = shared.lock();
        if state.ended {
            return;
        }
        if !state.silent {
            let acts = state.server.tick(now);
            state.perform(acts);
        }
        let silent = state.silent;
        let wake = state.server.wake().filter(|_| !silent);
        let pause = wake.map_or(Duration::from_secs(3600), |at| {
            Duration::from_micros(at.as_micros().saturating_sub(now.as_micros()))
        });
        drop(shared.changed.wait_timeout(state, pause));
    }
}

/// Writes what the server sends, until it closes the connection or nobody reads.
fn write(front: &Shared, mut stream: &TcpStream, outs: &Receiver<Out>) {
    while let Ok(Out::Bytes(bytes, piece)) = outs.recv() {
        for piece in bytes.chunks(piece) {
            let mut rest = piece;
            while !rest.is_empty() {
                match stream.write(rest) {
                    Ok(n) if n > 0 => {
                        rest = &rest[n..];
                        front.with(|state| state.written += n);
                    }
                    _ => return,
                }
            }
        }
    }
}

/// Plays one connection to its end; what it was.
fn connection(front: &Arc<Shared>, door: &Door, number: usize, stream: &TcpStream) -> Option<Seat> {
    let (line, outs) = mpsc::channel();
    thread::scope(|scope| {
        scope.spawn(move || {
            write(front, stream, &outs);
            // The reading side ends too.
            let _ = stream.shutdown(Shutdown::Both);
        });
        let seat = read(front, door, number, stream, &line);
        // What is under way to a client that has gone is not waited for.
        let _ = line.send(Out::Close);
        let _ = stream.shutdown(Shutdown::Both);
        seat
    })
}

/// Reads what the client sends, and has it answered.
fn read(
    front: &Shared,
    door: &Door,
    number: usize,
    mut stream: &TcpStream,
    line: &Sender<Out>,
) -> Option<Seat> {
    let mut seat: Option<Seat> = None;
    let (mut upgraded, mut buffer, mut chunk) = (false, Vec::new(), vec![0; 16 << 10]);
    loop {
        let stalled = |state: &mut super::State| state.stalled && !state.ended;
        drop(
            front
                .changed
                .wait_while(front.lock(), stalled)
                .unwrap_or_else(PoisonError::into_inner),
        );
        let n = match stream.read(&mut chunk) {
            Ok(n) if n > 0 => n,
            _ => return seat,
        };
        buffer.extend_from_slice(&chunk[..n]);
        let mut used = 0;
        loop {
            let rest = &buffer[used..];
            match &seat {
                Some((shared, _)) if upgraded => {
                    let Some((frame, len)) = Frame::parse(rest) else {
                        break;
                    };
                    used += len;
                    take_frame(shared, number, frame, line);
                }
                _ => {
                    let Some((request, len)) = Request::parse(rest) else {
                        break;
                    };
                    used += len;
                    let link = match (request.method(), request.query("transport")) {
                        ("POST", _) => Link::Post,
                        (_, Some("websocket")) => Link::WebSocket,
                        _ => Link::Poll,
                    };
                    let shared = door.server(&request);
                    upgraded = take_request(&shared, number, link, request, line)?;
                    seat = Some((shared, link));
                }
            }
        }
        buffer.drain(..used);
    }
}

fn take_frame(shared: &Shared, number: usize, frame: Frame, line: &Sender<Out>) {
    shared.with(|state| {
        if state.silent {
            return;
        }
        if frame.mask.is_none() {
            let wrong = "a frame without a mask".into();
            state.server.violations.push(wrong);
        }
        // The next session has come meanwhile. A client that is leaving says its goodbye; one that goes on (its own broken
        // connection's request came late, and took the place) finds this link closed.
        if !state.is_current(Link::WebSocket, number) {
            if frame.first == 0x88 {
                let bye = self::frame(0x88, &frame.payload);
                let piece = bye.len();
                let _ = line.send(Out::Bytes(bye, piece));
            }
            let _ = line.send(Out::Close);
            return;
        }
        let acts = state.server.frame(shared.now(), &frame);
        state.frames.push(frame);
        state.perform(acts);
    });
}

/// Whether WebSocket frames follow; nothing if nobody is there to answer.
fn take_request(
    shared: &Shared,
    number: usize,
    link: Link,
    request: Request,
    line: &Sender<Out>,
) -> Option<bool> {
    let answer = |bytes: Vec<u8>| {
        let piece = bytes.len().max(1);
        let _ = line.send(Out::Bytes(bytes, piece));
    };
    shared.with(|state| {
        if state.away || state.ended {
            return None;
        }
        // A request of a session that has ended may come late, when the next one has begun: it does not take the place of
        // that one's link, and the refusal is for who asked.
        let stale = state.server.is_stale(&request);
        if !stale {
            state.links[link.index()] = Some((number, line.clone()));
        }
        state.requests.push(request.clone());
        if state.mute || state.silent {
            return Some(false);
        }
        if let Some(bytes) = state.hook.as_mut().and_then(|hook| hook(&request)) {
            answer(bytes);
            return Some(false);
        }
        let (acts, frames) = state.server.request(shared.now(), link, &request);
        if stale {
            for act in acts {
                if let Act::Bytes(_, bytes) = act {
                    answer(bytes);
                }
            }
        } else {
            state.perform(acts);
        }
        Some(frames)
    })
}
