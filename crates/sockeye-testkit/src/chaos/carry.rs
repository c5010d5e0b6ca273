//! One connection through the proxy, from its first byte to its fate.

use std::net::SocketAddr;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::sync::watch;
use tokio::time::{sleep, timeout};

use super::fragments::Splitter;
use super::{Counts, End, Fate, Fault, Mood, Way};

/// How a direction has ended.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Ended {
    /// Its sender has ended it, and its receiver knows.
    Closed,
    /// One side is gone.
    Gone,
    /// The bytes before the fault have been forwarded.
    Fault,
}

/// Carries one connection to its end.
pub(super) async fn carry(
    mut client: TcpStream,
    server: SocketAddr,
    fate: Fate,
    counts: &Counts,
    mood: watch::Receiver<Mood>,
) {
    let Ok(mut server) = TcpStream::connect(server).await else {
        let _ = client.set_zero_linger();
        return;
    };
    for stream in [&client, &server] {
        let _ = stream.set_nodelay(true);
    }
    let (left, down) = match fate.fault {
        Some(Fault {
            way: Way::Up,
            after,
            ..
        }) => (Some(after), None),
        Some(Fault { after, .. }) => (None, Some(after)),
        None => (None, None),
    };
    let broken = {
        let (mut from_client, mut to_client) = client.split();
        let (mut from_server, mut to_server) = server.split();
        let straight = Fate {
            fragments: None,
            ..fate
        };
        let listening = mood.clone();
        let up = forward(
            &mut from_client,
            &mut to_server,
            &straight,
            left,
            counts,
            listening,
        );
        let down = forward(&mut from_server, &mut to_client, &fate, down, counts, mood);
        tokio::pin!(up, down);
        let (mut up_over, mut down_over) = (false, false);
        loop {
            let ended = tokio::select! {
                ended = &mut up, if !up_over => { up_over = true; ended }
                ended = &mut down, if !down_over => { down_over = true; ended }
            };
            match ended {
                Ended::Fault => {
                    // The other direction goes on as it is, with what it has read and not forwarded yet.
                    if let Some(still) = fate.half_close()
                        && !(up_over && down_over)
                    {
                        let other = async {
                            if up_over {
                                down.as_mut().await
                            } else {
                                up.as_mut().await
                            }
                        };
                        let _ = timeout(still, other).await;
                    }
                    break true;
                }
                Ended::Gone => break false,
                Ended::Closed if up_over && down_over => break false,
                Ended::Closed => (),
            }
        }
    };
    let reset = |client: &TcpStream, server: &TcpStream| {
        let _ = client.set_zero_linger();
        let _ = server.set_zero_linger();
    };
    let Some(Fault { end, .. }) = fate.fault.filter(|_| broken) else {
        // Whoever is left sees what a broken link looks like.
        reset(&client, &server);
        return;
    };
    match end {
        // (A half-closed one has had its time.)
        End::Reset | End::HalfClose(_) => (),
        End::Finish => {
            let _ = client.shutdown().await;
            let _ = server.shutdown().await;
            // Unread bytes would make a RST of the FIN.
            let mut sink = vec![0; 4096];
            let mut other = sink.clone();
            let drained = async {
                tokio::join!(
                    async { while let Ok(1..) = client.read(&mut sink).await {} },
                    async { while let Ok(1..) = server.read(&mut other).await {} },
                )
            };
            let _ = timeout(Duration::from_millis(500), drained).await;
            return;
        }
        End::Stall(still) => sleep(still).await,
        End::Dark(still) => {
            let _ = server.shutdown().await;
            sleep(still).await;
        }
    }
    reset(&client, &server);
}

/// Moves bytes in one direction, `left` of them if that is bounded.
async fn forward(
    from: &mut ReadHalf<'_>,
    to: &mut WriteHalf<'_>,
    fate: &Fate,
    mut left: Option<u64>,
    counts: &Counts,
    mut mood: watch::Receiver<Mood>,
) -> Ended {
    let mut splitter = fate.fragments.map(Splitter::new);
    let (mut buffer, mut split) = (vec![0; 16 * 1024], Vec::new());
    loop {
        if counts.calm.load(Ordering::SeqCst) {
            left = None;
        }
        if left == Some(0) {
            counts.broken.fetch_add(1, Ordering::SeqCst);
            if fate.half_close().is_some() {
                let _ = to.shutdown().await;
            }
            return Ended::Fault;
        }
        let n = match from.read(&mut buffer).await {
            Ok(0) => {
                let _ = to.shutdown().await;
                return Ended::Closed;
            }
            Ok(n) => n,
            Err(_) => return Ended::Gone,
        };
        let mut bytes = &buffer[..n];
        if let Some(splitter) = &mut splitter {
            split.clear();
            splitter.push(bytes, &mut split);
            bytes = &split;
        }
        let n = bytes.len();
        let n = left.map_or(n, |left| n.min(usize::try_from(left).unwrap_or(n)));
        if !fate.delay.is_zero() {
            sleep(fate.delay).await;
        }
        for piece in bytes[..n].chunks(fate.piece) {
            // (An error: the proxy is gone, and with it this connection.)
            let _ = mood.wait_for(|mood| *mood != Mood::Silent).await;
            if to.write_all(piece).await.is_err() {
                return Ended::Gone;
            }
            if !fate.pause.is_zero() {
                sleep(fate.pause).await;
            }
        }
        left = left.map(|left| left - n as u64);
    }
}
