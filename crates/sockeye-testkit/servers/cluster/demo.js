// One node of the cluster of `sockeye demo --cluster`: what the demo's own server says to devices, on the official server
// with the Redis streams adapter. node demo.js FOLDER NAME (see node.js). Everything that the page shows goes as lines of
// JSON to FOLDER/page.sock, from where commands come. A connection is named by its node and a number: a session that is
// recovered keeps the id of its socket, also at another node.
"use strict";
const net = require("net");
const path = require("path");
const readline = require("readline");
const { folder, name, node } = require("./node.js");

const page = net.connect(path.join(folder, "page.sock"));
page.on("error", () => process.exit(0)).on("close", () => process.exit(0));
const tell = (what) => page.write(`${JSON.stringify({ node: name, ...what })}\n`);

const devices = new Map();
let links = 0;

readline.createInterface({ input: page }).on("line", async (line) => {
  const { n, link, on } = JSON.parse(line);
  const socket = devices.get(link);
  if (!socket) return; // at another node
  try {
    tell({ kind: "led", n, on: await socket.timeout(5000).emitWithAck("led", on) });
  } catch (error) {
    tell({ kind: "led", n, error: error.message });
  }
});

function serve(io) {
  io.on("connection", (socket) => socket.on("echo", (...args) => socket.emit("echo", ...args)));
  const namespace = io.of("/devices");
  namespace.use((socket, next) => {
    const device = socket.handshake.auth.name;
    if (typeof device === "string" && /^.{1,40}$/u.test(device.trim())) next();
    else next(new Error('this namespace needs auth {"name": "your-board"}'));
  });
  namespace.on("connection", (socket) => {
    const device = socket.handshake.auth.name.trim();
    const link = `${name}/${links++}`;
    devices.set(link, socket);
    const say = (kind, what) => tell({ kind, device, link, ...what });
    const transport = () => socket.conn.transport.name;
    say("join", { transport: transport(), recovered: socket.recovered });
    // What comes with an acknowledgement asked for has it as the last argument.
    const on = (event, handle) =>
      socket.on(event, (...args) => {
        const ack = typeof args.at(-1) === "function" ? args.pop() : () => {};
        handle(ack, ...args);
      });
    on("hello", (ack, values) => {
      say("hello", { values });
      ack({ ok: true });
    });
    on("telemetry", (ack, values) => {
      say("telemetry", { values, transport: transport() });
      ack({ ok: true, counter: values?.counter });
    });
    on("picture", (ack, file, facts) => {
      say("picture", { file: [...file], facts: facts ?? {} });
      ack({ ok: true, bytes: file.length });
    });
    on("log", (ack, line) => {
      say("log", { line });
      ack({ ok: true });
    });
    socket.on("disconnect", (reason) => {
      devices.delete(link);
      say("leave", { reason });
    });
  });
  // Who gets the offset of one of these can have a session recovered.
  setInterval(() => namespace.emit("time", Date.now()), 1000);
}

node({ skipMiddlewares: false, serve });
