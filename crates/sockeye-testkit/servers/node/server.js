// The scenario server on the official Node package. The contract is in ../README.md.
"use strict";
const path = require("path");
const fs = require("fs");
const http = require("http");
const https = require("https");
const readline = require("readline");

const options = parseOptions(process.argv.slice(2));
const socketio = require(path.resolve(options.package, "node_modules", "socket.io"));
// Socket.IO 2 and 1 export the server itself; they know no `auth`, and tell no `data` beside the message of an error.
const older = !socketio.Server;
const Server = socketio.Server || socketio;

const server = options.cert
  ? https.createServer({
      cert: fs.readFileSync(options.cert),
      key: fs.readFileSync(options.key),
      ...(options["client-ca"]
        ? { ca: fs.readFileSync(options["client-ca"]), requestCert: true, rejectUnauthorized: true }
        : {}),
    })
  : http.createServer();
const io = new Server(server, {
  path: options.path,
  pingInterval: Number(options["ping-interval"]),
  pingTimeout: Number(options["ping-timeout"]),
  transports: options.transports.split(","),
  maxHttpBufferSize: Number(options["max-buffer"]),
  ...(options.deflate
    ? {
        perMessageDeflate: {
          threshold: Number(options.deflate),
          ...(options["window-bits"]
            ? { clientMaxWindowBits: Number(options["window-bits"]), serverMaxWindowBits: Number(options["window-bits"]) }
            : {}),
        },
      }
    : {}),
  ...(options.parser === "msgpack"
    ? { parser: require(path.resolve(options.package, "node_modules", "socket.io-msgpack-parser")) }
    : {}),
  ...(options.parser === "json" ? { parser: jsonObjects() } : {}),
  ...(options.recovery
    ? { connectionStateRecovery: { maxDisconnectionDuration: Number(options.recovery), skipMiddlewares: true } }
    : {}),
});

// A parser of one's own: each packet is one text, the JSON of an object. No binary.
function jsonObjects() {
  class Encoder {
    encode(packet) {
      return [JSON.stringify(packet)];
    }
  }
  class Decoder extends require("events").EventEmitter {
    add(message) {
      this.emit("decoded", JSON.parse(message));
    }
    destroy() {}
  }
  return { Encoder, Decoder };
}

function parseOptions(args) {
  const values = {
    port: "0",
    path: "/socket.io",
    "ping-interval": "25000",
    "ping-timeout": "20000",
    transports: "polling,websocket",
    "max-buffer": String(8 * 1024 * 1024),
  };
  for (let i = 0; i < args.length; i += 2) {
    const name = args[i].replace(/^--/, "");
    if (args[i + 1] === undefined) throw new Error(`option ${args[i]} needs a value`);
    values[name] = args[i + 1];
  }
  if (!values.package) throw new Error("--package FOLDER is needed: the folder whose node_modules has socket.io");
  return values;
}

const isBinary = (value) => value instanceof Uint8Array || value instanceof ArrayBuffer;

function describeBinary(value) {
  if (isBinary(value)) return { $bin: Buffer.from(value).toString("hex") };
  if (Array.isArray(value)) return value.map(describeBinary);
  if (value && typeof value === "object") {
    return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, describeBinary(inner)]));
  }
  return value;
}

// Ten events a turn, so that a burst spans several round trips and an upgrade happens in its middle.
function burst(socket, total) {
  let next = 0;
  const turn = () => {
    for (let i = 0; i < 10 && next < total; i++) socket.emit("burst", next++);
    if (next < total) setTimeout(turn, 2);
  };
  turn();
}

// What has happened, of all namespaces together.
const ledger = { joined: 0, refused: 0, left: 0, events: 0, acknowledged: 0 };

// Who the client is by its certificate. (Looked at when it joins: after an upgrade the connection of its handshake is closed,
// and knows it no more.)
function peerName(request) {
  const { getPeerCertificate } = request.socket;
  const certificate = getPeerCertificate && getPeerCertificate.call(request.socket);
  return certificate && certificate.subject && certificate.subject.CN;
}

function serve(socket) {
  const peer = peerName(socket.conn.request);
  const remembered = [];
  ledger.joined++;
  if (!older) socket.onAny(() => ledger.events++);
  socket.on("disconnect", () => ledger.left++);
  const on = (event, handler) =>
    socket.on(event, (...args) => {
      const last = args[args.length - 1];
      const reply = typeof last === "function" ? args.pop() : null;
      handler(args, (...answer) => {
        if (!reply) return;
        ledger.acknowledged++;
        reply(...answer);
      });
    });

  on("echo", (args) => socket.emit("echo", ...args));
  on("ack", (args, ack) => ack(...args));
  on("inspect", (args, ack) => ack(describeBinary(args)));
  on("describe", (_, ack) =>
    ack({
      id: socket.id,
      nsp: socket.nsp.name,
      auth: socket.handshake.auth || {},
      query: socket.handshake.query,
      headers: socket.handshake.headers,
      transport: socket.conn.transport.name,
      peer,
      extensions: socket.conn.transport.socket && socket.conn.transport.socket.extensions,
    }),
  );
  on("ask", (args) => socket.emit("question", ...args, (...answer) => socket.emit("answered", ...answer)));
  on("count", ([n]) => remembered.push(n));
  on("counted", (_, ack) => ack(remembered));
  on("burst", ([n]) => burst(socket, n));
  on("binary", (_, ack) =>
    ack({ first: Buffer.from([1, 2, 3]), list: [Buffer.alloc(0), { deep: Buffer.from([0xff, 0, 0x80]) }], text: "æøå" }),
  );
  on("text", ([n], ack) => ack("x".repeat(n)));
  on("blob", ([n], ack) => ack(Buffer.alloc(n).map((_, i) => i % 251)));
  on("size", ([value], ack) => {
    const bytes = Buffer.from(value);
    ack(bytes.length, bytes.reduce((sum, byte) => sum + byte, 0));
  });
  on("later", ([ms, value], ack) => setTimeout(() => ack(value), ms));
  on("silence", () => {});
  on("broadcast", (args) => socket.broadcast.emit("broadcast", ...args));
  on("put", (args, ack) => {
    socket.broadcast.emit("put", ...args);
    ack(...args);
  });
  // An ERROR packet of Socket.IO 2 and 1 for a socket that stays.
  on("complain", ([message]) => older && socket.error(message));
  on("leave", () => socket.disconnect());
  on("close", () => socket.disconnect(true));

  socket.emit("welcome", socket.nsp.name);
  if (socket.handshake.auth && socket.handshake.auth.burst) burst(socket, socket.handshake.auth.burst);
}

for (const name of ["/", "/chat", "/admin", "/slow"]) io.of(name).on("connection", serve);

io.of("/admin").use((socket, next) => {
  const credentials = older ? socket.handshake.query : socket.handshake.auth;
  if (credentials.token === "secret") return next();
  ledger.refused++;
  const error = new Error("not authorized");
  if (!older) error.data = { code: 401 };
  next(error);
});
io.of("/slow").use((_, next) => setTimeout(next, 300));
// Asked for every namespace that does not exist; it goes on not existing.
if (!older) {
  io.of((_name, _auth, next) => {
    ledger.refused++;
    next(null, false);
  });
}

// A map by id in newer versions, an object in older ones.
const socketsOf = (nsp) => {
  const { sockets, connected } = io.of(nsp);
  return older ? Object.values(connected) : [...sockets.values()];
};

const commands = {
  sockets: ({ nsp }) => ({ sockets: socketsOf(nsp).length }),
  emit: ({ nsp, event, args }) => void io.of(nsp).emit(event, ...args),
  disconnect: ({ nsp, close }) => {
    for (const socket of socketsOf(nsp)) socket.disconnect(Boolean(close));
  },
  ledger: () => ledger,
  stop: () => {
    io.close();
    setTimeout(() => process.exit(0), 100).unref();
  },
};

const lines = readline.createInterface({ input: process.stdin });
lines.on("line", (line) => {
  const command = JSON.parse(line);
  const answer = commands[command.cmd](command);
  console.log(JSON.stringify({ id: command.id, ...answer }));
});
lines.on("close", () => process.exit(0));

// A long queue: load tests bring many clients at once, and what does not fit into it is lost for a second and more.
server.listen({ port: Number(options.port), host: "127.0.0.1", backlog: 4096 }, () => console.log(JSON.stringify({ port: server.address().port })));
