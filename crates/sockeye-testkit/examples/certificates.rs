//! `certificates FOLDER NAME...`: a certificate authority (`authority.pem`), and a certificate of it for these names and
//! addresses (`server.pem`, `server.key`), for programs that read files. And what tests of trust need beside: certificates of the
//! same authority that are `expired`, not valid yet (`early`), for another name (`elsewhere`) and for a `client`; the certificate
//! of another authority (`other.pem`), and one of its for a client (`stranger`).

use std::fs;
use std::io::{Error, Result};
use std::path::Path;

use sockeye_testkit::certificates::{Authority, Identity, Leaf};

fn main() -> Result<()> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let Some((folder, names)) = args.split_first().filter(|(_, names)| !names.is_empty()) else {
        return Err(Error::other("usage: certificates FOLDER NAME..."));
    };
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let authority = Authority::new("authority");
    let server = authority.issue(&Leaf::of(&names));
    let folder = Path::new(folder);
    fs::write(folder.join("authority.pem"), authority.pem())?;
    write(folder, "server", &server)?;
    for (name, leaf) in [
        (
            "expired",
            Leaf {
                valid: [(2020, 1, 1), (2021, 1, 1)],
                ..Leaf::of(&names)
            },
        ),
        (
            "early",
            Leaf {
                valid: [(2110, 1, 1), (2120, 1, 1)],
                ..Leaf::of(&names)
            },
        ),
        ("elsewhere", Leaf::named("elsewhere.example")),
        ("client", Leaf::client("client")),
    ] {
        write(folder, name, &authority.issue(&leaf))?;
    }
    let other = Authority::new("other");
    fs::write(folder.join("other.pem"), other.pem())?;
    write(folder, "stranger", &other.issue(&Leaf::client("stranger")))
}

fn write(folder: &Path, name: &str, identity: &Identity) -> Result<()> {
    fs::write(folder.join(format!("{name}.pem")), identity.chain_pem())?;
    fs::write(folder.join(format!("{name}.key")), identity.key_pem())
}
