//! ESP-IDF, for whoever has it: the component on its `linux` target, its image for the ESP32-C3, and what that takes beside
//! another client. Nothing of ESP-IDF is in this repository: `IDF_PATH` says where it is, and its `export.sh` puts its
//! compiler and its Python into `PATH`.

mod trust;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::component;
use crate::node::Node;
use crate::part::Report;
use crate::riscv::{self, Sizes, Target};
use crate::run;
use crate::servers;
use crate::tools::works;

/// A cold build of everything for a chip takes minutes on two cores.
const LIMIT: Duration = Duration::from_secs(40 * 60);
const COMPILER: &[&str] = &["riscv32-esp-elf-gcc", "--version"];
/// Where the size table finds components that are not of this repository.
const COMPONENTS: &str = "SOCKEYE_SIZE_COMPONENTS";

type Step = Result<(), String>;

/// Builds the example for the `linux` target and runs it against the official servers, and builds the chat for the
/// ESP32-C3. Where ESP-IDF or its compiler is not installed, this says so, and is no failure.
pub(crate) fn checks(report: &mut Report) -> Result<(), String> {
    let Some(idf) = path() else {
        println!("skipped: IDF_PATH is not set, so that nothing of ESP-IDF was built");
        report.skipped(3 + trust::count());
        return Ok(());
    };
    needs_ninja()?;
    servers::install()?;
    for (name, options, versions) in [
        ("as it comes", "", &["v4"][..]),
        (
            "with SOCKEYE_EIO3",
            "CONFIG_SOCKEYE_EIO3=y\n",
            &["v4", "v2"],
        ),
    ] {
        let project = Project {
            idf: &idf,
            folder: "esp-idf/sockeye/examples/linux",
            target: "linux",
            build: run::root().join("target/esp-idf/linux"),
            options,
            environment: &[],
        };
        let built = project.build("all");
        let done = built.is_ok();
        report.record(&format!("linux target, {name}"), built);
        for version in versions.iter().filter(|_| done) {
            let program = project.build.join("sockeye_linux.elf");
            report.record(
                &format!("linux target, {name}, against the server {version}"),
                run_example(&program, version),
            );
        }
    }
    report.record("the package, linux target", package(&idf));
    trust::checks(&idf, report);
    if !works(COMPILER) {
        println!(
            "skipped: riscv32-esp-elf-gcc is not in PATH, so that nothing was built for the ESP32-C3; `. $IDF_PATH/export.sh` puts it there"
        );
        report.skipped(1);
        return Ok(());
    }
    let chat = Project {
        idf: &idf,
        folder: "esp-idf/sockeye/examples/chat",
        target: "esp32c3",
        build: run::root().join("target/esp-idf/esp32c3"),
        options: "",
        environment: &[],
    };
    report.record("examples/chat for esp32c3", chat.build("app"));
    Ok(())
}

/// An example out of the package that `cargo xtask component` makes, in a folder of temporary files: built without anything of
/// this repository, and run.
fn package(idf: &Path) -> Step {
    let folder = std::env::temp_dir().join(format!("sockeye-component-{}", std::process::id()));
    // The folder's name is the name that the example asks for.
    let package = folder.join("sockeye");
    let done = component::make(&package).and_then(|()| {
        let example = package.join("examples/linux");
        let project = Project {
            idf,
            folder: &example.display().to_string(),
            target: "linux",
            build: folder.join("build"),
            options: "",
            environment: &[],
        };
        project.build("all")?;
        run_example(&project.build.join("sockeye_linux.elf"), "v4")
    });
    let _ = std::fs::remove_dir_all(&folder);
    done
}

/// `cargo xtask size --esp-idf`: what the component takes on the ESP32-C3, beside another client where that can be had.
pub(crate) fn sizes() -> Result<(), String> {
    let idf =
        path().ok_or("IDF_PATH is not set: `. export.sh` in the folder of ESP-IDF sets it")?;
    needs_ninja()?;
    if !works(COMPILER) {
        return Err("riscv32-esp-elf-gcc is not in PATH: `. $IDF_PATH/export.sh`".to_owned());
    }
    let mut rows = vec![
        ("sockeye", "", "Sockeye"),
        (
            "sockeye",
            "# CONFIG_SOCKEYE_POLLING is not set\n",
            "Sockeye, WebSocket alone",
        ),
        (
            "sockeye",
            "# CONFIG_SOCKEYE_POLLING is not set\n# CONFIG_SOCKEYE_RECOVERY is not set\n",
            "Sockeye, WebSocket alone, without recovery",
        ),
        (
            "sockeye",
            "CONFIG_SOCKEYE_EIO3=y\n",
            "Sockeye, with Socket.IO 2 and 1",
        ),
    ];
    if std::env::var_os(COMPONENTS).is_some() {
        rows.push((
            "socketio",
            "",
            "esp_socketio_client, esp_websocket_client, cJSON",
        ));
    } else {
        println!(
            "{COMPONENTS} is not set: no other client is measured. It names the folders of the components esp_socketio_client and esp_websocket_client, with a semicolon between"
        );
    }
    let base = variant(&idf, "base", "")?;
    println!(
        "\nwithout a client: flash {} B, static RAM {} B\n",
        base.flash, base.ram
    );
    let mut table = String::from(
        "| beside a program without a client, on esp32c3 | flash | static RAM |\n|---|--:|--:|\n",
    );
    for (name, options, what) in rows {
        let with = variant(&idf, name, options)?;
        table += &format!(
            "| {what} | {} | {} |\n",
            with.flash.saturating_sub(base.flash),
            with.ram.saturating_sub(base.ram)
        );
    }
    println!("\n{table}");
    Ok(())
}

fn variant(idf: &Path, name: &str, options: &str) -> Result<Sizes, String> {
    let project = Project {
        idf,
        folder: "benches/esp-idf",
        target: "esp32c3",
        build: run::root().join("target/esp-idf/size"),
        options,
        environment: &[("SOCKEYE_SIZE_VARIANT", name)],
    };
    project.build("app")?;
    riscv::sizes(&project.build.join("sockeye_size.elf"))
}

fn path() -> Option<PathBuf> {
    std::env::var_os("IDF_PATH").map(PathBuf::from)
}

fn needs_ninja() -> Step {
    if works(&["ninja", "--version"]) {
        Ok(())
    } else {
        Err("ninja is missing: ESP-IDF's install.sh brings it".to_owned())
    }
}

/// One build of one project.
struct Project<'a> {
    idf: &'a Path,
    /// From the root of the repository, or absolute.
    folder: &'a str,
    target: &'a str,
    build: PathBuf,
    /// Lines of sdkconfig, above the project's own.
    options: &'a str,
    environment: &'a [(&'a str, &'a str)],
}

impl Project<'_> {
    /// With cmake itself, so that it also works where `idf.py` has not been set up.
    fn build(&self, what: &str) -> Step {
        let folder = run::root().join(self.folder);
        // What another ESP-IDF has left there names that one's files.
        let made_with = self.build.join("made-with");
        let idf = self.idf.display().to_string();
        if std::fs::read_to_string(&made_with).unwrap_or_default() != idf {
            let _ = std::fs::remove_dir_all(&self.build);
        }
        std::fs::create_dir_all(&self.build).map_err(|error| error.to_string())?;
        std::fs::write(&made_with, idf).map_err(|error| error.to_string())?;
        // Written anew, so that nothing of an earlier build's configuration is left.
        let sdkconfig = self.build.join("sdkconfig");
        let options = self.build.join("sdkconfig.options");
        let _ = std::fs::remove_file(&sdkconfig);
        std::fs::write(&options, self.options).map_err(|error| error.to_string())?;
        // Those of the environment too, as ESP-IDF itself would take them.
        let mut defaults = folder.join("sdkconfig.defaults").display().to_string();
        if let Ok(more) = std::env::var("SDKCONFIG_DEFAULTS") {
            defaults = format!("{defaults};{more}");
        }
        let mut configure = self.command("cmake")?;
        configure
            .args(["-G", "Ninja", "-DPYTHON_DEPS_CHECKED=1"])
            // For versions that do not know MINIMAL_BUILD.
            .arg("-DCOMPONENTS=main")
            .arg(format!("-DIDF_TARGET={}", self.target))
            .arg(format!("-DSDKCONFIG={}", sdkconfig.display()))
            .arg(format!(
                "-DSDKCONFIG_DEFAULTS={defaults};{}",
                options.display()
            ))
            .arg("-B")
            .arg(&self.build)
            .arg("-S")
            .arg(folder);
        if !run::run(&mut configure, LIMIT)?.success() {
            return Err("cmake exited with an error".to_owned());
        }
        let mut ninja = self.command("ninja")?;
        ninja.arg("-C").arg(&self.build).arg(what);
        if !run::run(&mut ninja, LIMIT)?.success() {
            return Err("ninja exited with an error".to_owned());
        }
        Ok(())
    }

    fn command(&self, program: &str) -> Result<Command, String> {
        let mut command = Command::new(program);
        command
            .env("IDF_PATH", self.idf)
            .env("IDF_TARGET", self.target)
            .envs(self.environment.iter().copied());
        if self.target != "linux" {
            // A compiler without the target's library builds it from source.
            command.envs(riscv::component_environment(Target::Imc.triple())?);
        }
        Ok(command)
    }
}

fn run_example(program: &Path, version: &str) -> Step {
    let server = Node::scenarios_of(version, 0, &[])?;
    let mut example = Command::new(program);
    example.env("SOCKEYE_URI", format!("http://127.0.0.1:{}", server.port));
    let output = run::run(&mut example, Duration::from_secs(60))?;
    if !output.success() {
        return Err("it exited with an error".to_owned());
    }
    for wanted in [
        "joined / as",
        "acknowledged: SOCKEYE_OK [1,2,3]",
        "answered [\"the answer\"]",
    ] {
        if !output.lines.iter().any(|line| line.contains(wanted)) {
            return Err(format!("it did not say `{wanted}`"));
        }
    }
    Ok(())
}
