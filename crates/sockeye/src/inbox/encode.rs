//! Packets are encoded where they are emitted, into memory that each thread keeps.

use std::cell::Cell;

use sockeye_core::EmitError;
use sockeye_core::packet::{EmitArgs, EncodeError, encode_args_to_vec};

thread_local! {
    /// Memory for encoding, kept from one emit to the next. It is taken out while in use, so that user code that runs
    /// during serialization may emit as well.
    static SCRATCH: Cell<(Vec<u8>, Vec<u8>)> = const { Cell::new((Vec::new(), Vec::new())) };
}

/// More scratch than this is not kept.
const KEEP: usize = 64 << 10;

/// Encodes arguments, and calls `then` with JSON, attachment records, and their count; or, `packed`, with MessagePack, no
/// records, and the number of binary values in it.
pub(crate) fn encode<A: EmitArgs + ?Sized, R>(
    event: Option<&str>,
    args: &A,
    (limit, packed): (u16, bool),
    then: impl FnOnce(&mut Vec<u8>, &mut Vec<u8>, usize) -> Result<R, EmitError>,
) -> Result<R, EmitError> {
    let (mut json, mut records) = SCRATCH.take();
    json.clear();
    records.clear();
    let mut count = 0usize;
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
    #[cfg(feature = "msgpack")]
    let encoded = if packed {
        sockeye_core::packet::msgpack::encode_args(event, args, limit, &mut json)
    } else {
        encode_args_to_vec(event, args, &mut json, &mut attach)
    };
    #[cfg(not(feature = "msgpack"))]
    let encoded = {
        debug_assert!(!packed, "there is no such parser");
        encode_args_to_vec(event, args, &mut json, &mut attach)
    };
    let result = match encoded {
        Ok(count) => then(&mut json, &mut records, count),
        Err(error) => Err(error.into()),
    };
    if json.capacity() <= KEEP && records.capacity() <= KEEP {
        SCRATCH.set((json, records));
    }
    result
}

/// An encoded packet that waits for being sent. It has the thread's memory for encoding, which comes back with it.
pub(crate) struct Encoded {
    pub(crate) json: Vec<u8>,
    pub(crate) records: Vec<u8>,
    pub(crate) count: usize,
}

/// Of the scratch at most so many bytes beyond what is used go along with a packet: it may wait for long.
const LENT: usize = 1 << 10;

impl Encoded {
    /// Encodes an event with its arguments, as [`encode`] does.
    pub(crate) fn new<A: EmitArgs + ?Sized>(
        event: &str,
        args: &A,
        encoding: (u16, bool),
    ) -> Result<Self, EmitError> {
        let lent = |bytes: &mut Vec<u8>| {
            if bytes.capacity() - bytes.len() <= LENT {
                std::mem::take(bytes)
            } else {
                bytes.clone()
            }
        };
        encode(Some(event), args, encoding, |json, records, count| {
            Ok(Self {
                json: lent(json),
                records: lent(records),
                count,
            })
        })
    }
}

impl Drop for Encoded {
    fn drop(&mut self) {
        if self.json.capacity() > KEEP || self.records.capacity() > KEEP {
            return;
        }
        let mut ours = (
            std::mem::take(&mut self.json),
            std::mem::take(&mut self.records),
        );
        // (The thread may be at its end.)
        let _ = SCRATCH.try_with(|scratch| {
            let other = scratch.take();
            if other.0.capacity() > ours.0.capacity() {
                ours = other;
            }
            scratch.set(ours);
        });
    }
}
