// One node of the cluster: Socket.IO with the Redis streams adapter, on a Unix socket behind nginx.
// node server.js FOLDER NAME: listens on FOLDER/NAME.sock, finds Redis at FOLDER/redis.sock, appends to FOLDER/NAME.ledger.
"use strict";
const fs = require("fs");
const http = require("http");
const path = require("path");
const { createClient } = require("redis");
const { createAdapter } = require("@socket.io/redis-streams-adapter");
const { Server } = require("socket.io");

const [folder, name] = process.argv.slice(2);
const at = path.join(folder, `${name}.sock`);
const ledger = fs.openSync(path.join(folder, `${name}.ledger`), "a");

// Written before anything is answered, in one call: what has been acknowledged is in the file, even after a SIGKILL. The
// clock is the same for all processes of a machine, so that the files together have one order.
function note(...words) {
  fs.writeSync(ledger, `${process.hrtime.bigint()} ${words.join(" ")}\n`);
}

async function main() {
  // While Redis is away, commands wait in the client, and it tries again soon.
  const redis = createClient({ socket: { path: path.join(folder, "redis.sock"), reconnectStrategy: () => 100 } });
  redis.on("error", (error) => console.error("redis:", error.message));
  await redis.connect();

  const server = http.createServer();
  const io = new Server(server, {
    pingInterval: 2000,
    pingTimeout: 2000,
    adapter: createAdapter(redis, { heartbeatInterval: 1000, heartbeatTimeout: 5000 }),
    connectionStateRecovery: { maxDisconnectionDuration: 60000, skipMiddlewares: true },
  });
  io.engine.on("connection_error", (error) => note("refused", error.code));
  io.on("connection", (socket) => {
    const client = socket.handshake.auth.client;
    note("join", client, socket.recovered ? 1 : 0);
    socket.on("put", (n, ack) => {
      note("put", client, n);
      ack(n);
    });
    socket.on("disconnect", (reason) => note("leave", client, reason.replaceAll(" ", "-")));
  });

  // To everybody, through Redis: who gets the offset of one of these can have a session restored.
  const life = `${name}.${process.pid}`;
  let news = 0;
  setInterval(() => io.emit("news", life, news++), 1000);

  fs.rmSync(at, { force: true });
  server.listen(at);
}

// An adapter whose Redis has gone rejects promises that nobody waits for; the node goes on, as its operator would want.
process.on("unhandledRejection", (error) => console.error("rejected:", error));
main().catch((error) => {
  console.error(error);
  process.exit(1);
});
