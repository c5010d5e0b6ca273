// TLS in front of a server of this machine: `node tls.js KEY CERTIFICATES PORT`.
"use strict";
const fs = require("fs");
const net = require("net");
const tls = require("tls");

const [key, cert, port] = process.argv.slice(2);
const front = tls.createServer({ key: fs.readFileSync(key), cert: fs.readFileSync(cert) }, (socket) => {
  const inner = net.connect(Number(port), "127.0.0.1");
  for (const [from, to] of [[socket, inner], [inner, socket]]) {
    from.on("error", () => to.destroy());
    from.pipe(to);
  }
});
// A board that refuses the certificate is what some runs are about.
front.on("tlsClientError", () => {});
process.stdin.on("end", () => process.exit(0)).resume();
front.listen(0, "127.0.0.1", () => console.log(JSON.stringify({ port: front.address().port })));
