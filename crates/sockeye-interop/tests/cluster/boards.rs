//! Emulated boards among the clients: `firmware/qemu-virt/src/bin/member.rs` over TLS to the same nginx. They say on their
//! UART what happens to them, which is read here into the same accounts as those of the other clients.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime};

use sockeye_boards::qemu::{self, Outcome, Running};
use sockeye_boards::riscv::{Firmware, Target};
use sockeye_boards::{FIRMWARE, PREPARED, missing};

use crate::fleet::{Account, Fleet, millis};

/// More than the whole test takes.
const LIMIT: Duration = Duration::from_secs(600);

/// A board that runs. Dropping it, as a test that fails does, switches it off.
pub(crate) struct Board {
    name: &'static str,
    pub(crate) account: Account,
    off: Arc<AtomicBool>,
    reader: Option<JoinHandle<Result<(Outcome, bool), String>>>,
}

/// The images, one of each instruction set; none where this machine lacks what boards need.
pub(crate) fn images() -> Vec<(Target, PathBuf)> {
    if let Some(missing) = missing() {
        assert!(std::env::var_os(PREPARED).is_none(), "{missing}");
        println!("skipped, the emulated boards: {missing}");
        return Vec::new();
    }
    let images = Target::ALL.into_iter();
    images
        .map(|target| (target, image(target).expect("an image")))
        .collect()
}

/// A board of each image, the second with `retries`.
pub(crate) fn start(
    images: &[(Target, PathBuf)],
    fleet: &Fleet,
    port: u16,
    ca: &[u8],
) -> Vec<Board> {
    let first = fleet.members.len();
    let boards = images.iter().enumerate().map(|(n, (target, image))| {
        let target = *target;
        let now = SystemTime::UNIX_EPOCH.elapsed().expect("a clock");
        let args = [
            ("port", port.to_string()),
            ("host", "127.0.0.1".to_owned()),
            ("time", now.as_secs().to_string()),
            ("client", (first + n).to_string()),
            ("retries", n.to_string()),
        ];
        let board = qemu::Board {
            image,
            target,
            args: &args,
            blob: ca,
            count: false,
            limit: LIMIT,
        };
        let account = Account {
            retries: n == 1,
            ..Account::default()
        };
        Board::new(
            target.name(),
            account,
            board.start().expect("QEMU starts"),
            fleet.started,
        )
    });
    boards.collect()
}

fn image(target: Target) -> Result<PathBuf, String> {
    let firmware = Firmware {
        folder: FIRMWARE,
        target,
        features: &["tls"],
        images: &["member"],
    };
    Ok(firmware.built()?.join("member"))
}

impl Board {
    fn new(name: &'static str, account: Account, board: Running, started: Instant) -> Self {
        let off = Arc::<AtomicBool>::default();
        let (reading, stop) = (account.clone(), Arc::clone(&off));
        let reader = std::thread::spawn(move || {
            // Of each event, by its number: when the one before it was emitted, which this one was not before.
            let mut emitted = vec![0];
            let hear = |line: &str| hear(line, &reading, &mut emitted, millis(started));
            board.finish_unless(hear, || stop.load(Ordering::Relaxed))
        });
        Self {
            name,
            account,
            off,
            reader: Some(reader),
        }
    }

    /// Switches it off; it must not have ended before, or have found something wrong.
    pub(crate) fn switch_off(&mut self) {
        self.off.store(true, Ordering::Relaxed);
        let Some(reader) = self.reader.take() else {
            return;
        };
        let (outcome, stopped) = reader
            .join()
            .expect("the reader does not panic")
            .expect("QEMU runs");
        let wrong = outcome.lines.iter().find(|line| line.contains("failed"));
        assert!(stopped && wrong.is_none(), "{}: {wrong:?}", self.name);
    }

    /// For people.
    pub(crate) fn summary(&self) -> String {
        let told = self.account.told.lock().unwrap();
        format!(
            "{}{}: {} events acknowledged, {} told as lost; {} joins, {} of them with a recovered session; {} news, {} doubled",
            self.name,
            if self.account.retries {
                ", with `retries`"
            } else {
                ""
            },
            told.acknowledged.len(),
            told.lost,
            told.joins,
            told.recovered,
            told.news,
            told.doubled
        )
    }
}

impl Drop for Board {
    fn drop(&mut self) {
        self.off.store(true, Ordering::Relaxed);
        // QEMU ends with the reader's thread. Whether that has panicked is what `switch_off` asks.
        if let Some(reader) = self.reader.take() {
            drop(reader.join());
        }
    }
}

/// A line of the UART.
fn hear(line: &str, account: &Account, emitted: &mut Vec<u64>, now: u64) {
    let words: Vec<&str> = line.split(' ').collect();
    let number = |text: &str| text.parse::<u64>().expect(line);
    let mut told = account.told.lock().unwrap();
    match words[..] {
        ["put", n] => {
            assert_eq!(number(n) + 1, emitted.len() as u64, "{line}");
            emitted.push(now);
        }
        ["acked", n] => {
            told.acknowledged.push(number(n));
            let at = usize::try_from(number(n)).expect(line);
            account
                .answered
                .fetch_max(emitted[at] + 1, Ordering::Relaxed);
        }
        ["lost", ..] => told.lost += 1,
        ["joined", recovered] => {
            told.joined(recovered == "1");
            account.connected.store(true, Ordering::Relaxed);
        }
        ["closed", ..] => {
            println!("    | {line}");
            account.connected.store(false, Ordering::Relaxed);
        }
        ["news", life, n] => told.news(life, number(n), now),
        _ => println!("    | {line}"),
    }
}
