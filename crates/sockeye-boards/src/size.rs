//! `cargo xtask size`: what the client alone takes of a chip with the instruction set of the ESP32-C3.
//!
//! Flash and static RAM are differences of two small programs, with and without the client. Instructions are counted by
//! QEMU, one nanosecond each, so they repeat. The figures are held against `firmware/qemu-virt/budget.txt`, which is for images
//! with a library of their own: the one that rustup has for the target was compiled without the firmware's flags.

pub mod matrix;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::Duration;

use crate::FIRMWARE;
use crate::image;
use crate::node::Node;
use crate::qemu::Board;
use crate::riscv::{self, Firmware, Target};
use crate::{run, servers};

const LIMIT: Duration = Duration::from_secs(120);
/// The buffers that the user of the image `client` has sized: receive, send, answers, request head, two chunks.
const BUFFERS: u32 = 2048 + 1024 + 256 + 512 + 2 * 256;

/// Measures, prints the table, and fails above a budget. With `symbols`, it shows what takes the flash, too.
pub fn run(symbols: bool) -> Result<(), String> {
    servers::install()?;
    let target = Target::Imc;
    let firmware = Firmware {
        folder: FIRMWARE,
        target,
        features: &[],
        images: &["client", "no-client", "cost"],
    };
    let images = firmware.build()?;
    let path = |name: &str| images.join(name);
    if symbols {
        show_symbols(&path("client"), &path("no-client"))?;
    }
    let with = image::sizes(&path("client"))?;
    let without = image::sizes(&path("no-client"))?;

    let server = Node::scenarios(0, &[])?;
    let port = [("port", server.port.to_string()), ("seed", "1".to_owned())];
    let client = metrics(&path("client"), target, &port, false)?;
    let no_client = metrics(&path("no-client"), target, &port, false)?;
    let cost = metrics(&path("cost"), target, &[("seed", "1".to_owned())], true)?;
    let of = |metrics: &BTreeMap<String, u64>, name: &str| {
        let figure = metrics.get(name).copied();
        figure.ok_or_else(|| format!("the board did not report {name}"))
    };

    let rows = [
        Row {
            name: "flash",
            what: "flash (code and constants), B",
            figure: u64::from(with.flash - without.flash),
        },
        Row {
            name: "static_ram",
            what: "static RAM besides the buffers that the user sizes, B",
            figure: u64::from((with.ram - without.ram).saturating_sub(BUFFERS)),
        },
        Row {
            name: "stack",
            what: "stack high-water of the whole program, B",
            figure: of(&client, "stack_bytes")?,
        },
        // The image links no allocator: it would not link if anything wanted a heap.
        Row {
            name: "heap",
            what: "heap high-water, B",
            figure: 0,
        },
        Row {
            name: "event",
            what: "instructions for an event received and acknowledged",
            figure: of(&cost, "event_instructions")?,
        },
        Row {
            name: "struct_event",
            what: "instructions for an event received with a struct of three fields",
            figure: of(&cost, "struct_event_instructions")?,
        },
        Row {
            name: "emit",
            what: "instructions for an emit with a struct of three fields",
            figure: of(&cost, "emit_instructions")?,
        },
        Row {
            name: "ack",
            what: "instructions for such an emit and its acknowledgement",
            figure: of(&cost, "ack_instructions")?,
        },
    ];
    println!(
        "\nwith the client: flash {} B, RAM {} B; without: flash {} B, RAM {} B, stack {} B; buffers {BUFFERS} B; idle poll {} instructions\n",
        with.flash,
        with.ram,
        without.flash,
        without.ram,
        of(&no_client, "stack_bytes")?,
        of(&cost, "idle_poll_instructions")?,
    );
    let budget = budget()?;
    let mut over = Vec::new();
    println!(
        "| the client alone, riscv32imc, opt-level \"s\", WebSocket alone, no TLS | measured | budget |\n|---|--:|--:|"
    );
    for Row { name, what, figure } in &rows {
        let most = budget
            .get(*name)
            .ok_or_else(|| format!("budget.txt has no `{name}`"))?;
        println!("| {what} | {figure} | {most} |");
        if figure > most {
            over.push(format!("{what}: {figure}, the budget is {most}"));
        }
    }
    println!();
    if over.is_empty() {
        return Ok(());
    }
    let over = format!("over budget: {}", over.join("; "));
    if riscv::has_foreign_library(target)? {
        println!(
            "{over}\nNot counted as a failure: rustup's library for {} is in these images, and the budget is for one that is compiled \
             along (`rustup component add rust-src` and `rustup target remove {0}`, or Debian's rustc-web and rust-web-src)",
            target.triple()
        );
        return Ok(());
    }
    Err(over)
}

struct Row {
    name: &'static str,
    what: &'static str,
    figure: u64,
}

fn metrics(
    image: &Path,
    target: Target,
    args: &[(&str, String)],
    count: bool,
) -> Result<BTreeMap<String, u64>, String> {
    let board = Board {
        image,
        target,
        args,
        blob: &[],
        count,
        limit: LIMIT,
    };
    let outcome = board.start()?.finish(|_| ())?.success()?;
    let metrics = outcome.metrics();
    Ok(metrics
        .into_iter()
        .map(|(name, figure)| (name.to_owned(), figure))
        .collect())
}

/// `name figure` lines; `#` begins a comment.
fn budget() -> Result<BTreeMap<String, u64>, String> {
    let path = run::root().join(FIRMWARE).join("budget.txt");
    let text = fs::read_to_string(&path)
        .map_err(|error| format!("cannot read {}: {error}", path.display()))?;
    let lines = text
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines
        .map(|line| {
            let pair = line.split_once(char::is_whitespace);
            let pair = pair
                .and_then(|(name, figure)| Some((name.to_owned(), figure.trim().parse().ok()?)));
            pair.ok_or_else(|| format!("budget.txt: `{line}` is not a name and a number"))
        })
        .collect()
}

/// Parts of names by which symbols are grouped; the first that fits counts.
const GROUPS: &[(&str, &str)] = &[
    (
        "12sockeye_core6engine",
        "sockeye-core, engine: sessions, HTTP, WebSocket",
    ),
    (
        "12sockeye_core6outbox",
        "sockeye-core, outbox: packets to send",
    ),
    (
        "12sockeye_core6client",
        "sockeye-core, client (with what of the engine lies in it)",
    ),
    ("12sockeye_core6packet", "sockeye-core, packets and JSON"),
    ("12sockeye_core", "sockeye-core, the rest"),
    ("16sockeye_embedded", "sockeye-embedded"),
    ("4sha1", "sha1"),
    ("6base64", "base64"),
    ("17compiler_builtins", "compiler-builtins"),
    ("4core", "core: formatting, UTF-8 and the like"),
    ("11embassy_net", "embassy-net, smoltcp"),
    ("7smoltcp", "embassy-net, smoltcp"),
];

/// What has been added by the client, by group, from the symbol tables.
fn show_symbols(with: &Path, without: &Path) -> Result<(), String> {
    let mut groups: BTreeMap<&str, i64> = BTreeMap::new();
    for (path, sign) in [(with, 1), (without, -1)] {
        for (name, size) in image::symbols(path)? {
            let group = GROUPS.iter().find(|(part, _)| name.contains(part));
            let group = group.map_or("the program itself, and what has no name", |(_, group)| {
                group
            });
            *groups.entry(group).or_default() += sign * i64::from(size);
        }
    }
    let mut groups: Vec<_> = groups.into_iter().collect();
    groups.sort_by_key(|(_, size)| -size);
    println!("\nsymbols in flash, with the client minus without:");
    for (group, size) in groups {
        println!("{size:>8} B  {group}");
    }
    Ok(())
}
