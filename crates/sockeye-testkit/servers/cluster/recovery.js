// What the Redis streams adapter does to broadcasts over a recovery, without Sockeye: two nodes in this process, a Redis of
// its own, and a client of raw WebSocket messages. `node recovery.js` (after `npm ci` here) prints what came.
//
// The first two cases hold back what Redis answers to the XREAD of one node, as a node or a network under load does by
// itself. The third holds nothing back: nodes emit quickly, and the client comes back again and again.
"use strict";
const fs = require("fs");
const http = require("http");
const net = require("net");
const os = require("os");
const path = require("path");
const { spawn } = require("child_process");
const { createClient } = require("redis");
const { createAdapter } = require("@socket.io/redis-streams-adapter");
const { Server } = require("socket.io");
const WebSocket = require("ws");

const folder = fs.mkdtempSync(path.join(os.tmpdir(), "sockeye-recovery-"));
const redisSocket = path.join(folder, "redis.sock");
const sleep = (ms) => new Promise((done) => setTimeout(done, ms));

async function until(what, holds) {
  for (let waited = 0; waited < 10000; waited += 2) {
    if (holds()) return;
    await sleep(2);
  }
  throw new Error(`not within 10 s: ${what}`);
}

// Between a node and Redis. `hold` keeps back the answers of connections that have sent an XREAD.
async function link(name) {
  const it = { path: path.join(folder, `${name}.redis`), held: null };
  const server = net.createServer((node) => {
    const redis = net.connect(redisSocket);
    let reads = false;
    node.on("data", (bytes) => {
      reads ||= bytes.includes("XREAD");
      redis.write(bytes);
    });
    redis.on("data", (bytes) => {
      if (reads && it.held) it.held.push([node, bytes]);
      else node.write(bytes);
    });
    for (const [one, other] of [[node, redis], [redis, node]]) one.on("error", () => {}).on("close", () => other.destroy());
  });
  await new Promise((done) => server.listen(it.path, done));
  it.hold = () => (it.held = []);
  it.release = () => {
    const held = it.held;
    it.held = null;
    for (const [node, bytes] of held) node.write(bytes);
  };
  return it;
}

async function node(name) {
  const way = await link(name);
  const redis = createClient({ socket: { path: way.path } });
  await redis.connect();
  const server = http.createServer();
  const io = new Server(server, {
    adapter: createAdapter(redis, {}),
    connectionStateRecovery: { maxDisconnectionDuration: 60000, skipMiddlewares: true },
  });
  let sockets = 0;
  io.on("connection", (socket) => {
    sockets++;
    socket.on("disconnect", () => sockets--);
  });
  await new Promise((done) => server.listen(0, "127.0.0.1", done));
  let next = 0;
  return { name, io, port: server.address().port, hold: way.hold, release: way.release, sockets: () => sockets,
    emit: () => io.emit("news", name, next++), emitted: () => next };
}

// Socket.IO by hand. `session` is what a client keeps over a loss; every news is written down.
class Client {
  constructor() {
    Object.assign(this, { session: null, offset: null, joined: 0, recovered: 0, news: [] });
  }
  connect(port) {
    const ws = (this.ws = new WebSocket(`ws://127.0.0.1:${port}/socket.io/?EIO=4&transport=websocket`));
    const before = this.joined;
    ws.on("error", () => {});
    ws.on("message", (data) => {
      if (this.ws !== ws) return;
      const text = data.toString();
      if (text[0] === "0") ws.send(this.offset ? `40${JSON.stringify({ pid: this.session.pid, offset: this.offset })}` : "40");
      else if (text === "2") ws.send("3");
      else if (text.startsWith("40")) {
        const consent = JSON.parse(text.slice(2));
        if (this.session?.pid === consent.pid) this.recovered++;
        else this.news.push("new session");
        this.session = consent;
        this.joined++;
      } else if (text.startsWith("42")) {
        const [, name, n, offset] = JSON.parse(text.slice(2));
        this.news.push(`${name}${n}`);
        this.offset = offset;
      }
    });
    return until("joined", () => this.joined > before);
  }
  cut() {
    this.ws.terminate();
  }
}

const count = (news) => {
  const times = new Map();
  for (const one of news) times.set(one, (times.get(one) ?? 0) + 1);
  return times;
};

// An event of A comes to a session at B by XRANGE, and by B's reader, which was behind, once more.
async function doubled(a, b) {
  const client = new Client();
  await client.connect(b.port);
  a.emit();
  await until("the first news", () => client.news.length === 2);
  client.cut();
  await until("B has seen it go", () => b.sockets() === 0);
  await sleep(50); // the session is written
  b.hold();
  a.emit();
  await sleep(50); // it is in the stream
  await client.connect(b.port);
  b.release();
  await sleep(200);
  const last = `A${a.emitted() - 1}`;
  console.log(`doubled: ${last} came ${count(client.news).get(last) ?? 0} times; ${client.recovered} session recovered`);
  client.cut();
}

// A delivers an event of its own, whose offset is past one of B that A's reader has not brought yet.
async function missing(a, b) {
  const client = new Client();
  await client.connect(a.port);
  a.emit();
  await until("the first news", () => client.news.length === 2);
  a.hold();
  b.emit();
  await sleep(50); // it is in the stream, before the next one
  a.emit();
  await until("A's own news", () => client.news.length === 3);
  client.cut();
  await until("A has seen it go", () => a.sockets() === 0);
  await sleep(50);
  a.release();
  await sleep(100);
  await client.connect(a.port);
  await sleep(200);
  const lost = `B${b.emitted() - 1}`;
  console.log(`missing: ${lost} came ${count(client.news).get(lost) ?? 0} times; ${client.recovered} session recovered`);
  client.cut();
}

// Nothing is held back.
async function load(nodes, recoveries) {
  const client = new Client();
  await client.connect(nodes[0].port);
  const emitting = setInterval(() => nodes.forEach((node) => node.emit()), 1);
  await until("the first news", () => client.news.length > 5);
  for (let i = 1; i <= recoveries; i++) {
    client.cut();
    await sleep(30);
    await client.connect(nodes[i % 2].port);
    await sleep(30);
  }
  clearInterval(emitting);
  await sleep(300);
  // Where the session was kept, everything between the first and the last of each node is owed, once.
  let [twice, never, all] = [0, 0, 0];
  let from = client.news.lastIndexOf("new session") + 1;
  const news = client.news.slice(from);
  const times = count(news);
  for (const { name } of nodes) {
    const numbers = news.filter((one) => one.startsWith(name)).map((one) => Number(one.slice(1)));
    for (let n = Math.min(...numbers); n <= Math.max(...numbers); n++) {
      all++;
      const came = times.get(`${name}${n}`) ?? 0;
      twice += came > 1;
      never += came === 0;
    }
  }
  console.log(`load: of ${all} news ${twice} came twice and ${never} not at all; ${client.recovered} of ${recoveries} sessions recovered`);
  client.cut();
}

async function main() {
  const redis = spawn("redis-server", ["--port", "0", "--unixsocket", redisSocket, "--dir", folder, "--save", ""], { stdio: "ignore" });
  try {
    await until("Redis listens", () => fs.existsSync(redisSocket));
    const [a, b] = [await node("A"), await node("B")];
    await sleep(300);
    await doubled(a, b);
    await missing(a, b);
    await load([a, b], Number(process.argv[2] ?? 100));
  } finally {
    redis.kill();
    fs.rmSync(folder, { recursive: true, force: true });
  }
}
main().then(() => process.exit(0), (error) => {
  console.error(error);
  process.exit(1);
});
