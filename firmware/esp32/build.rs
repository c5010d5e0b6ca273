//! Reads the configuration from the environment, checks it, and writes it as constants.

use std::fmt::Write as _;
use std::net::IpAddr;
use std::path::PathBuf;
use std::{env, fs};

use base64::Engine as _;
use serde_json::Value;

const CHIPS: [Chip; 5] = [
    // The LED of the most common boards: DevKit V1, LOLIN S2 Mini, then Espressif's own with an addressable LED.
    Chip {
        feature: "esp32",
        name: "ESP32",
        led: Led {
            gpio: 2,
            kind: PLAIN,
        },
    },
    Chip {
        feature: "esp32s2",
        name: "ESP32-S2",
        led: Led {
            gpio: 15,
            kind: PLAIN,
        },
    },
    Chip {
        feature: "esp32s3",
        name: "ESP32-S3",
        led: Led {
            gpio: 48,
            kind: RGB,
        },
    },
    Chip {
        feature: "esp32c3",
        name: "ESP32-C3",
        led: Led { gpio: 8, kind: RGB },
    },
    Chip {
        feature: "esp32c6",
        name: "ESP32-C6",
        led: Led { gpio: 8, kind: RGB },
    },
];

struct Chip {
    feature: &'static str,
    name: &'static str,
    led: Led,
}

/// Where the LED is and how it is lit.
struct Led {
    gpio: u8,
    kind: &'static str,
}

const PLAIN: &str = "Kind::ActiveHigh";
const INVERTED: &str = "Kind::ActiveLow";
const RGB: &str = "Kind::Rgb";

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rustc-link-arg=-Tlinkall.x");
    match configuration() {
        Ok(text) => write("config.rs", text.as_bytes()),
        Err(error) => println!("cargo::error={error}"),
    }
}

fn configuration() -> Result<String, String> {
    let chip = chip()?;
    let mut text = String::new();
    let mut constant = |name: &str, kind: &str, value: String| {
        writeln!(text, "pub(crate) const {name}: {kind} = {value};").expect("a String takes it");
    };
    constant("CHIP", "&str", format!("{:?}", chip.name));
    constant("CHIP_ID", "&str", format!("{:?}", chip.feature));
    constant("SSID", "&str", format!("{:?}", ssid()?));
    constant("PASSWORD", "&str", format!("{:?}", password()?));

    let url = Url::read()?;
    constant("TLS", "bool", url.tls.to_string());
    constant("URL", "&str", format!("{:?}", url.text));
    let (transports, links) = transports(url.tls)?;
    constant(
        "TRANSPORTS",
        "Transports",
        format!("Transports::{transports}"),
    );
    constant("LINKS", "usize", links.to_string());

    let auth = auth()?;
    let name = name(auth.as_ref())?;
    constant(
        "AUTH",
        "Option<&str>",
        format!("{:?}", auth.map(|auth| auth.to_string())),
    );
    constant("NAME", "Option<&str>", format!("{name:?}"));
    if url.tls {
        write("ca.der", &authority()?);
        let server = variable("SOCKEYE_SNTP").unwrap_or_else(|| "pool.ntp.org".to_owned());
        constant("SNTP", "&str", format!("{server:?}"));
        constant(
            "CA",
            "&[u8]",
            "include_bytes!(concat!(env!(\"OUT_DIR\"), \"/ca.der\"))".to_owned(),
        );
    }

    let led = led(chip)?;
    constant("LED", "Kind", led.kind.to_owned());
    constant("LED_GPIO", "u8", led.gpio.to_string());
    // A pin is a type of its own, so the number becomes code; a number that the chip lacks is an unknown field there.
    writeln!(
        text,
        "macro_rules! led_pin {{ ($peripherals:ident) => {{ $peripherals.GPIO{} }} }}",
        led.gpio
    )
    .expect("a String takes it");
    text.push_str("pub(crate) use led_pin;\n");
    Ok(text)
}

/// The value of a variable, if it is set and not empty. The build runs again when it changes.
fn variable(name: &str) -> Option<String> {
    set(name).filter(|value| !value.is_empty())
}

fn set(name: &str) -> Option<String> {
    println!("cargo::rerun-if-env-changed={name}");
    let value = env::var(name).ok();
    if value.is_some() || !feature("unconfigured") {
        return value;
    }
    let placeholder = match name {
        "SOCKEYE_WIFI_SSID" => "unconfigured",
        "SOCKEYE_WIFI_PASSWORD" => "",
        "SOCKEYE_URL" if feature("tls") => "https://sockeye.invalid/devices",
        "SOCKEYE_URL" => "http://sockeye.invalid/devices",
        _ => return None,
    };
    Some(placeholder.to_owned())
}

fn feature(name: &str) -> bool {
    env::var_os(format!("CARGO_FEATURE_{}", name.to_uppercase())).is_some()
}

fn chip() -> Result<&'static Chip, String> {
    let chosen: Vec<_> = CHIPS.iter().filter(|chip| feature(chip.feature)).collect();
    let names = CHIPS.map(|chip| chip.feature).join(", ");
    match chosen[..] {
        [chip] => Ok(chip),
        [] => Err(format!("which chip? Add `--features` with one of: {names}")),
        _ => Err(format!(
            "one image is for one chip: enable only one of the features {names}"
        )),
    }
}

fn ssid() -> Result<String, String> {
    let ssid = variable("SOCKEYE_WIFI_SSID")
        .ok_or("SOCKEYE_WIFI_SSID is not set: the name of the Wi-Fi network (2.4 GHz) to join")?;
    if ssid.len() > 32 {
        return Err(format!(
            "SOCKEYE_WIFI_SSID has {} bytes; names of networks have 32 at most",
            ssid.len()
        ));
    }
    Ok(ssid)
}

fn password() -> Result<String, String> {
    let password = set("SOCKEYE_WIFI_PASSWORD")
        .ok_or("SOCKEYE_WIFI_PASSWORD is not set: the password of the Wi-Fi network, empty for an open one")?;
    if !password.is_empty() && !(8..=63).contains(&password.len()) {
        return Err(format!(
            "SOCKEYE_WIFI_PASSWORD has {} bytes; Wi-Fi passwords have 8 to 63",
            password.len()
        ));
    }
    Ok(password)
}

/// `http://host:port/namespace`.
struct Url {
    text: String,
    tls: bool,
}

impl Url {
    fn read() -> Result<Self, String> {
        let text = variable("SOCKEYE_URL").ok_or(
            "SOCKEYE_URL is not set: where the Socket.IO server is, for example http://192.168.1.20:3000/devices",
        )?;
        Self::parse(&text).map_err(|error| format!("SOCKEYE_URL `{text}`: {error}"))
    }

    fn parse(text: &str) -> Result<Self, String> {
        let (tls, rest) = if let Some(rest) = text
            .strip_prefix("http://")
            .or_else(|| text.strip_prefix("ws://"))
        {
            (false, rest)
        } else if let Some(rest) = text
            .strip_prefix("https://")
            .or_else(|| text.strip_prefix("wss://"))
        {
            (true, rest)
        } else {
            return Err("it must begin with http:// or https://".to_owned());
        };
        match (tls, feature("tls")) {
            (true, false) => {
                return Err("https needs the feature `tls`: add `--features tls`".to_owned());
            }
            (false, true) => {
                return Err(
                    "the feature `tls` is for https: change the URL, or leave it out".to_owned(),
                );
            }
            _ => (),
        }
        let authority = rest.split('/').next().unwrap_or_default();
        if rest.contains(['?', '#', '@', '"', '\\'])
            || rest.chars().any(|c| c.is_whitespace() || c.is_control())
        {
            return Err(
                "write it as http://host:port/namespace, with no user, query or fragment"
                    .to_owned(),
            );
        }
        let (host, port) = authority.rsplit_once(':').unwrap_or((authority, "80"));
        if port.parse::<u16>().is_err() {
            return Err(format!("`{port}` is no port number"));
        }
        if host.is_empty() || host.len() > 253 || host.starts_with('[') {
            return Err("the host must be a name or an IPv4 address".to_owned());
        }
        let here = host
            .parse::<IpAddr>()
            .is_ok_and(|address| address.is_loopback() || address.is_unspecified());
        if here || host == "localhost" {
            return Err(format!(
                "`{host}` is the board itself; use the address that your computer has in the network"
            ));
        }
        Ok(Self {
            text: text.to_owned(),
            tls,
        })
    }
}

/// Which transports, and how many sockets they need.
fn transports(tls: bool) -> Result<(&'static str, usize), String> {
    match variable("SOCKEYE_TRANSPORT").as_deref() {
        // While the upgrade is under way there are three connections, each of which takes 29 KB of heap with TLS.
        Some("upgrade") if tls => Err(
            "SOCKEYE_TRANSPORT `upgrade` needs three TLS sessions at one time, for which a chip has no memory: choose websocket (default) or polling"
                .to_owned(),
        ),
        None | Some("websocket") => Ok(("WEBSOCKET", 1)),
        Some("polling") => Ok(("POLLING", 3)),
        Some("upgrade") => Ok(("POLLING_FIRST", 3)),
        Some(other) => Err(format!(
            "SOCKEYE_TRANSPORT `{other}`: choose websocket (default), polling, or upgrade (polling, then WebSocket)"
        )),
    }
}

fn auth() -> Result<Option<Value>, String> {
    let Some(text) = variable("SOCKEYE_AUTH") else {
        return Ok(None);
    };
    let value: Value = serde_json::from_str(&text)
        .map_err(|error| format!("SOCKEYE_AUTH is not JSON: {error}"))?;
    if value.is_object() {
        Ok(Some(value))
    } else {
        Err(format!(
            "SOCKEYE_AUTH must be a JSON object such as {{\"token\": \"…\"}}, not {value}"
        ))
    }
}

/// The board's name, if it does not make one from its MAC address.
fn name(auth: Option<&Value>) -> Result<Option<String>, String> {
    let of_auth = || auth?.get("name")?.as_str().map(str::to_owned);
    let name = variable("SOCKEYE_NAME").or_else(of_auth);
    if let Some(name) = &name
        && (name.chars().count() > 40
            || name
                .chars()
                .any(|c| c.is_control() || c == '"' || c == '\\'))
    {
        return Err(format!(
            "SOCKEYE_NAME `{name}`: at most 40 printable characters, no quotes or backslashes"
        ));
    }
    Ok(name)
}

/// The CA certificate of an https server in DER.
fn authority() -> Result<Vec<u8>, String> {
    const BEGIN: &str = "-----BEGIN CERTIFICATE-----";
    const END: &str = "-----END CERTIFICATE-----";
    let path = variable("SOCKEYE_CA");
    if path.is_none() && feature("unconfigured") {
        return Ok(Vec::new());
    }
    let path = path.ok_or(
        "SOCKEYE_CA is not set: for https, the path of a PEM file with the CA certificate to trust",
    )?;
    println!("cargo::rerun-if-changed={path}");
    let pem = fs::read_to_string(&path)
        .map_err(|error| format!("SOCKEYE_CA: cannot read {path}: {error}"))?;
    let body = pem
        .split_once(BEGIN)
        .and_then(|(_, rest)| rest.split_once(END));
    let (body, rest) = body.ok_or_else(|| format!("SOCKEYE_CA: {path} holds no `{BEGIN}`"))?;
    if rest.contains(BEGIN) {
        return Err(format!(
            "SOCKEYE_CA: {path} holds several certificates; the board trusts one CA"
        ));
    }
    let body: String = body.split_whitespace().collect();
    let der = base64::engine::general_purpose::STANDARD.decode(body);
    der.map_err(|error| format!("SOCKEYE_CA: the certificate in {path} is damaged: {error}"))
}

fn led(chip: &Chip) -> Result<Led, String> {
    let gpio = variable("SOCKEYE_LED_GPIO");
    let kind = match variable("SOCKEYE_LED").as_deref() {
        None if gpio.is_none() => chip.led.kind,
        None | Some("high") => PLAIN,
        Some("low") => INVERTED,
        Some("rgb") => RGB,
        Some(other) => {
            return Err(format!(
                "SOCKEYE_LED `{other}`: choose high (lit by a high level), low (lit by a low level), or rgb (WS2812)"
            ));
        }
    };
    let gpio = gpio.map_or(Ok(chip.led.gpio), |gpio| {
        gpio.parse()
            .map_err(|_| format!("SOCKEYE_LED_GPIO `{gpio}` is no GPIO number"))
    })?;
    Ok(Led { gpio, kind })
}

fn write(name: &str, content: &[u8]) {
    let folder = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets OUT_DIR"));
    fs::write(folder.join(name), content).expect("OUT_DIR is writable");
}
