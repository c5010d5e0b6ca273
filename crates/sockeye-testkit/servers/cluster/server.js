// One node of the cluster of the tests, with a ledger: node server.js FOLDER NAME (see node.js) appends to FOLDER/NAME.ledger.
"use strict";
const fs = require("fs");
const path = require("path");
const { folder, name, node } = require("./node.js");

const ledger = fs.openSync(path.join(folder, `${name}.ledger`), "a");

// Written before anything is answered, in one call: what has been acknowledged is in the file, even after a SIGKILL. The
// clock is the same for all processes of a machine, so that the files together have one order.
function note(...words) {
  fs.writeSync(ledger, `${process.hrtime.bigint()} ${words.join(" ")}\n`);
}

function serve(io) {
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
}

node({ skipMiddlewares: true, serve });
