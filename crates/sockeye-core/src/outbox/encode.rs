//! Where arguments become JSON (or MessagePack, where that is the parser) before their packet is built, in growable memory.

use alloc::vec::Vec;

use super::{Body, Outbox};
use crate::error::EmitError;
#[cfg(feature = "msgpack")]
use crate::packet::msgpack::encode_args;
use crate::packet::{Attachments, EmitArgs, EncodeError, encode_args_to_vec};

/// Memory that is kept from one emit to the next, so that none allocates in steady state.
#[derive(Debug, Default)]
pub(super) struct Encoder {
    json: Vec<u8>,
    records: Vec<u8>,
}

/// More than this is given back after use.
const KEEP: usize = 16 << 10;

impl Encoder {
    /// The JSON of `["event",args…]`, or of `[args…]`, and the attachments found.
    fn encode<A: EmitArgs + ?Sized>(
        &mut self,
        event: Option<&str>,
        args: &A,
        limit: u16,
    ) -> Result<Body<'_>, EmitError> {
        self.json.clear();
        self.records.clear();
        let records = &mut self.records;
        let mut count = 0;
        let mut attach = |bytes: &[u8]| {
            count += 1;
            if count > usize::from(limit) {
                return Err(EncodeError::TooManyAttachments {
                    limit: limit.into(),
                });
            }
            let len = u32::try_from(bytes.len()).map_err(|_| EncodeError::BufferTooSmall)?;
            records.extend_from_slice(&len.to_le_bytes());
            records.extend_from_slice(bytes);
            Ok(())
        };
        let count = encode_args_to_vec(event, args, &mut self.json, &mut attach)?;
        Ok(Body::Bytes(
            &self.json,
            Attachments::new(&self.records, count),
        ))
    }

    /// The same in MessagePack.
    #[cfg(feature = "msgpack")]
    fn encode_packed<A: EmitArgs + ?Sized>(
        &mut self,
        event: Option<&str>,
        args: &A,
        limit: u16,
    ) -> Result<Body<'_>, EmitError> {
        self.json.clear();
        let binaries = encode_args(event, args, limit, &mut self.json)?;
        Ok(Body::Packed(&self.json, binaries))
    }

    /// After use: large memory goes back.
    fn tidy(&mut self) {
        if self.json.capacity() > KEEP {
            self.json = Vec::new();
        }
        if self.records.capacity() > KEEP {
            self.records = Vec::new();
        }
    }
}

/// Encodes arguments, and hands the body on. `of` finds the outbox in whatever owns it: what `then` does with the body
/// may need the owner as a whole.
pub(crate) fn encoded<'a, O, A: EmitArgs + ?Sized, R>(
    owner: &mut O,
    of: impl Fn(&mut O) -> &mut Outbox<'a>,
    (event, args, limit): (Option<&str>, &A, u16),
    then: impl FnOnce(&mut O, Body<'_>) -> Result<R, EmitError>,
) -> Result<R, EmitError> {
    #[cfg(feature = "msgpack")]
    let packed = of(owner).takes_packed();
    let mut encoder = of(owner).encoder.take().unwrap_or_default();
    #[cfg(feature = "msgpack")]
    let body = if packed {
        encoder.encode_packed(event, args, limit)
    } else {
        encoder.encode(event, args, limit)
    };
    #[cfg(not(feature = "msgpack"))]
    let body = encoder.encode(event, args, limit);
    let result = body.and_then(|body| then(owner, body));
    encoder.tidy();
    of(owner).encoder = Some(encoder);
    result
}
