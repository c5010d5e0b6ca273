//! What ESP-IDF makes of the component: on its `linux` target, where the programs run against the official servers, and for the
//! ESP32-C3. `cargo xtask test --part esp-idf` runs it; one test: `cargo test -p sockeye-component --test idf -- --ignored
//! NAME`. Where ESP-IDF or its compiler is not installed, each says so, and is no failure.

mod trust;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use sockeye_boards::node::Node;
use sockeye_boards::tools::works;
use sockeye_boards::{run, servers, tools};
use sockeye_component::component;
use sockeye_component::project::{COMPILER, Project, needs_ninja, path};

/// The folder of ESP-IDF, if a test can be made with it here; else it has been said why not.
fn idf() -> Option<PathBuf> {
    let Some(idf) = path() else {
        println!("skipped: IDF_PATH is not set, so that nothing of ESP-IDF was built");
        return None;
    };
    tools::install_nothing();
    needs_ninja().unwrap();
    servers::official_is_installed().unwrap();
    Some(idf)
}

/// Builds the example for the `linux` target with these options, and runs it against these versions of the server.
fn linux(folder: &str, options: &str, versions: &[&str]) {
    let Some(idf) = idf() else { return };
    let project = Project {
        idf: &idf,
        folder: "esp-idf/sockeye/examples/linux",
        target: "linux",
        build: run::root().join("target/esp-idf").join(folder),
        options,
        environment: &[],
    };
    project.build("all").unwrap();
    for version in versions {
        println!("against the server {version}");
        run_example(&project.build.join("sockeye_linux.elf"), version);
    }
}

#[test]
#[ignore = "needs ESP-IDF: cargo xtask test --part esp-idf"]
fn the_linux_target_as_it_comes() {
    linux("linux", "", &["v4"]);
}

#[test]
#[ignore = "needs ESP-IDF: cargo xtask test --part esp-idf"]
fn the_linux_target_with_older_servers() {
    linux("linux-eio3", "CONFIG_SOCKEYE_EIO3=y\n", &["v4", "v2"]);
}

/// In a folder of temporary files: built without anything of this repository, and run.
#[test]
#[ignore = "needs ESP-IDF: cargo xtask test --part esp-idf"]
fn an_example_out_of_the_package() {
    let Some(idf) = idf() else { return };
    let folder = std::env::temp_dir().join(format!("sockeye-component-{}", std::process::id()));
    // The folder's name is the name that the example asks for.
    let package = folder.join("sockeye");
    component::make(&package).unwrap();
    let example = package.join("examples/linux").display().to_string();
    let project = Project {
        idf: &idf,
        folder: &example,
        target: "linux",
        build: folder.join("build"),
        options: "",
        environment: &[],
    };
    project.build("all").unwrap();
    run_example(&project.build.join("sockeye_linux.elf"), "v4");
    let _ = std::fs::remove_dir_all(&folder);
}

#[test]
#[ignore = "needs ESP-IDF: cargo xtask test --part esp-idf"]
fn the_chat_for_the_esp32c3() {
    let Some(idf) = idf() else { return };
    if !works(COMPILER) {
        println!(
            "skipped: riscv32-esp-elf-gcc is not in PATH, so that nothing was built for the ESP32-C3; `. $IDF_PATH/export.sh` puts it there"
        );
        return;
    }
    let chat = Project {
        idf: &idf,
        folder: "esp-idf/sockeye/examples/chat",
        target: "esp32c3",
        build: run::root().join("target/esp-idf/esp32c3"),
        options: "",
        environment: &[],
    };
    chat.build("app").unwrap();
}

fn run_example(program: &Path, version: &str) {
    let server = Node::scenarios_of(version, 0, &[]).unwrap();
    let mut example = Command::new(program);
    example.env("SOCKEYE_URI", format!("http://127.0.0.1:{}", server.port));
    let output = run::run(&mut example, Duration::from_secs(60)).unwrap();
    assert!(output.success(), "it exited with an error");
    for wanted in [
        "joined / as",
        "acknowledged: SOCKEYE_OK [1,2,3]",
        "answered [\"the answer\"]",
    ] {
        let said = output.lines.iter().any(|line| line.contains(wanted));
        assert!(said, "it did not say `{wanted}`");
    }
}
