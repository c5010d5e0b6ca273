//! Bytes on the links: an HTTP/1.1 client subset and an RFC 6455 client subset.

pub(crate) mod http1;
pub(crate) mod ws;
