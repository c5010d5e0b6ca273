//! The way to the server: certificates, a proxy, addresses of one's own.

use std::fmt;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use clap::Args;
use sockeye::ClientBuilder;
use sockeye::net::{TcpConnector, Tls};

use super::parse::{self, Hidden, hidden};
use crate::exit::Failure;

/// Whom to trust, and which way to go.
#[derive(Clone, Debug, Args)]
pub(crate) struct Network {
    /// Trust the CAs in this PEM file instead of the system's: for https with a CA of your own
    #[arg(
        long,
        visible_alias = "ca",
        value_name = "FILE",
        help_heading = "Network"
    )]
    cacert: Option<PathBuf>,
    /// Show the server this certificate (PEM, the whole chain): for mutual TLS
    #[arg(long, value_name = "FILE", help_heading = "Network")]
    cert: Option<PathBuf>,
    /// The private key of --cert (PEM) [default: it is in the file of the certificate]
    #[arg(long, value_name = "FILE", requires = "cert", help_heading = "Network")]
    key: Option<PathBuf>,
    /// Accept any certificate of the server: for trying things out, since anybody could listen
    #[arg(short = 'k', long, conflicts_with = "cacert", help_heading = "Network")]
    insecure: bool,
    /// Go through this proxy: http://, https://, socks5:// or socks5h://[USER:PASSWORD@]HOST[:PORT] [default: what
    /// HTTPS_PROXY, HTTP_PROXY, ALL_PROXY and NO_PROXY say]
    #[arg(short = 'x', long, value_name = "URL", value_parser = hidden(parse::word), help_heading = "Network")]
    proxy: Option<Hidden<String>>,
    /// Go to the server directly, whatever the environment says
    #[arg(long, conflicts_with = "proxy", help_heading = "Network")]
    no_proxy: bool,
    /// Use these addresses for HOST:PORT instead of asking the DNS (repeatable)
    #[arg(
        long = "resolve",
        value_name = "HOST:PORT:ADDRESS[,ADDRESS…]",
        help_heading = "Network"
    )]
    resolved: Vec<Resolved>,
}

impl Network {
    /// Whom to trust and what to show, if it is not the default.
    pub(crate) fn tls(&self) -> Result<Option<Tls>, Failure> {
        if self.cacert.is_none() && self.cert.is_none() && !self.insecure {
            return Ok(None);
        }
        let mut tls = Tls::new();
        if let Some(file) = &self.cacert {
            tls = tls.ca_pem(ca_pem(file)?);
        }
        if let Some(file) = &self.cert {
            let chain = read("--cert", file)?;
            let key = match &self.key {
                Some(file) => read("--key", file)?,
                None => chain.clone(),
            };
            tls = tls.identity_pem(chain, key);
        }
        if self.insecure {
            tls = tls.danger_accept_invalid_certs(true);
        }
        Ok(Some(tls))
    }

    /// The addresses that need no DNS.
    pub(crate) fn tcp(&self) -> TcpConnector {
        let start = TcpConnector::new();
        self.resolved.iter().fold(start, |tcp, given| {
            tcp.resolve(&given.host, given.addresses.iter().copied())
        })
    }

    /// The proxy that was asked for.
    pub(crate) fn proxy(&self) -> Result<Option<&str>, Failure> {
        let proxy = self.proxy.as_ref().map(|proxy| proxy.get("--proxy"));
        Ok(proxy.transpose()?.map(String::as_str))
    }

    /// Whether the environment's proxy is not wanted.
    pub(crate) const fn is_direct(&self) -> bool {
        self.no_proxy
    }

    /// A client with these options.
    pub(crate) fn apply(&self, mut builder: ClientBuilder) -> Result<ClientBuilder, Failure> {
        if let Some(tls) = self.tls()? {
            builder = builder.tls(tls);
        }
        if let Some(proxy) = self.proxy()? {
            builder = builder.proxy(proxy);
        }
        if self.no_proxy {
            builder = builder.no_proxy();
        }
        for given in &self.resolved {
            builder = builder.resolve(&given.host, given.addresses.iter().copied());
        }
        Ok(builder)
    }
}

/// What `--cacert` names.
pub(crate) fn ca_pem(file: &Path) -> Result<Vec<u8>, Failure> {
    read("--cacert", file)
}

fn read(option: &str, file: &Path) -> Result<Vec<u8>, Failure> {
    std::fs::read(file)
        .map_err(|error| Failure::usage(format!("{option} {}: {error}", file.display())))
}

/// The client's advice, with the command's options in place of the library's methods.
pub(crate) fn by_option(message: &str) -> String {
    message
        .replace("by Tls::ca_pem", "by --cacert")
        .replace("by Tls::identity_pem", "by --cert and --key")
        .replace("(Tls::identity_pem)", "(--cert and --key)")
        .replace(
            "use the option `host` of the builder",
            "name it in the URL, and its address by --resolve",
        )
        .replace(
            "use the option `protocols` of the builder",
            "the command has no option for sub-protocols",
        )
}

/// `HOST:PORT:ADDRESS[,ADDRESS…]`, as curl has it.
#[derive(Clone, PartialEq, Eq)]
struct Resolved {
    /// With its port.
    host: String,
    addresses: Vec<IpAddr>,
}

impl fmt::Debug for Resolved {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {:?}", self.host, self.addresses)
    }
}

impl std::str::FromStr for Resolved {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = |what: &str| {
            format!("{what}: write HOST:PORT:ADDRESS, as in example.test:443:127.0.0.1")
        };
        let mut parts = text.splitn(3, ':');
        let (Some(host), Some(port), Some(addresses)) = (parts.next(), parts.next(), parts.next())
        else {
            return Err(wrong("a part is missing"));
        };
        if host.is_empty() || host.starts_with('[') {
            return Err(wrong("HOST is a name"));
        }
        let port: u16 = match port.parse() {
            Ok(port) if port > 0 => port,
            _ => return Err(wrong("PORT is a number from 1 to 65535")),
        };
        let one = |word: &str| {
            let bare = word.strip_prefix('[').and_then(|w| w.strip_suffix(']'));
            bare.unwrap_or(word)
                .parse()
                .map_err(|_| wrong("ADDRESS is an IP address"))
        };
        Ok(Self {
            host: format!("{host}:{port}"),
            addresses: addresses.split(',').map(one).collect::<Result<_, _>>()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_for_a_host_and_a_port() {
        let good: Resolved = "example.test:8443:127.0.0.1,[::1],::2".parse().unwrap();
        assert_eq!(good.host, "example.test:8443");
        let ips = ["127.0.0.1", "::1", "::2"].map(|ip| ip.parse::<IpAddr>().unwrap());
        assert_eq!(good.addresses, ips);
        for (wrong, part) in [
            ("example.test", "missing"),
            ("example.test:443", "missing"),
            (":443:127.0.0.1", "HOST"),
            ("[::1]:443:127.0.0.1", "HOST"),
            ("example.test:0:127.0.0.1", "PORT"),
            ("example.test:https:127.0.0.1", "PORT"),
            ("example.test:443:", "ADDRESS"),
            ("example.test:443:localhost", "ADDRESS"),
            ("example.test:443:127.0.0.1,", "ADDRESS"),
        ] {
            let why = wrong.parse::<Resolved>().unwrap_err();
            assert!(
                why.contains(part) && why.contains("HOST:PORT:ADDRESS"),
                "{why}"
            );
        }
    }
}
