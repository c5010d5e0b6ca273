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
