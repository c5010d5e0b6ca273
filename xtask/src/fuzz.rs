//! A short run of every fuzz target, so that they keep building and a shallow fault is found.

use std::process::Command;

use crate::part::Report;
use crate::run;
use crate::tools::{self, Tool};

const CLANG: Tool = Tool {
    what: "clang",
    probe: &["clang", "--version"],
    packages: &["clang"],
};
const LIBFUZZER: Tool = Tool {
    what: "clang's libFuzzer",
    probe: &[
        "sh",
        "-c",
        "ls $(clang -print-resource-dir)/lib/linux/libclang_rt.fuzzer-*.a",
    ],
    packages: &["libclang-rt-dev"],
};
const SECONDS: u32 = 4;

/// These compare with another implementation, and complain of every difference, also of one that is allowed. Here they run
/// over their seeds; by hand, `fuzz/run` explores.
const COMPARING: &[&str] = &["dialogue", "http_head", "json", "ws_frames"];

pub(crate) fn checks(report: &mut Report) -> Result<(), String> {
    tools::need(&[CLANG, LIBFUZZER])?;
    let folder = run::root().join("fuzz");
    let targets = std::fs::read_dir(folder.join("fuzz_targets"))
        .map_err(|error| format!("cannot list the fuzz targets: {error}"))?;
    let mut targets: Vec<_> = targets
        .flatten()
        .filter_map(|file| Some(file.path().file_stem()?.to_owned()))
        .collect();
    targets.sort();
    for target in targets {
        let mut fuzz = Command::new("./run");
        fuzz.arg(&target).current_dir(&folder);
        let comparing = COMPARING.iter().any(|name| target == **name);
        fuzz.arg(match comparing {
            true => "-runs=0".to_owned(),
            false => format!("-max_total_time={SECONDS}"),
        });
        fuzz.arg("-verbosity=0");
        report.check(&mut fuzz)?;
    }
    Ok(())
}
