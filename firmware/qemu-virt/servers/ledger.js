// What the scenario with cut links runs against: the official server, with a ledger of all numbers that have ever been put.
// Every `put` is acknowledged with its number; `tick` with the next number goes to everybody, several times a second.
// Started and asked as the scenario servers (crates/sockeye-testkit/servers/README.md): `ledger` tells what is in the ledger.
"use strict";
const path = require("path");
const http = require("http");
const readline = require("readline");

const [folder, tickMs] = process.argv.slice(2);
const { Server } = require(path.resolve(folder, "node_modules", "socket.io"));

const server = http.createServer();
const io = new Server(server, {
  // The board's clock runs many times faster than ours: it would miss a ping before one is due. Connections last for less.
  pingInterval: 7000,
  pingTimeout: 5000,
  connectionStateRecovery: { maxDisconnectionDuration: 120000, skipMiddlewares: true },
});

const times = [];
let disordered = 0;
io.on("connection", (socket) => {
  socket.on("put", (number, ack) => {
    if (!times[number] && number !== times.length) disordered++;
    times[number] = (times[number] || 0) + 1;
    ack(number);
  });
});

let tick = 0;
const ticking = setInterval(() => io.emit("tick", tick++), Number(tickMs));

const commands = {
  ledger: () => {
    const seen = Array.from(times, (n) => n || 0);
    return {
      numbers: times.length,
      missing: seen.filter((n) => n === 0).length,
      repeats: seen.reduce((sum, n) => sum + Math.max(0, n - 1), 0),
      disordered,
      ticks: tick,
    };
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
