//! Certificates for measurements, in a folder that goes away afterwards. The testkit makes them.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use crate::run::{self, cargo};

/// Of the program that makes them, on a busy machine.
const BUILD_LIMIT: Duration = Duration::from_secs(600);

/// A folder with `authority.pem`, and `server.pem` with `server.key` for 127.0.0.1.
pub struct Certificates(PathBuf);

impl Certificates {
    pub fn new() -> Result<Self, String> {
        static FOLDERS: AtomicU32 = AtomicU32::new(0);
        let number = FOLDERS.fetch_add(1, Ordering::Relaxed);
        let folder = std::env::temp_dir().join(format!(
            "sockeye-certificates-{}-{number}",
            std::process::id()
        ));
        fs::create_dir_all(&folder)
            .map_err(|error| format!("cannot make {}: {error}", folder.display()))?;
        let made = Self(folder);
        let mut make = cargo(
            "run --quiet -p sockeye-testkit --features certificates --example certificates --",
        );
        if !run::run(make.arg(&made.0).arg("127.0.0.1"), BUILD_LIMIT)?.success() {
            return Err("the certificates could not be made".to_owned());
        }
        Ok(made)
    }

    /// The folder, for servers that read its files.
    pub fn folder(&self) -> &Path {
        &self.0
    }
}

impl Drop for Certificates {
    fn drop(&mut self) {
        // What is left behind lies in the system's folder for temporary files.
        fs::remove_dir_all(&self.0).ok();
    }
}
