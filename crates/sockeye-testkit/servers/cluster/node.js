// What all nodes of a cluster are, whoever they serve: the official server with the Redis streams adapter, on a Unix socket
// behind nginx. node SCRIPT FOLDER NAME: listens on FOLDER/NAME.sock, finds Redis at FOLDER/redis.sock.
"use strict";
const fs = require("fs");
const http = require("http");
const path = require("path");
const { createClient } = require("redis");
const { createAdapter } = require("@socket.io/redis-streams-adapter");
const { Server } = require("socket.io");

const [folder, name] = process.argv.slice(2);

async function start(skipMiddlewares, serve) {
  // While Redis is away, commands wait in the client, and it tries again soon.
  const redis = createClient({ socket: { path: path.join(folder, "redis.sock"), reconnectStrategy: () => 100 } });
  redis.on("error", (error) => console.error("redis:", error.message));
  await redis.connect();
  const server = http.createServer();
  serve(
    new Server(server, {
      pingInterval: 2000,
      pingTimeout: 2000,
      adapter: createAdapter(redis, { heartbeatInterval: 1000, heartbeatTimeout: 5000 }),
      connectionStateRecovery: { maxDisconnectionDuration: 60000, skipMiddlewares },
    }),
  );
  const at = path.join(folder, `${name}.sock`);
  fs.rmSync(at, { force: true });
  server.listen(at);
}

// An adapter whose Redis has gone rejects promises that nobody waits for; the node goes on, as its operator would want.
process.on("unhandledRejection", (error) => console.error("rejected:", error));

module.exports = {
  folder,
  name,
  // Starts the node; `serve` is given its server before it listens.
  node: ({ skipMiddlewares, serve }) =>
    start(skipMiddlewares, serve).catch((error) => {
      console.error(error);
      process.exit(1);
    }),
};
