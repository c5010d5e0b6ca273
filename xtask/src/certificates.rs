//! Certificates for measurements, made by the openssl command in a folder that goes away afterwards.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use crate::run;
use crate::tools::{self, OPENSSL};

/// A folder of keys (`NAME.key`), certificates (`NAME.pem`) and what they were made from.
pub(crate) struct Certificates(PathBuf);

impl Certificates {
    pub(crate) fn new() -> Result<Self, String> {
        static FOLDERS: AtomicU32 = AtomicU32::new(0);
        tools::need(&[OPENSSL])?;
        let number = FOLDERS.fetch_add(1, Ordering::Relaxed);
        let folder = std::env::temp_dir().join(format!(
            "sockeye-certificates-{}-{number}",
            std::process::id()
        ));
        fs::create_dir_all(&folder)
            .map_err(|error| format!("cannot make {}: {error}", folder.display()))?;
        Ok(Self(folder))
    }

    /// A certificate authority that signs itself.
    pub(crate) fn authority(&self, name: &str) -> Result<(), String> {
        self.key(name)?;
        self.openssl(&format!(
            "req -x509 -new -key {name}.key -sha256 -days 30 -subj /CN={name} -out {name}.pem \
             -addext basicConstraints=critical,CA:TRUE -addext keyUsage=critical,keyCertSign"
        ))
    }

    /// A certificate for `alternatives` (`DNS:name,IP:address`), signed by `issuer`, valid for ten days.
    pub(crate) fn signed(
        &self,
        name: &str,
        issuer: &str,
        alternatives: &str,
    ) -> Result<(), String> {
        let extensions =
            format!("basicConstraints=critical,CA:FALSE\nsubjectAltName={alternatives}\n");
        fs::write(self.0.join(format!("{name}.ext")), extensions)
            .map_err(|error| format!("cannot write {name}.ext: {error}"))?;
        self.key(name)?;
        self.openssl(&format!(
            "req -new -key {name}.key -subj /CN={name} -out {name}.csr"
        ))?;
        self.openssl(&format!(
            "x509 -req -in {name}.csr -CA {issuer}.pem -CAkey {issuer}.key -CAcreateserial -days 10 -sha256 \
             -extfile {name}.ext -out {name}.pem"
        ))
    }

    /// The folder, for servers that read its files.
    pub(crate) fn folder(&self) -> &Path {
        &self.0
    }

    fn key(&self, name: &str) -> Result<(), String> {
        self.openssl(&format!(
            "ecparam -genkey -name prime256v1 -noout -out {name}.key"
        ))
    }

    fn openssl(&self, args: &str) -> Result<(), String> {
        let mut command = Command::new("openssl");
        command
            .args(args.split_whitespace())
            .current_dir(&self.0)
            .stdin(Stdio::null());
        let output = command
            .output()
            .map_err(|error| format!("cannot start openssl: {error}"))?;
        if output.status.success() {
            Ok(())
        } else {
            Err(format!(
                "`{}` failed: {}",
                run::shown(&command),
                String::from_utf8_lossy(&output.stderr).trim()
            ))
        }
    }
}

impl Drop for Certificates {
    fn drop(&mut self) {
        // What is left behind lies in the system's folder for temporary files.
        fs::remove_dir_all(&self.0).ok();
    }
}
