//! Certificates that are made in the test: a CA of its own for each, and leaves with any fault that is asked for.

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, date_time_ymd,
};

/// How a certificate is to be.
#[derive(Clone, Debug)]
pub struct Leaf {
    /// The common name, which clients ignore.
    pub common_name: String,
    /// DNS names and addresses.
    pub names: Vec<String>,
    /// Valid from and until: year, month, day.
    pub valid: [(i32, u8, u8); 2],
    /// It says that it is a CA.
    pub ca: bool,
    /// It is meant for clients, not for servers.
    pub client: bool,
}

impl Leaf {
    /// A good certificate for these names and addresses; the first is the common name too.
    pub fn of(names: &[&str]) -> Self {
        Self {
            common_name: names.first().copied().unwrap_or("nobody").into(),
            names: names.iter().map(|&name| name.into()).collect(),
            valid: [(2020, 1, 1), (2120, 1, 1)],
            ca: false,
            client: false,
        }
    }

    /// A good certificate for one name or address.
    pub fn named(name: &str) -> Self {
        Self::of(&[name])
    }

    /// The certificate of a client.
    pub fn client(name: &str) -> Self {
        Self {
            client: true,
            ..Self::named(name)
        }
    }

    fn params(&self) -> CertificateParams {
        let mut params = CertificateParams::new(self.names.clone()).expect("names");
        params
            .distinguished_name
            .push(DnType::CommonName, &*self.common_name);
        let [from, until] = self.valid;
        params.not_before = date_time_ymd(from.0, from.1, from.2);
        params.not_after = date_time_ymd(until.0, until.1, until.2);
        if self.ca {
            params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
            params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        } else {
            params.is_ca = IsCa::ExplicitNoCa;
            params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
            params.extended_key_usages = vec![if self.client {
                ExtendedKeyUsagePurpose::ClientAuth
            } else {
                ExtendedKeyUsagePurpose::ServerAuth
            }];
        }
        params
    }
}

/// Something that signs: a CA, or a certificate that should not.
#[derive(Debug)]
pub struct Authority {
    identity: Identity,
    params: CertificateParams,
    /// Clients have it already: it is not sent along.
    root: bool,
}

/// A certificate with its key, and the certificates above it but for the root.
#[derive(Debug)]
pub struct Identity {
    /// Leaf first, DER.
    chain: Vec<Vec<u8>>,
    key: KeyPair,
}

impl Authority {
    /// A new root.
    pub fn new(name: &str) -> Self {
        let mut leaf = Leaf::of(&[]);
        leaf.common_name = name.into();
        leaf.ca = true;
        let params = leaf.params();
        let key = KeyPair::generate().expect("a key");
        let certificate = params.self_signed(&key).expect("a certificate");
        Self {
            identity: Identity {
                chain: vec![certificate.der().to_vec()],
                key,
            },
            params,
            root: true,
        }
    }

    /// The root in PEM.
    pub fn pem(&self) -> String {
        self.identity.chain_pem()
    }

    /// The root in DER.
    pub fn der(&self) -> &[u8] {
        &self.identity.chain[0]
    }

    /// Issues a certificate.
    pub fn issue(&self, leaf: &Leaf) -> Identity {
        self.signed(leaf).identity
    }

    /// Issues a certificate that can sign others: properly, if it is a CA.
    pub fn signed(&self, leaf: &Leaf) -> Self {
        let params = leaf.params();
        let key = KeyPair::generate().expect("a key");
        let issuer = Issuer::from_params(&self.params, &self.identity.key);
        let certificate = params.signed_by(&key, &issuer).expect("a certificate");
        let mut chain = vec![certificate.der().to_vec()];
        if !self.root {
            chain.extend(self.identity.chain.iter().cloned());
        }
        Self {
            identity: Identity { chain, key },
            params,
            root: false,
        }
    }
}

impl Identity {
    /// The chain in DER, leaf first.
    pub fn chain(&self) -> Vec<Vec<u8>> {
        self.chain.clone()
    }

    /// The chain in PEM, leaf first.
    pub fn chain_pem(&self) -> String {
        self.chain
            .iter()
            .map(|der| pem("CERTIFICATE", der))
            .collect()
    }

    /// The private key in DER (PKCS #8).
    pub fn key(&self) -> Vec<u8> {
        self.key.serialize_der()
    }

    /// The private key in PEM.
    pub fn key_pem(&self) -> String {
        pem("PRIVATE KEY", &self.key())
    }

    /// The public key (SubjectPublicKeyInfo) in DER.
    pub fn public_key(&self) -> Vec<u8> {
        use rcgen::PublicKeyData as _;
        self.key.subject_public_key_info()
    }
}

fn pem(label: &str, der: &[u8]) -> String {
    use base64::Engine as _;
    let text = base64::prelude::BASE64_STANDARD.encode(der);
    let mut out = format!("-----BEGIN {label}-----\n");
    for line in text.as_bytes().chunks(64) {
        out.push_str(&String::from_utf8_lossy(line));
        out.push('\n');
    }
    out + &format!("-----END {label}-----\n")
}
