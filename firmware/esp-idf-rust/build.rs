//! Hands on what ESP-IDF's own build has found out, and checks the configuration.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    #[cfg(feature = "board")]
    {
        embuild::espidf::sysenv::output();
        for (name, about) in [
            (
                "SOCKEYE_WIFI_SSID",
                "the name of the Wi-Fi network (2.4 GHz) to join",
            ),
            (
                "SOCKEYE_WIFI_PASSWORD",
                "its password, empty for an open network",
            ),
            (
                "SOCKEYE_URL",
                "where the Socket.IO server is, for example http://192.168.1.20:3000/devices",
            ),
        ] {
            println!("cargo::rerun-if-env-changed={name}");
            if cfg!(feature = "openeth") && name.starts_with("SOCKEYE_WIFI") {
                continue;
            }
            if std::env::var_os(name).is_none() {
                println!("cargo::error={name} is not set: {about}");
            }
        }
        println!("cargo::rerun-if-env-changed=SOCKEYE_NTP");
        authority();
    }
}

/// Whom to trust in place of ESP-IDF's bundle: the PEM file that `SOCKEYE_CA` names, ended by a zero as esp-tls wants it. An
/// empty file is none.
#[cfg(feature = "board")]
fn authority() {
    println!("cargo::rerun-if-env-changed=SOCKEYE_CA");
    let mut pem = Vec::new();
    if let Some(path) = std::env::var_os("SOCKEYE_CA") {
        let shown = path.display();
        println!("cargo::rerun-if-changed={shown}");
        match std::fs::read(&path) {
            Ok(text) => pem = text,
            Err(error) => println!("cargo::error=SOCKEYE_CA, {shown}: {error}"),
        }
        pem.push(0);
    }
    let out = std::env::var_os("OUT_DIR").unwrap_or_default();
    if let Err(error) = std::fs::write(std::path::Path::new(&out).join("ca.pem"), pem) {
        println!("cargo::error=ca.pem: {error}");
    }
}
