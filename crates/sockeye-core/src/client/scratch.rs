//! Where arguments become JSON before their packet is built.

use crate::error::EmitError;
use crate::packet::{Attachments, EmitArgs, EncodeError, encode_args_to_vec};
use alloc::vec::Vec;

/// Memory that is kept from one emit to the next, so that none allocates in steady state.
#[derive(Debug, Default)]
pub(super) struct Scratch {
    json: Vec<u8>,
    records: Vec<u8>,
}

/// More than this is given back after use.
const KEEP: usize = 16 << 10;

impl Scratch {
    pub(super) const fn new() -> Self {
        Self {
            json: Vec::new(),
            records: Vec::new(),
        }
    }

    /// The JSON of `["event",args…]`, or of `[args…]`, and the attachments found.
    pub(super) fn encode<A: EmitArgs + ?Sized>(
        &mut self,
        event: Option<&str>,
        args: &A,
        limit: u16,
    ) -> Result<(&[u8], Attachments<'_>), EmitError> {
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
        Ok((&self.json, Attachments::new(&self.records, count)))
    }

    /// After use: large memory goes back.
    pub(super) fn tidy(&mut self) {
        if self.json.capacity() > KEEP {
            self.json = Vec::new();
        }
        if self.records.capacity() > KEEP {
            self.records = Vec::new();
        }
    }
}
