//! Keys and certificates for all cases, good and bad, in a folder where servers find them.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use sockeye_testkit::certificates::{Authority, Identity, Leaf};

/// A folder of keys (`NAME.key`), certificates with what is sent along (`NAME.pem`), and that alone (`NAME.chain`).
pub(crate) struct Certificates {
    folder: PathBuf,
    authority: Authority,
}

impl Certificates {
    pub(crate) fn new() -> Result<Self, String> {
        static FOLDERS: AtomicU32 = AtomicU32::new(0);
        let number = FOLDERS.fetch_add(1, Ordering::Relaxed);
        let folder = std::env::temp_dir().join(format!(
            "sockeye-certificates-{}-{number}",
            std::process::id()
        ));
        fs::create_dir_all(&folder)
            .map_err(|error| format!("cannot make {}: {error}", folder.display()))?;
        let made = Self {
            folder,
            authority: Authority::new("ca"),
        };
        let ca = &made.authority;
        let good = Leaf::of(&["sockeye.test", "10.0.2.2"]);
        let named = Leaf::named("sockeye.test");
        made.write("good", &ca.issue(&good))?;
        let intermediate = Leaf {
            ca: true,
            ..Leaf::named("intermediate.test")
        };
        made.write("below", &ca.signed(&intermediate).issue(&named))?;
        made.write("foreign", &Authority::new("other-ca").issue(&named))?;
        // The good certificate is none that may sign.
        made.write("forged", &ca.signed(&good).issue(&named))?;
        for (name, valid) in [
            ("expired", [(2020, 1, 1), (2021, 1, 1)]),
            ("early", [(2110, 1, 1), (2120, 1, 1)]),
        ] {
            let leaf = Leaf {
                valid,
                ..named.clone()
            };
            made.write(name, &ca.issue(&leaf))?;
        }
        Ok(made)
    }

    fn write(&self, name: &str, identity: &Identity) -> Result<(), String> {
        let all = identity.chain_pem();
        let end = "-----END CERTIFICATE-----\n";
        let along = all.split_once(end).map_or("", |(_, along)| along);
        for (kind, text) in [
            ("key", &*identity.key_pem()),
            ("pem", &*all),
            ("chain", along),
        ] {
            let path = self.folder.join(format!("{name}.{kind}"));
            fs::write(&path, text)
                .map_err(|error| format!("cannot write {}: {error}", path.display()))?;
        }
        Ok(())
    }

    /// The authority that boards trust, in the form that they store.
    pub(crate) fn ca(&self) -> &[u8] {
        self.authority.der()
    }

    /// The folder, for servers that read its files.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }
}

impl Drop for Certificates {
    fn drop(&mut self) {
        // What is left behind lies in the system's folder for temporary files.
        fs::remove_dir_all(&self.folder).ok();
    }
}
