//! What the server speaks on: TCP, or TLS on it.

use std::cell::RefCell;
use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::os::linux::net::TcpStreamExt;
use std::rc::Rc;
use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};

/// A stream whose two directions can be held apart.
pub(crate) trait Wire: Read + Write + Sized {
    /// The same stream once more.
    fn twin(&self) -> io::Result<Self>;
    /// The same stream, to be written to by another thread.
    fn socket(&self) -> io::Result<TcpStream>;
    /// Acknowledges at once what has come.
    fn quick(&self) -> io::Result<()>;
}

impl Wire for TcpStream {
    fn twin(&self) -> io::Result<Self> {
        self.try_clone()
    }

    fn socket(&self) -> io::Result<TcpStream> {
        self.try_clone()
    }

    fn quick(&self) -> io::Result<()> {
        self.set_quickack(true)
    }
}

/// TLS. No scenario reads and writes at the same time.
pub(crate) struct Secure(Rc<RefCell<StreamOwned<ServerConnection, TcpStream>>>);

impl Wire for Secure {
    fn twin(&self) -> io::Result<Self> {
        Ok(Self(Rc::clone(&self.0)))
    }

    fn socket(&self) -> io::Result<TcpStream> {
        Err(io::Error::other("no bare socket below TLS"))
    }

    fn quick(&self) -> io::Result<()> {
        self.0.borrow().sock.set_quickack(true)
    }
}

impl Read for Secure {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        self.0.borrow_mut().read(buf)
    }
}

impl Write for Secure {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        self.0.borrow_mut().write(buf)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.borrow_mut().flush()
    }
}

pub(crate) fn plain(stream: TcpStream) -> io::Result<TcpStream> {
    Ok(stream)
}

pub(crate) fn secure(stream: TcpStream, config: &Arc<ServerConfig>) -> io::Result<Secure> {
    let connection = ServerConnection::new(Arc::clone(config)).map_err(io::Error::other)?;
    let stream = StreamOwned::new(connection, stream);
    Ok(Secure(Rc::new(RefCell::new(stream))))
}

/// With a certificate and its key, from PEM files.
pub(crate) fn config(certificate: &str, key: &str) -> io::Result<Arc<ServerConfig>> {
    let chain = CertificateDer::pem_file_iter(certificate).map_err(io::Error::other)?;
    let chain = chain.collect::<Result<_, _>>().map_err(io::Error::other)?;
    let key = PrivateKeyDer::from_pem_file(key).map_err(io::Error::other)?;
    let config =
        ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(io::Error::other)?
            .with_no_client_auth()
            .with_single_cert(chain, key)
            .map_err(io::Error::other)?;
    Ok(Arc::new(config))
}
