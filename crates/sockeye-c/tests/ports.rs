//! What the ports take of the C library.

use std::path::Path;

/// On a chip these bring time zones, scanning and tables for wide characters along: 10 to 40 KB of flash for a line of a log.
const DEAR: &[&str] = &[
    "strftime",
    "localtime",
    "mktime",
    "tzset",
    "scanf",
    "setlocale",
    "wprintf",
];

#[test]
fn ports_call_nothing_of_the_c_library_that_is_dear_on_a_chip() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folders = ["port", "../../esp-idf/sockeye/src"].map(|folder| root.join(folder));
    let mut looked_at = 0;
    for folder in folders.iter().filter(|folder| folder.is_dir()) {
        for file in std::fs::read_dir(folder).expect("the folder can be read") {
            let path = file.expect("its files can be read").path();
            let source = std::fs::read_to_string(&path).expect("sources are text");
            looked_at += 1;
            for name in DEAR {
                let call = format!("{name}(");
                let safe = format!("{name}_r(");
                assert!(
                    !source.contains(&call) && !source.contains(&safe),
                    "{} calls {name}",
                    path.display()
                );
            }
        }
    }
    assert!(looked_at >= 2, "{looked_at} files");
}
