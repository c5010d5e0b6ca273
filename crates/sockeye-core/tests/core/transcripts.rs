//! Sessions with real servers, recorded by `cargo run -p sockeye-testkit --example record`, played again.

use std::path::Path;

use sockeye_core::Storage;
use sockeye_testkit::transcript::{Transcript, transports};
use sockeye_testkit::{Rig, config};

fn each(mut test: impl FnMut(&Transcript)) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/transcripts");
    let mut count = 0;
    for entry in std::fs::read_dir(folder).expect("the folder of transcripts") {
        let path = entry.expect("an entry").path();
        let text = std::fs::read_to_string(&path).expect("a transcript");
        let transcript = Transcript::parse(&text)
            .unwrap_or_else(|| panic!("{} is no transcript", path.display()));
        assert_eq!(transcript.print(), text, "{}", path.display());
        println!("{}", path.display());
        test(&transcript);
        count += 1;
    }
    assert!(count >= 9, "{count} transcripts");
}

#[test]
fn in_fixed_memory() {
    each(|transcript| {
        let mut storage = Box::new(Storage::<8192, 4096, 8, 32, 4, 512>::new());
        let transports = transports(&transcript.kind).expect("a kind of transport");
        for detached in [false, true] {
            let mut rig = Rig::new(config(transports), storage.memory());
            rig.detached = detached;
            transcript.replay(&mut rig);
        }
    });
}

#[cfg(feature = "alloc")]
#[test]
fn in_growable_memory() {
    each(|transcript| {
        let transports = transports(&transcript.kind).expect("a kind of transport");
        let config = config(transports);
        let memory = sockeye_core::Memory::growable(&config.limits);
        transcript.replay(&mut Rig::new(config, memory));
    });
}
