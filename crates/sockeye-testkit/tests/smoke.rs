//! The fuzz targets over generated inputs and over the committed seeds: a smoke run on stable.

use std::path::Path;

use sockeye_testkit::Seeded;
use sockeye_testkit::fuzz::TARGETS;

/// What inputs are made of: pieces that mean something, cut and joined at random.
const PIECES: [&[u8]; 43] = [
    b"HTTP/1.1 200 OK\r\n",
    b"HTTP/1.1 101 X\r\n",
    b"HTTP/1.1 400 Bad Request\r\n",
    b"Content-Length: 12\r\n",
    b"Content-Length: 99999999999\r\n",
    b"Transfer-Encoding: chunked\r\n",
    b"Connection: close\r\n",
    b"Keep-Alive: timeout=1\r\n",
    b"Set-Cookie: a=b; Max-Age=3\r\n",
    b"Location: /x\r\n",
    b"\r\n",
    b"5\r\nhello\r\n",
    b"ffffffffffffffff\r\n",
    b"0\r\n\r\n",
    b"0{\"sid\":\"E1\",\"upgrades\":[\"websocket\"],\"pingInterval\":300,\"pingTimeout\":200}",
    b"0{\"sid\":\"E1\"}",
    b"\x1e",
    b"2",
    b"3",
    b"1",
    b"6",
    b"40{\"sid\":\"S1\"}",
    b"40{\"sid\":\"S1\",\"pid\":\"P1\"}",
    b"41",
    b"42[\"a\",1,\"off\"]",
    b"420[\"a\",{\"b\":[null,true,1.5e3]}]",
    b"430[\"x\"]",
    b"44{\"message\":\"no\",\"data\":1}",
    b"451-[\"b\",{\"_placeholder\":true,\"num\":0}]",
    b"452-/chat,7[\"b\",{\"_placeholder\":true,\"num\":1}]",
    b"bAQID",
    b"bAQ==",
    b"\x81\x05hello",
    b"\x81\x0642[\"a\"",
    b"\x82\x03\x01\x02\x03",
    b"\x89\x00",
    b"\x88\x02\x03\xe8",
    b"\x01\x0242",
    b"\x80\x05[\"a\"]",
    b"\x82\x7e\x01\x00",
    b"; server_no_context_takeover",
    b"\xc1\x07\xf2\x48\xcd\xc9\xc9\x07\x00",
    b"\xf2\x48\xcd\xc9\xc9\x07\x00",
];

fn generate(name: &str, seeded: &mut Seeded) -> Vec<u8> {
    let mut out = Vec::new();
    if matches!(name, "msgpack" | "packed") {
        if name == "packed" {
            out.push(seeded.next() as u8);
        }
        packed_packet(seeded, &mut out);
        for _ in 0..seeded.below(3) {
            // Some are broken.
            let at = seeded.below(out.len());
            out[at] = seeded.next() as u8;
        }
        return out;
    }
    if matches!(name, "client" | "dialogue" | "ws_frames") {
        // Commands are single bytes: any will do.
        let n = seeded.below(500);
        return (0..n).map(|_| seeded.next() as u8).collect();
    }
    for _ in 0..1 + seeded.below(30) {
        match seeded.below(4) {
            0 => out.push(seeded.next() as u8),
            1 => {
                let n = seeded.below(40);
                out.extend((0..n).map(|_| seeded.next() as u8));
            }
            _ => out.extend(PIECES[seeded.below(PIECES.len())]),
        }
    }
    out
}

/// A packet in MessagePack whose members are in any order.
fn packed_packet(seeded: &mut Seeded, out: &mut Vec<u8>) {
    let mut members: Vec<Vec<u8>> = vec![
        [b"\xa4type", &[seeded.below(6) as u8][..]].concat(),
        [
            &b"\xa3nsp"[..],
            [&b"\xa1/"[..], b"\xa5/chat"][seeded.below(2)],
        ]
        .concat(),
    ];
    if seeded.below(3) > 0 {
        members.push([b"\xa2id", &[seeded.below(3) as u8][..]].concat());
    }
    if seeded.below(4) > 0 {
        let mut data = b"\xa4data".to_vec();
        let n = seeded.below(6);
        data.push(0x91 + n as u8);
        data.extend(b"\xa1e");
        for _ in 0..n {
            packed_value(seeded, 4, &mut data);
        }
        members.push(data);
    }
    out.push(0x80 + members.len() as u8);
    while !members.is_empty() {
        out.extend(members.swap_remove(seeded.below(members.len())));
    }
}

fn packed_value(seeded: &mut Seeded, depth: usize, out: &mut Vec<u8>) {
    let marker = [
        0x00, 0x7f, 0xe0, 0xff, 0xa0, 0xa3, 0xbf, 0xc0, 0xc2, 0xc3, 0xc4, 0xc5, 0xc6, 0xc7, 0xc8,
        0xc9, 0xca, 0xcb, 0xcc, 0xcd, 0xce, 0xcf, 0xd0, 0xd1, 0xd2, 0xd3, 0xd4, 0xd5, 0xd6, 0xd7,
        0xd8, 0xd9, 0xda, 0xdb, 0x90, 0x93, 0x80, 0x82, 0xdc, 0xdd, 0xde, 0xdf,
    ][seeded.below(if depth == 0 { 34 } else { 42 })];
    out.push(marker);
    let len = match marker {
        0xa0..=0xbf => usize::from(marker & 0x1f),
        0xcc | 0xd0 => 1,
        0xcd | 0xd1 => 2,
        0xca | 0xce | 0xd2 => 4,
        0xcb | 0xcf | 0xd3 => 8,
        0xd4..=0xd8 => 1 + (1 << (marker - 0xd4)),
        0xc4..=0xc9 | 0xd9..=0xdb | 0xdc..=0xdf => {
            let len = seeded.below(6);
            let width = match marker {
                0xc4 | 0xc7 | 0xd9 => 1,
                0xc5 | 0xc8 | 0xda | 0xdc | 0xde => 2,
                _ => 4,
            };
            out.extend(&(len as u32).to_be_bytes()[4 - width..]);
            if (0xc7..=0xc9).contains(&marker) {
                out.push(seeded.below(3) as u8);
            }
            len
        }
        _ => 0,
    };
    let (values, keyed) = match marker {
        0x90..=0x9f => (usize::from(marker & 0x0f), false),
        0x80..=0x8f => (usize::from(marker & 0x0f), true),
        0xdc | 0xdd => (len, false),
        0xde | 0xdf => (len, true),
        _ => {
            out.extend((0..len).map(|_| seeded.next() as u8));
            return;
        }
    };
    for _ in 0..values {
        if keyed {
            out.extend([0xa1, b'a' + seeded.below(26) as u8]);
        }
        packed_value(seeded, depth - 1, out);
    }
}

#[test]
fn generated_inputs() {
    // More rounds by hand: SMOKE_ROUNDS=100000 cargo test -p sockeye-testkit --release
    let rounds = std::env::var("SMOKE_ROUNDS")
        .ok()
        .and_then(|n| n.parse().ok())
        .unwrap_or(300);
    for &(name, target) in TARGETS {
        for seed in 0..rounds {
            let input = generate(name, &mut Seeded::new(seed));
            let run = std::panic::catch_unwind(|| target(&input));
            assert!(
                run.is_ok(),
                "{name} with seed {seed}: {}",
                input.escape_ascii()
            );
        }
    }
}

#[test]
fn the_seeds() {
    let seeds = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/seeds");
    let mut files = 0;
    for &(name, target) in TARGETS {
        for entry in std::fs::read_dir(seeds.join(name)).expect("a folder of seeds for each target")
        {
            let path = entry.expect("a directory entry").path();
            let input = std::fs::read(&path).expect("a seed");
            let run = std::panic::catch_unwind(|| target(&input));
            assert!(run.is_ok(), "{name} with {}", path.display());
            files += 1;
        }
    }
    assert!(files >= TARGETS.len());
}
