// What the scenario with cut links runs against: the official server, with a ledger of all numbers that have ever been put.
// Every `put` is acknowledged with its number; `tick` with the next number goes to everybody, every so many milliseconds. With
// `paced` instead of their number there is one tick for each new `put`, before its acknowledgement: however slow the board is,
// it is never owed more than one. Puts and ticks then carry a text of up to 1600 bytes, and the acknowledgement says whether
// to go on: `enough` ends that.
// Started and asked as the scenario servers (crates/sockeye-testkit/servers/README.md): `ledger` tells what is in the ledger.
"use strict";
const path = require("path");
const http = require("http");
const readline = require("readline");

const [folder, pace] = process.argv.slice(2);
const paced = pace === "paced";
const { Server } = require(path.resolve(folder, "node_modules", "socket.io"));

const server = http.createServer();
const io = new Server(server, {
  // The board's clock runs many times faster than ours: it would miss a ping before one is due. Connections last for less.
  pingInterval: 7000,
  pingTimeout: 5000,
  connectionStateRecovery: { maxDisconnectionDuration: 120000, skipMiddlewares: true },
});

// Most texts are short; each eighth is longer than a segment, a link's buffer or a frame's short length. The board knows
// the same rule (scenarios/cuts.rs).
const alphabet = "abcdefghijklmnopqrstuvwxyz".repeat(64);
const text = (number) => alphabet.substr(number % 26, number % 8 === 7 ? (number * 37) % 1601 : number % 64);

const times = [];
let disordered = 0;
let mangled = 0;
let enough = false;
let tick = 0;
io.on("connection", (socket) => {
  socket.on("put", (number, ...rest) => {
    const ack = rest.pop();
    const fresh = !times[number];
    if (fresh && number !== times.length) disordered++;
    times[number] = (times[number] || 0) + 1;
    if (!paced) return ack(number);
    if (rest[0] !== text(number)) mangled++;
    if (fresh) io.emit("tick", tick, text(tick++));
    ack(number, !enough);
  });
});

const ticking = paced ? undefined : setInterval(() => io.emit("tick", tick++), Number(pace));

const commands = {
  ledger: () => {
    const seen = Array.from(times, (n) => n || 0);
    return {
      numbers: times.length,
      missing: seen.filter((n) => n === 0).length,
      repeats: seen.reduce((sum, n) => sum + Math.max(0, n - 1), 0),
      disordered,
      mangled,
      ticks: tick,
    };
  },
  enough: () => {
    enough = true;
    return {};
  },
};
const lines = readline.createInterface({ input: process.stdin });
lines.on("line", (line) => {
  const { id, cmd } = JSON.parse(line);
  console.log(JSON.stringify({ id, ...commands[cmd]() }));
});
lines.on("close", () => {
  clearInterval(ticking);
  process.exit(0);
});

server.listen(0, "127.0.0.1", () => console.log(JSON.stringify({ port: server.address().port })));
