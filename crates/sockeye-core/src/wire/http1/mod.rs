//! HTTP/1.1, the client's half (RFC 9112).

mod response;

pub(crate) use response::{HttpDecoder, HttpError, READS_BODIES, Step};
