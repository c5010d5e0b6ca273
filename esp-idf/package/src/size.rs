//! What the component takes on the ESP32-C3, beside another client where that can be had.

use std::path::Path;

use crate::image::{self, Sizes};
use crate::project::{COMPILER, Project, needs_ninja, path};
use crate::run;
use crate::tools::works;

/// Where the size table finds components that are not of this repository.
const COMPONENTS: &str = "SOCKEYE_SIZE_COMPONENTS";

/// Builds every variant and prints the table.
///
/// # Errors
/// ESP-IDF or what it takes is missing, or a build failed.
pub fn run() -> Result<(), String> {
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
    image::sizes(&project.build.join("sockeye_size.elf"))
}
