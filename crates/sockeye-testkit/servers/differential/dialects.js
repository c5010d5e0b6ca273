// What goes over the wire in Engine.IO 4 and in Engine.IO 3: packets of Socket.IO, bodies, frames.
"use strict";
const path = require("path");

// The parsers that the old client has below it.
const below = (name, of) => require(require.resolve(name, { paths: [path.dirname(require.resolve(of))] }));
const older = {
  socket: below("socket.io-parser", "socket.io-client-2"),
  engine: below("engine.io-parser", "socket.io-client-2"),
};

const isBinary = (value) => value instanceof Uint8Array || value instanceof ArrayBuffer;
const hasBinary = (value) => isBinary(value) || (value !== null && typeof value === "object" && Object.values(value).some(hasBinary));

// Engine.IO 4: parts of a packet are texts with their type, and bytes.
const four = (parser) => ({
  Decoder: parser.Decoder,
  encode: (packet) => new parser.Encoder().encode(packet).map((part) => (typeof part === "string" ? `4${part}` : Buffer.from(part))),
  body: (parts) => parts.map((part) => (typeof part === "string" ? part : `b${part.toString("base64")}`)).join("\u001e"),
  posted: (bytes) => bytes.toString().split("\u001e").map((part) => (part[0] === "b" ? Buffer.from(part.slice(1), "base64") : part)),
  frame: (part) => part,
  unframe: (data, binary) => (binary ? data : data.toString()),
});

// Engine.IO 3: each part of a body behind its length; bytes of messages behind their type.
const three = {
  Decoder: older.socket.Decoder,
  encode(packet) {
    const kind = { 2: 5, 3: 6 }[packet.type];
    let parts = [];
    new older.socket.Encoder().encode(kind && hasBinary(packet.data) ? { ...packet, type: kind } : packet, (encoded) => (parts = encoded));
    return parts.map((part) => (typeof part === "string" ? `4${part}` : Buffer.from(part)));
  },
  // The old client asks for base64 (`b64`).
  body(parts, base64) {
    if (parts.every((part) => typeof part === "string")) return parts.map((part) => `${part.length}:${part}`).join("");
    let body;
    const types = Object.fromEntries(Object.entries(older.engine.packets).map(([name, digit]) => [digit, name]));
    const packets = parts.map((part) => (typeof part === "string" ? { type: types[part[0]], data: part.slice(1) } : { type: "message", data: part }));
    older.engine.encodePayload(packets, !base64, (encoded) => (body = encoded));
    return body;
  },
  posted(bytes, type) {
    const parts = [];
    older.engine.decodePayload(/octet-stream/.test(type) ? bytes : bytes.toString(), null, ({ type: name, data }) => {
      parts.push(isBinary(data) ? Buffer.from(data) : `${older.engine.packets[name] ?? "?"}${data ?? ""}`);
    });
    return parts;
  },
  frame: (part) => (typeof part === "string" ? part : Buffer.concat([Buffer.from([4]), part])),
  unframe: (data, binary) => (binary ? data.subarray(1) : data.toString()),
};

const dialect = ({ eio, parser }) => (eio === 3 ? three : four(parser === "msgpack" ? require("socket.io-msgpack-parser") : require("socket.io-parser")));

module.exports = { dialect };
