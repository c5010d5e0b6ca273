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
    }
}
