// The same jobs on the official client, through its ordinary interface: WebSocket only, reconnection off.
//
// node client.js ROW PORT COUNT; prints the line that `cargo xtask bench` reads, as `common/src/lib.rs` does.
"use strict";

const assert = require("node:assert/strict");
const { readFileSync } = require("node:fs");
const { io } = require("socket.io-client");

const [row, port, number] = process.argv.slice(2);
const count = Number(number);
// As in `common/src/lib.rs`.
const FIRST_ID = 1000;
const CYCLE = 1000;
const ATTACHMENT = 1024;

const idOf = (n) => FIRST_ID + (n % CYCLE);
const reading = (n) => ({ id: idOf(n), t: 21.53, ok: true, name: "kitchen" });

/** A client of its own connection, joined. */
function joined() {
  const socket = io(`http://127.0.0.1:${port}`, {
    transports: ["websocket"],
    reconnection: false,
    forceNew: true,
    query: { scenario: row, count },
  });
  return new Promise((resolve, reject) => {
    socket.once("connect", () => resolve(socket));
    socket.once("connect_error", reject);
  });
}

function stopwatch() {
  const cpu = process.cpuUsage();
  const started = process.hrtime.bigint();
  return () => {
    const nanos = process.hrtime.bigint() - started;
    const { user, system } = process.cpuUsage(cpu);
    console.log(`nanos=${nanos} cpu=${(user + system) * 1000}`);
  };
}

/** Checks that events arrive complete and in order; true when it was the last one. */
function sequence() {
  let seen = 0;
  return (id) => {
    assert.equal(id, idOf(seen), `event ${seen} of ${count} is lost or out of order`);
    seen += 1;
    return seen === count;
  };
}

function attachmentId(bytes) {
  assert.equal(bytes.length, ATTACHMENT, "an attachment has the wrong length");
  return Number(bytes.toString("latin1", 0, 4));
}

async function receive(idFrom) {
  const socket = await joined();
  const take = sequence();
  const report = stopwatch();
  await new Promise((resolve) => {
    socket.on("event", (...args) => {
      if (take(idFrom(...args))) resolve();
    });
    socket.emit("go");
  });
  report();
}

async function emit() {
  const socket = await joined();
  const report = stopwatch();
  await new Promise((resolve) => {
    socket.once("done", resolve);
    for (let n = 0; n < count; n += 1) socket.emit("event", reading(n));
  });
  report();
}

async function ack() {
  const socket = await joined();
  const take = sequence();
  const report = stopwatch();
  for (let n = 0; n < count; n += 1) take(await socket.emitWithAck("event", reading(n)));
  report();
}

function residentBytes() {
  const line = readFileSync("/proc/self/status", "utf8").match(/^VmRSS:\s+(\d+) kB$/m);
  return Number(line[1]) * 1024;
}

async function idle() {
  const sockets = [await joined()];
  const before = residentBytes();
  for (let n = 0; n < count; n += 1) sockets.push(await joined());
  console.log(`bytes=${Math.max(0, residentBytes() - before)}`);
}

const rows = {
  receive: () => receive(({ id }) => id),
  binary: () => receive(attachmentId),
  "binary-typed": () =>
    receive((bytes, { id }) => {
      assert.equal(id, attachmentId(bytes), "not the attachment of this event");
      return id;
    }),
  emit,
  ack,
  idle,
};

if (!rows[row]) throw new Error(`the official client has no row ${row}`);
rows[row]().then(
  () => process.exit(0),
  (error) => {
    console.error(error);
    process.exit(1);
  },
);
