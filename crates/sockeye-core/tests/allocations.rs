//! In steady state nothing is allocated: neither for an event that is read by borrow, nor for an emit. And what is
//! allocated stays within the limits.

use allocation_counter::measure;
use sockeye_core::packet::{BinRef, Text};
use sockeye_core::{
    Client, Config, EmitOptions, Entropy, Event, Instant, Link, NamespaceId, NspOptions, Output,
    Storage, Timestamp, Transports, text,
};
use sockeye_testkit::{Request, accept_key, frame};

fn config(transports: Transports) -> Config<'static> {
    let mut config = Config::new(text("h"), Entropy::Seed(1));
    config.transports = transports;
    config.timestamp = Timestamp::Never;
    config
}

/// A driver that allocates nothing: it drops what is written, but for the first request.
fn drain(client: &mut Client<'_>, request: &mut Vec<u8>, mut app: impl FnMut(Event<'_>)) {
    loop {
        match client.poll_output() {
            Output::Open(link) => client.handle_opened(Instant::ZERO, link),
            Output::Transmit(link) => {
                let bytes = client.transmit(link);
                let n = bytes.len();
                if request.capacity() > 0 {
                    request.extend_from_slice(bytes);
                }
                client.transmitted(link, n);
            }
            Output::Close(_) => (),
            Output::Event(event) => app(event),
            Output::Idle(_) => return,
        }
    }
}

fn feed(client: &mut Client<'_>, mut bytes: &[u8], mut app: impl FnMut(&Event<'_>)) {
    while !bytes.is_empty() {
        let room = client.receive_buf(Link::WebSocket);
        let n = bytes.len().min(room.len());
        room[..n].copy_from_slice(&bytes[..n]);
        bytes = &bytes[n..];
        client.handle_received(Instant::ZERO, Link::WebSocket, n);
        drain(client, &mut Vec::new(), |event| app(&event));
    }
}

fn joined(client: &mut Client<'_>) -> NamespaceId {
    joined_with(client, "")
}

fn joined_with(client: &mut Client<'_>, headers: &str) -> NamespaceId {
    joined_by(client, headers, frame(0x81, b"40{\"sid\":\"S1\"}"))
}

fn joined_by(client: &mut Client<'_>, headers: &str, reply: Vec<u8>) -> NamespaceId {
    let nsp = client.namespace("/", NspOptions::default()).unwrap();
    client.connect(Instant::ZERO, nsp);
    let mut bytes = Vec::with_capacity(1);
    drain(client, &mut bytes, |_| ());
    let (request, _) = Request::parse(&bytes).unwrap();
    let accept = accept_key(request.header("sec-websocket-key").unwrap());
    let answer = format!(
        "HTTP/1.1 101 X\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: {accept}\r\n{headers}\r\n"
    );
    for bytes in [
        answer.into_bytes(),
        frame(0x81, b"0{\"sid\":\"E1\"}"),
        reply,
    ] {
        feed(client, &bytes, |_| ());
    }
    assert!(client.is_connected(nsp));
    nsp
}

/// One of everything: events plain and binary, emits plain, binary and with answers.
fn steady(
    client: &mut Client<'_>,
    nsp: NamespaceId,
    frames: &[Vec<u8>],
    ack: &mut [u8],
    seen: &mut usize,
) {
    for bytes in frames {
        feed(client, bytes, |event| {
            if let Event::Message(message) = event {
                *seen += 1;
                if message.name == *"text" {
                    let (number, word): (u32, &str) = message.args.parse().unwrap();
                    assert_eq!((number, word), (7, "word"));
                } else {
                    let mut args = message.args;
                    let bytes: BinRef<'_> = args.next().unwrap();
                    let text: Text<'_> = args.next_text().unwrap();
                    assert!(bytes.0.len() == 200 && text == *"a\n");
                }
            }
        });
    }
    client
        .emit(
            Instant::ZERO,
            nsp,
            "plain",
            &(1, "two", 3.5),
            EmitOptions::PLAIN,
        )
        .unwrap();
    client
        .emit(
            Instant::ZERO,
            nsp,
            "binary",
            &(BinRef(&[5; 100]), 1),
            EmitOptions::PLAIN,
        )
        .unwrap();
    client
        .emit(Instant::ZERO, nsp, "asks", &("x",), EmitOptions::ACK)
        .unwrap();
    drain(client, &mut Vec::new(), |_| ());
    let before = *seen;
    feed(client, ack, |event| {
        *seen += usize::from(matches!(event, Event::Ack { result: Ok(_), .. }));
    });
    assert_eq!(*seen, before + 1);
    // The next answer has the next id: four digits, so that the frame keeps its length.
    for i in (0..4).rev() {
        let digit = &mut ack[4 + i];
        if *digit < b'9' {
            *digit += 1;
            break;
        }
        *digit = b'0';
    }
}

fn run(mut client: Client<'_>) -> u64 {
    let nsp = joined(&mut client);
    let mut binary = frame(
        0x81,
        b"451-[\"binary\",{\"_placeholder\":true,\"num\":0},\"a\\n\"]",
    );
    binary.extend(frame(0x82, &[9; 200]));
    let frames = vec![
        frame(0x81, b"42[\"text\",7,\"word\"]"),
        binary,
        frame(0x81, b"2"),
        frame(0x89, b"ping"),
    ];
    let mut ack = frame(0x81, b"430000[\"answer\"]");
    let mut seen = 0;
    for _ in 0..20 {
        steady(&mut client, nsp, &frames, &mut ack, &mut seen);
    }
    let counted = measure(|| {
        for _ in 0..500 {
            steady(&mut client, nsp, &frames, &mut ack, &mut seen);
        }
    });
    assert_eq!(seen, 520 * 3);
    counted.count_total
}

#[test]
fn none_in_fixed_memory() {
    let mut storage = Box::new(Storage::<2048, 2048>::new());
    let counted = measure(|| {
        let client = Client::new(config(Transports::WEBSOCKET), storage.memory());
        assert_eq!(client.send_queue_len(), 0);
    });
    assert_eq!(counted.count_total, 0, "a new client");
    assert_eq!(
        run(Client::new(config(Transports::WEBSOCKET), storage.memory())),
        0
    );
}

#[cfg(feature = "alloc")]
#[test]
fn none_in_growable_memory() {
    let config = config(Transports::WEBSOCKET);
    let memory = sockeye_core::Memory::growable(&config.limits);
    assert_eq!(run(Client::new(config, memory)), 0);
}

#[cfg(feature = "alloc")]
#[test]
fn memory_stays_within_the_limits_and_comes_back() {
    let mut config = config(Transports::WEBSOCKET);
    config.limits.receive = 100_000;
    config.limits.send = 50_000;
    config.limits.packets = 1_000;
    config.limits.acks = 100;
    let memory = sockeye_core::Memory::growable(&config.limits);
    let mut client = Client::new(config, memory);
    let mut nsp = None;
    let idle = measure(|| nsp = Some(joined(&mut client))).bytes_current;
    let nsp = nsp.unwrap();
    let large = vec![b'x'; 40_000];
    let mut input = Vec::new();
    for _ in 0..3 {
        let mut json = b"42[\"large\",\"".to_vec();
        json.extend(&large);
        json.extend(b"\"]");
        input.extend(frame(0x81, &json));
        input.extend(frame(0x81, &vec![b'4'; 500_000]));
    }
    let mut events = 0;
    let receiving = measure(|| feed(&mut client, &input, |_| events += 1));
    assert_eq!(events, 6);
    // The area itself, and the one it was moved from.
    let peak = receiving.bytes_max;
    assert!(
        peak > 40_000 && peak <= 2 * (100_000 + (64 << 10)),
        "receiving took {peak} bytes"
    );

    let args = (BinRef(&large[..900]),);
    let sending = measure(|| {
        while client
            .emit(Instant::ZERO, nsp, "b", &args, EmitOptions::PLAIN)
            .is_ok()
        {}
    });
    // The area, the one it was moved from, the table of packets, and what is encoded just now.
    let peak = sending.bytes_max;
    assert!(
        peak > 40_000 && peak <= 2 * 50_000 + 80 * 64 + 8_000,
        "sending took {peak} bytes"
    );

    let resting = measure(|| {
        drain(&mut client, &mut Vec::new(), |_| ());
        // The second ping finds that the client has been idle, and gives memory back.
        feed(&mut client, &frame(0x81, b"2"), |_| ());
        feed(&mut client, &frame(0x81, b"2"), |_| ());
    });
    let kept = receiving.bytes_current + sending.bytes_current + resting.bytes_current;
    assert!(
        kept <= 8_192,
        "{kept} bytes more are kept while idle than the {idle} at first"
    );
}

/// What a connection takes on which messages are compressed, beside what it takes anyway; and what is left of that when it has
/// been quiet. Printed for the guide: `cargo test -p sockeye-core --features deflate --test allocations -- --nocapture`.
/// In MessagePack neither: arguments go from serde to its bytes, and from these to serde. Each type is written and read once,
/// by what writes and reads MessagePack.
#[cfg(feature = "msgpack")]
#[test]
fn messagepack_makes_no_text() {
    use sockeye_core::{Memory, Parser};
    let mut config = config(Transports::WEBSOCKET);
    config.parser = Parser::MessagePack;
    let memory = Memory::growable(&config.limits);
    let mut client = Client::new(config, memory);
    let reply = sockeye_testkit::pack("40{\"sid\":\"S1\",\"pid\":\"P\"}", &[]).unwrap();
    let nsp = joined_by(&mut client, "", frame(0x82, &reply));
    let pack = |text: &str, bytes: &[&[u8]]| {
        let bytes: Vec<Vec<u8>> = bytes.iter().map(|bytes| bytes.to_vec()).collect();
        frame(0x82, &sockeye_testkit::pack(text, &bytes).unwrap())
    };
    let placeholder = "{\"_placeholder\":true,\"num\":0}";
    let event = format!("451-[\"e\",7,\"a\\n\",[{placeholder},null],{{\"x\":-1.5}},\"off\"]");
    let event = pack(&event, &[&[1, 2, 3]]);
    let mut turn = |n: u64| {
        let mut seen = 0;
        feed(&mut client, &event, |event| {
            let Event::Message(message) = event else {
                return;
            };
            let (spy, text, (bin, none), x, off) = message
                .args
                .parse::<(Spy, &str, (BinRef<'_>, Option<u8>), Point, &str)>()
                .unwrap();
            assert_eq!((spy.0, text, bin.0, none), (7, "a\n", &[1, 2, 3][..], None));
            assert_eq!((x.x, off), (-1.5, "off"));
            seen += 1;
        });
        let args = (Spy(8), "b\n", [Some(BinRef(&[4])), None], 0.1_f32);
        client
            .emit(Instant::ZERO, nsp, "plain", &args, EmitOptions::PLAIN)
            .unwrap();
        client
            .emit(Instant::ZERO, nsp, "asks", &args, EmitOptions::ACK)
            .unwrap();
        drain(&mut client, &mut Vec::new(), |_| ());
        let answer = pack(&format!("43{n}[9]"), &[]);
        let took = measure(|| {
            feed(&mut client, &answer, |event| {
                if let Event::Ack {
                    result: Ok(args), ..
                } = event
                {
                    assert_eq!(args.parse::<(Spy,)>().unwrap().0.0, 9);
                    seen += 1;
                }
            });
        });
        assert_eq!(seen, 2);
        took.count_total
    };
    for n in 0..100 {
        turn(n);
    }
    SERDE.take();
    let mut answers = 0;
    let all = measure(|| answers = turn(100));
    // (Its answer is made in between, for which the testkit allocates.)
    assert_eq!(answers, 0);
    let pack_alone = measure(|| drop(pack("43100[9]", &[])));
    // The list of what the types were given, and the text of the answer.
    assert!(
        all.count_total <= pack_alone.count_total + 8,
        "{all:?} {pack_alone:?}"
    );
    let by = SERDE.take();
    let expected = ["PackedDe", "Packer", "Packer", "PackedDe"];
    assert_eq!(by.len(), expected.len(), "{by:?}");
    for (by, expected) in by.iter().zip(expected) {
        assert!(
            by.contains("sockeye_core::packet::msgpack") && by.contains(expected),
            "{by}"
        );
    }
}

/// A number that notes by what it is written and read.
#[cfg(feature = "msgpack")]
struct Spy(u32);

#[cfg(feature = "msgpack")]
#[derive(serde::Deserialize)]
struct Point {
    x: f64,
}

#[cfg(feature = "msgpack")]
thread_local! {
    static SERDE: std::cell::RefCell<Vec<&'static str>> = const { std::cell::RefCell::new(Vec::new()) };
}

#[cfg(feature = "msgpack")]
impl serde::Serialize for Spy {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        SERDE.with_borrow_mut(|by| by.push(std::any::type_name::<S>()));
        serializer.serialize_u32(self.0)
    }
}

#[cfg(feature = "msgpack")]
impl<'de> serde::Deserialize<'de> for Spy {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        SERDE.with_borrow_mut(|by| by.push(std::any::type_name::<D>()));
        u32::deserialize(deserializer).map(Self)
    }
}

#[cfg(feature = "deflate")]
#[test]
fn what_compression_takes() {
    use flate2::{Compress, Compression, FlushCompress};

    let mut payload = Vec::with_capacity(100);
    Compress::new(Compression::default(), false)
        .compress_vec(b"42[\"x\"]", &mut payload, FlushCompress::Sync)
        .unwrap();
    payload.truncate(payload.len() - 4);
    let compressed = frame(0xc1, &payload);
    for (answer, kept_at_most) in [("", 48_000), ("; server_no_context_takeover", 4_096)] {
        let mut config = config(Transports::WEBSOCKET);
        config.compression = Some(sockeye_core::Compression::DEFAULT);
        let memory = sockeye_core::Memory::growable(&config.limits);
        let mut client = Client::new(config, memory);
        let headers = format!("Sec-WebSocket-Extensions: permessage-deflate{answer}\r\n");
        let mut nsp = None;
        let agreed = measure(|| nsp = Some(joined_with(&mut client, &headers))).bytes_current;
        let mut seen = 0;
        let receiving = measure(|| feed(&mut client, &compressed, |_| seen += 1)).bytes_current;
        assert_eq!(seen, 1);
        let text = "x".repeat(2000);
        let sending = measure(|| {
            client
                .emit(
                    Instant::ZERO,
                    nsp.unwrap(),
                    "x",
                    &(&*text,),
                    EmitOptions::PLAIN,
                )
                .unwrap();
            drain(&mut client, &mut Vec::new(), |_| ());
        })
        .bytes_current;
        let resting = measure(|| {
            feed(&mut client, &frame(0x81, b"2"), |_| ());
            feed(&mut client, &frame(0x81, b"2"), |_| ());
        })
        .bytes_current;
        let kept = receiving + sending + resting;
        println!(
            "permessage-deflate{answer}: {agreed} bytes when joined, {receiving} more for inflating, {sending} for compressing; {kept} of them are kept while idle"
        );
        assert!(
            agreed < 8_192,
            "{agreed} bytes before anything is compressed"
        );
        // (With the kilobyte that is read into: an idle connection has none.)
        assert!(receiving < 45_024, "inflating took {receiving} bytes");
        assert!(
            (100_000..450_000).contains(&sending),
            "compressing took {sending} bytes"
        );
        assert!(kept <= kept_at_most, "{kept} bytes are kept while idle");
    }
}
