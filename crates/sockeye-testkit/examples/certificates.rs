//! `certificates FOLDER NAME...`: a certificate authority (`authority.pem`), and a certificate of it for these names and
//! addresses (`server.pem`, `server.key`), for programs that read files.

use std::fs;
use std::io::{Error, Result};
use std::path::Path;

use sockeye_testkit::certificates::{Authority, Leaf};

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
    fs::write(folder.join("server.pem"), server.chain_pem())?;
    fs::write(folder.join("server.key"), server.key_pem())
}
