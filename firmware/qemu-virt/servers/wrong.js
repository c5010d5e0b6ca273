// Servers that are not what the client expects, by the path of the request.
"use strict";
const http = require("http");
const { createHash } = require("crypto");

const PAGE = "<!DOCTYPE html><title>A router</title><h1>Welcome</h1>";
const text = (body) => Buffer.concat([Buffer.from([0x81, body.length]), Buffer.from(body)]);

const answers = {
  "/html/": (socket) =>
    socket.end(`HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: ${PAGE.length}\r\n\r\n${PAGE}`),
  "/away/": (socket) =>
    socket.end("HTTP/1.1 302 Found\r\nLocation: https://elsewhere.test/\r\nContent-Length: 0\r\n\r\n"),
  "/silent/": () => {},
  // What Socket.IO 2 says: its own handshake, and a CONNECT that nobody asked for.
  "/v2/": (socket, request) => {
    accept(socket, request);
    socket.write(text('0{"sid":"abc","upgrades":[],"pingInterval":25000,"pingTimeout":5000}'));
    socket.write(text("40"));
  },
  // A WebSocket server of another kind.
  "/chat/": (socket, request) => {
    accept(socket, request);
    socket.write(text('{"hello":"world"}'));
  },
  "/deaf/": (socket, request) => {
    accept(socket, request, "not the right answer");
  },
};

function accept(socket, request, answer) {
  const key = request.headers["sec-websocket-key"] + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
  const hash = answer || createHash("sha1").update(key).digest("base64");
  socket.write(
    `HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${hash}\r\n\r\n`,
  );
}

const server = http.createServer();
server.on("upgrade", (request, socket) => {
  socket.on("error", () => {});
  const answer = answers[request.url.split("?")[0]];
  if (answer) answer(socket, request);
  else socket.end("HTTP/1.1 404 Not Found\r\nContent-Type: text/plain\r\nContent-Length: 9\r\n\r\nnot found");
});
process.stdin.on("end", () => process.exit(0)).resume();
server.listen(0, "127.0.0.1", () => console.log(JSON.stringify({ port: server.address().port })));
