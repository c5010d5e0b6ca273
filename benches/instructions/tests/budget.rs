//! What an event costs a host, in instructions, held against `budget.txt`. `cargo xtask test --part instructions` runs it.
//!
//! Counted by callgrind, as the difference of a run and one of twice its length, so that start-up cancels out: the same
//! number each time. `SOCKEYE_BLESS=1` writes the file anew.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

/// A row may take so many hundredths more than its budget says: what another C library, a processor with other vector
/// instructions (by which the C library chooses how it copies), or another order of functions costs.
const MARGIN: f64 = 10.0;
/// Below by so many, a budget is said to be out of date.
const OUT_OF_DATE: f64 = 5.0;

/// The shorter run.
const COUNT: u64 = 2000;

fn file() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("budget.txt")
}

/// Why nothing can be said here.
fn missing() -> Option<String> {
    if cfg!(debug_assertions) {
        return Some("instructions are counted with --release".to_owned());
    }
    if !cfg!(all(target_arch = "x86_64", target_os = "linux")) {
        return Some("the budget is for Linux on x86-64".to_owned());
    }
    let version = |program: &str| {
        let output = Command::new(program).arg("--version").output().ok()?;
        Some(String::from_utf8_lossy(&output.stdout).into_owned())
    };
    if version("valgrind").is_none() {
        return Some("valgrind is not installed (sudo apt-get install valgrind)".to_owned());
    }
    let rustc = version("rustc").unwrap_or_default();
    let minimum = env!("CARGO_PKG_RUST_VERSION");
    (!rustc.starts_with(&format!("rustc {minimum}."))).then(|| {
        format!(
            "the budget is for Rust {minimum}, and this is {}",
            rustc.trim()
        )
    })
}

/// Instructions of a whole run.
fn count(client: &str, row: &str, events: u64) -> u64 {
    let mut valgrind = Command::new("valgrind");
    valgrind.args(["--tool=callgrind", "--callgrind-out-file=/dev/null"]);
    valgrind.arg(env!("CARGO_BIN_EXE_bench-instructions"));
    valgrind.args([client, row, &events.to_string()]);
    // `rep movsb` and `rep stosb` would count as one instruction a byte: by vector moves instead.
    let tunables =
        "glibc.cpu.x86_rep_movsb_threshold=1073741824:glibc.cpu.x86_rep_stosb_threshold=1073741824";
    let output = valgrind.env("GLIBC_TUNABLES", tunables).output();
    let output = output.expect("valgrind starts");
    let log = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{client} {row}: {log}");
    let number = log.lines().find_map(|line| {
        let (_, number) = line.split_once("Collected :")?;
        number.trim().parse().ok()
    });
    number.unwrap_or_else(|| panic!("valgrind counted nothing: {log}"))
}

/// A line of the file: client, row, and its figure.
fn budget(line: &str) -> Option<(&str, &str, f64)> {
    let words: Vec<&str> = line.split_whitespace().collect();
    match words[..] {
        [client, row, figure] => Some((client, row, figure.parse().ok()?)),
        _ => None,
    }
}

#[test]
#[ignore = "counts in release: cargo xtask test --part instructions"]
fn no_row_takes_more_than_its_budget() {
    if let Some(missing) = missing() {
        println!("skipped: {missing}");
        return;
    }
    let text = fs::read_to_string(file()).expect("the budget");
    let bless = std::env::var_os("SOCKEYE_BLESS").is_some();
    let (mut written, mut over) = (String::new(), Vec::new());
    println!("instructions an event        measured   budget");
    for line in text.lines() {
        if line.is_empty() || line.starts_with('#') {
            written += &format!("{line}\n");
            continue;
        }
        let (client, row, most) = budget(line).unwrap_or_else(|| panic!("not a budget: {line}"));
        let both = [COUNT, 2 * COUNT].map(|events| count(client, row, events));
        let measured = both[1].saturating_sub(both[0]) as f64 / COUNT as f64;
        println!(
            "{:<28} {measured:>8.0} {most:>8.0}",
            format!("{client} {row}")
        );
        let percent = (measured / most - 1.0) * 100.0;
        if percent > MARGIN {
            over.push(format!(
                "{client} {row}: {measured:.0}, {percent:.1} % more than {most}"
            ));
        } else if percent < -OUT_OF_DATE {
            println!("(less than before: SOCKEYE_BLESS=1 lowers the budget)");
        }
        written += &format!("{client:<7} {row:<7} {measured:.0}\n");
    }
    if bless {
        fs::write(file(), written).expect("the budget is written");
        return;
    }
    assert!(
        over.is_empty(),
        "{}\nMeant? SOCKEYE_BLESS=1 cargo xtask test --part instructions writes {}, and the commit says why.",
        over.join("\n"),
        file().display()
    );
}
