use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::*;

/// A server that answers every byte by the same byte.
async fn echo() -> SocketAddr {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a port");
    let address = listener.local_addr().expect("an address");
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let (mut from, mut to) = stream.split();
                let _ = tokio::io::copy(&mut from, &mut to).await;
            });
        }
    });
    address
}

async fn answer(fate: Fate) -> (Vec<u8>, Result<(), io::ErrorKind>) {
    let chaos = Chaos::start(echo().await, move |_, _| fate)
        .await
        .expect("a port");
    let mut stream = TcpStream::connect(chaos.address())
        .await
        .expect("it listens");
    stream.write_all(b"0123456789").await.expect("sent");
    let mut got = Vec::new();
    let mut byte = [0];
    let ended = loop {
        match timeout(Duration::from_secs(10), stream.read(&mut byte)).await {
            Ok(Ok(0)) => break Ok(()),
            Ok(Ok(_)) => got.push(byte[0]),
            Ok(Err(error)) => break Err(error.kind()),
            Err(_) => panic!("nothing within 10 s"),
        }
        if got.len() == 10 {
            break Ok(());
        }
    };
    assert_eq!(chaos.broken(), u64::from(fate.fault.is_some()));
    (got, ended)
}

#[tokio::test]
async fn faults_come_at_their_byte() {
    let all = |after: u8| (b'0'..b'0' + after).collect::<Vec<u8>>();
    assert_eq!(answer(Fate::FAIR).await, (all(10), Ok(())));
    let slow = Fate {
        piece: 3,
        pause: Duration::from_millis(1),
        delay: Duration::from_millis(1),
        ..Fate::FAIR
    };
    assert_eq!(answer(slow).await, (all(10), Ok(())));
    for after in 0..9 {
        let down = |end| Fate::broken(Way::Down, after.into(), end);
        assert_eq!(answer(down(End::Finish)).await, (all(after), Ok(())));
        let half = down(End::HalfClose(Duration::from_millis(20)));
        assert_eq!(answer(half).await, (all(after), Ok(())));
        // (A RST may overtake what has not been read yet.)
        for end in [End::Reset, End::Stall(Duration::from_millis(5))] {
            let (got, ended) = answer(down(end)).await;
            assert!(all(after).starts_with(&got), "{got:?}");
            assert_eq!(ended, Err(io::ErrorKind::ConnectionReset));
        }
        // What comes back of what was let through; its end may come first.
        let (got, _) = answer(Fate::broken(Way::Up, after.into(), End::Finish)).await;
        assert!(all(after).starts_with(&got), "{got:?}");
    }
}

/// What is on its way in the other direction when one is closed arrives whole: a hole in it would be no bad network.
#[tokio::test]
async fn a_half_close_leaves_the_other_direction_whole() {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let fate = Fate {
        piece: 1,
        pause: Duration::from_millis(1),
        ..Fate::broken(Way::Down, 4, End::HalfClose(Duration::from_secs(10)))
    };
    let chaos = Chaos::start(address, move |_, _| fate)
        .await
        .expect("a port");
    let mut client = TcpStream::connect(chaos.address())
        .await
        .expect("it listens");
    let (mut server, _) = listener.accept().await.expect("a connection");
    let all: Vec<u8> = (0..200).collect();
    client.write_all(&all).await.expect("sent");
    let mut got = vec![0; 1];
    server.read_exact(&mut got).await.expect("the first byte");
    server.write_all(b"0123456789").await.expect("sent");
    let mut answer = Vec::new();
    client.read_to_end(&mut answer).await.expect("the end");
    assert_eq!((answer.as_slice(), chaos.broken()), (&b"0123"[..], 1));
    got.resize(all.len(), 0);
    server.read_exact(&mut got[1..]).await.expect("the rest");
    assert_eq!(got, all);
}

/// Also what becomes of all connections alike: a hole in what comes after a silence would be no bad network.
#[tokio::test]
async fn it_hangs_cuts_and_goes_on() {
    let chaos = Chaos::start(echo().await, |_, _| Fate::FAIR)
        .await
        .expect("a port");
    let connect = || TcpStream::connect(chaos.address());
    let mut stream = connect().await.expect("it listens");
    let mut byte = [0];
    stream.write_all(b"1").await.expect("sent");
    stream.read_exact(&mut byte).await.expect("an echo");
    chaos.hang();
    stream.write_all(b"2").await.expect("sent");
    let silence = timeout(Duration::from_millis(30), stream.read(&mut byte)).await;
    assert!(silence.is_err(), "{silence:?}");
    chaos.release();
    stream.read_exact(&mut byte).await.expect("an echo");
    assert_eq!(&byte, b"2");
    chaos.cut();
    assert!(matches!(stream.read(&mut byte).await, Ok(0) | Err(_)));
    let mut refused = connect().await.expect("it listens");
    assert!(matches!(refused.read(&mut byte).await, Ok(0) | Err(_)));
    chaos.release();
    let mut stream = connect().await.expect("it listens");
    stream.write_all(b"3").await.expect("sent");
    stream.read_exact(&mut byte).await.expect("an echo");
    assert_eq!((&byte, chaos.broken()), (b"3", 0));
}

/// The server knows at once, the client does not.
#[tokio::test]
async fn in_the_dark_the_server_alone_is_told() {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let dark = Fate::broken(Way::Up, 2, End::Dark(Duration::from_secs(3600)));
    let chaos = Chaos::start(address, move |_, _| dark)
        .await
        .expect("a port");
    let mut client = TcpStream::connect(chaos.address())
        .await
        .expect("it listens");
    client.write_all(b"123").await.expect("sent");
    let (mut server, _) = listener.accept().await.expect("a connection");
    let mut got = Vec::new();
    server.read_to_end(&mut got).await.expect("the end");
    assert_eq!(got, b"12");
    let silence = timeout(Duration::from_millis(30), client.read(&mut [0])).await;
    assert!(silence.is_err(), "{silence:?}");
}

#[test]
fn a_seed_says_it_all() {
    let weather = Weather {
        seed: 7,
        most: 4096,
        silent: true,
        rough: true,
    };
    let fates: Vec<Fate> = (0..500).map(|n| weather.fate(n)).collect();
    assert_eq!(fates, (0..500).map(|n| weather.fate(n)).collect::<Vec<_>>());
    let faults = || fates.iter().filter_map(|fate| fate.fault);
    assert!(faults().all(|fault| fault.after <= 4096));
    assert!(faults().any(|fault| fault.after < 8) && faults().any(|fault| fault.after > 2000));
    assert!(faults().any(|fault| matches!(fault.end, End::Stall(_))));
    assert!(faults().any(|fault| matches!(fault.end, End::HalfClose(_))));
    assert!(fates.iter().any(|fate| fate.piece < 20));
}
