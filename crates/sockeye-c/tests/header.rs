//! The C header is what the sources say.

use std::path::Path;

/// `include/sockeye.h` is made from the sources; `SOCKEYE_BLESS=1` writes it anew.
#[test]
fn the_committed_header_is_the_generated_one() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let config =
        cbindgen::Config::from_file(root.join("cbindgen.toml")).expect("cbindgen.toml is valid");
    let bindings = cbindgen::Builder::new()
        .with_config(config)
        .with_src(root.join("src/lib.rs"))
        .generate()
        .expect("the sources can be read");
    let mut header = Vec::new();
    bindings.write(&mut header);
    let header = String::from_utf8(header)
        .expect("UTF-8")
        // What Rust calls safety is a condition of every C function.
        .replace(" * # Safety\n", " * Conditions:\n");
    let path = root.join("include/sockeye.h");
    if std::env::var_os("SOCKEYE_BLESS").is_some() {
        std::fs::write(&path, &header).expect("the header can be written");
    }
    let committed = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        committed == header,
        "include/sockeye.h does not fit the sources: run `SOCKEYE_BLESS=1 cargo test -p sockeye-c --test header`"
    );
}

/// Each function says its errors and who may call it; what is given, and what comes out, is said where there is any.
#[test]
fn every_function_says_its_errors_and_its_threads() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("include/sockeye.h");
    let header = std::fs::read_to_string(path).expect("the header");
    let mut functions = 0;
    for part in header.split("/**\n").skip(1) {
        let Some((comment, code)) = part.split_once(" */\n") else {
            continue;
        };
        let declaration = code.split("\n\n").next().unwrap_or("");
        let (Some(open), true) = (declaration.find('('), declaration.ends_with(");")) else {
            continue;
        };
        if declaration.contains("typedef") {
            continue;
        }
        let name = declaration[..open]
            .rsplit([' ', '*', '\n'])
            .next()
            .unwrap_or("");
        assert!(comment.contains("Errors"), "{name} does not say its errors");
        assert!(
            comment.contains("Threads: "),
            "{name} does not say who may call it"
        );
        functions += 1;
    }
    assert!(functions >= 55, "{functions} functions were found");
}
