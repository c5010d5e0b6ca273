//! What `socket.io-msgpack-parser` 2 has that its later versions have not: CONNECT, DISCONNECT and ERROR are text, the JSON
//! of the object that is packed otherwise. It reads them packed as well, so that nothing has to be written so.

use alloc::string::{String, ToString as _};

use serde::Deserialize;

use crate::packet::parser::Decoded;
use crate::packet::{Kind, Packet, PacketError, Value, read_json};

#[derive(Deserialize)]
struct Control {
    #[serde(rename = "type")]
    kind: u8,
    nsp: String,
    #[serde(default)]
    data: Option<Value>,
}

/// Reads such a text.
///
/// # Errors
/// It is none: the server uses another parser.
pub(crate) fn decode_text(text: &[u8], out: &mut Decoded) -> Result<(), PacketError> {
    let text = core::str::from_utf8(text).map_err(|_| PacketError::Encoding)?;
    let control: Control = read_json(text).map_err(|_| PacketError::NotMessagePack)?;
    let kind = match control.kind {
        0 => Kind::Connect,
        1 => Kind::Disconnect,
        4 => Kind::ConnectError,
        _ => return Err(PacketError::Type),
    };
    let data = control.data.map(|data| data.to_string());
    let packet = Packet {
        kind,
        nsp: &control.nsp,
        id: None,
        attachments: 0,
        data: data.as_deref().unwrap_or_default(),
    };
    out.set(&packet, &[]);
    Ok(())
}
