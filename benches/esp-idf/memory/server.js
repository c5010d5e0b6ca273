// The server of the measurement: sends so many events of that size as a client asks for. `node server.js PORT [KEY CERT]`:
// http at the port, https at the next one.
"use strict";
const fs = require("fs");
const path = require("path");
const { Server } = require(path.join(__dirname, "../../../crates/sockeye-testkit/servers/node/v4/node_modules/socket.io"));

const [port, key, cert] = process.argv.slice(2);
const servers = [require("http").createServer()];
if (key) servers.push(require("https").createServer({ key: fs.readFileSync(key), cert: fs.readFileSync(cert) }));
servers.forEach((server, at) => {
  new Server(server).on("connection", (socket) => {
    console.log("connection", socket.id, at ? "https" : "http");
    socket.on("burst", (count, size) => {
      const text = "x".repeat(size);
      for (let n = 0; n < count; n++) socket.emit("load", text);
      socket.emit("done");
    });
    socket.on("disconnect", (reason) => console.log("disconnect", socket.id, reason));
  });
  server.listen(Number(port) + at);
});
