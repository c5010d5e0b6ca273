//! File descriptors: one for each connection, and the system has a limit.

use crate::exit::Failure;
use crate::options::{Connection, Transports};

/// What the process needs beside its connections.
const OWN: u64 = 64;

/// Raises the limit as far as is allowed, and sees whether it is enough; a warning if it might not be.
///
/// # Errors
/// It is not.
pub(crate) fn raise(clients: u64, connection: &Connection) -> Result<Option<String>, Failure> {
    // An error is a system that has no such limit, or does not tell.
    match rlimit::increase_nofile_limit(u64::MAX) {
        Ok(limit) => enough(limit, clients, connection),
        Err(_) => Ok(None),
    }
}

fn enough(limit: u64, clients: u64, connection: &Connection) -> Result<Option<String>, Failure> {
    // Polling has a connection for receiving and one for sending; an upgrade has a third one for a moment.
    let (least, most) = match connection.transport {
        Transports::Websocket => (1, 1),
        Transports::Polling => (2, 2),
        Transports::Both if connection.no_upgrade => (2, 2),
        Transports::Both => (1, 3),
    };
    let needs = |each: u64| clients * each + OWN;
    let advice = "raise the limit (ulimit -n, as root: ulimit -Hn), use --transport websocket, or share the clients among machines by --shard";
    if limit < needs(least) {
        return Err(Failure::usage(format!(
            "{clients} clients need {} file descriptors, and {limit} are allowed: {advice}",
            needs(least)
        )));
    }
    Ok((limit < needs(most)).then(|| {
        format!(
            "{clients} clients may need {} file descriptors while they connect, and {limit} are allowed: {advice}",
            needs(most)
        )
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser as _;

    fn connection(transport: &str) -> Connection {
        let cli =
            crate::options::Cli::try_parse_from(["sockeye", "load", "http://h", "-t", transport]);
        let crate::options::Action::Load(load) = cli.unwrap().command else {
            panic!("another command")
        };
        load.connection
    }

    #[test]
    fn too_few_descriptors_are_told_before_anything_is_tried() {
        let websocket = connection("websocket");
        assert!(enough(1064, 1000, &websocket).unwrap().is_none());
        let failure = enough(1063, 1000, &websocket).unwrap_err();
        assert!(
            failure
                .message
                .contains("1000 clients need 1064 file descriptors, and 1063 are allowed")
        );
        assert!(enough(1500, 1000, &connection("polling")).is_err());
        let both = connection("both");
        assert!(
            enough(1500, 1000, &both)
                .unwrap()
                .unwrap()
                .contains("may need 3064")
        );
    }
}
