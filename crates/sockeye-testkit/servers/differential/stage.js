// The server of a session: HTTP and WebSocket by hand, so that it can say whatever a script wants, and see every packet.
"use strict";
const http = require("http");
const { WebSocketServer } = require("ws");
const { dialect } = require("./dialects");

// How often old clients ping, in milliseconds.
const PING = 12;

const wait = (ms) => new Promise((done) => setTimeout(done, ms));

class Stage {
  constructor(options) {
    this.options = options;
    this.dialect = dialect(options);
    this.old = options.eio === 3;
    this.log = []; // What the client sent, one entry for each packet of Socket.IO, and how each connection ended.
    this.link = null; // The session that is there now.
    this.links = 0;
    this.joins = {}; // How often each namespace was asked for.
    this.offsets = {};
    this.kicks = []; // Namespaces that are thrown out once all is quiet.
    this.kept = new Set(); // Sessions that can be recovered.
    this.asked = {}; // The join in which each question was put.
    this.refusals = [...options.refusals];
    this.server = http.createServer((request, response) => this.request(request, response));
    if (options.pieces) this.server.on("connection", (socket) => this.drip(socket));
    this.sockets = new WebSocketServer({ noServer: true, perMessageDeflate: options.deflate ? { threshold: 0 } : false });
    this.server.on("upgrade", (request, socket, head) => this.upgrade(request, socket, head));
  }

  // What is written leaves in small pieces.
  drip(socket) {
    const write = socket.write.bind(socket);
    socket.setNoDelay(true);
    socket.write = (data, encoding, done) => {
      const bytes = typeof data === "string" ? Buffer.from(data, typeof encoding === "string" ? encoding : "utf8") : data;
      const size = 1 + (bytes.length >> 5);
      let at = 0;
      for (; at + size < bytes.length; at += size) write(bytes.subarray(at, at + size));
      return write(bytes.subarray(at), typeof encoding === "function" ? encoding : done);
    };
  }

  async listen() {
    await new Promise((done) => this.server.listen(0, "127.0.0.1", done));
    return this.server.address().port;
  }

  close() {
    this.server.closeAllConnections();
    this.server.close();
    for (const socket of this.sockets.clients) socket.terminate();
  }

  // --- connections

  open(websocket) {
    const link = { number: this.links++, queue: [], get: null, post: false, socket: null, ended: false, pongs: 0, pings: 0, nsps: new Set(), decoder: new this.dialect.Decoder() };
    link.decoder.on("decoded", (packet) => this.packet(link, packet));
    link.id = `session${link.number}`;
    this.link = link;
    const upgrades = !websocket && this.options.transport === "both" ? ["websocket"] : [];
    const times = { pingInterval: this.old ? PING : 60000, pingTimeout: 60000 };
    const hello = JSON.stringify({ sid: link.id, upgrades, ...times, ...(this.old ? {} : { maxPayload: this.options.maxPayload }) });
    const parts = [`0${hello}`];
    if (this.old) {
      // The main namespace is joined by the server.
      this.joins["/"] = (this.joins["/"] || 0) + 1;
      link.nsps.add("/");
      parts.push("40");
    }
    return { link, parts };
  }

  // A handshake that is not to succeed.
  refuse(how, socket, response) {
    const answer = (status, body) => {
      if (response) response.writeHead(status, { "content-type": "text/plain", "content-length": Buffer.byteLength(body) }).end(body);
      else socket.end(`HTTP/1.1 ${status} No\r\nconnection: close\r\ncontent-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`);
    };
    if (how === "reset") socket.destroy();
    else if (how === "garbage") answer(200, "<html>");
    else if (how === "empty") answer(200, "");
    else answer(Number(how), '{"code":3,"message":"Bad request"}');
  }

  request(request, response) {
    const url = new URL(request.url, "http://x");
    const sid = url.searchParams.get("sid");
    if (!sid) {
      if (this.away) return this.refuse("500", request.socket, response);
      if (this.refusals.length) return this.refuse(this.refusals.shift(), request.socket, response);
      const { link, parts } = this.open(false);
      link.base64 = url.searchParams.has("b64");
      return this.body(response, this.dialect.body(parts));
    }
    const link = this.link;
    if (!link || link.id !== sid || link.ended) {
      response.writeHead(400, { "content-type": "application/json" }).end('{"code":1,"message":"Session ID unknown"}');
      return;
    }
    if (request.method === "GET") {
      if (link.get) this.log.push({ fault: "two requests at once" });
      link.get = response;
      this.flush(link);
      // During an upgrade no request is held back: the client may have asked again before it was told to pause.
      if (link.get && link.probed && !link.socket) setTimeout(() => link.get && !link.socket && this.send(["6"], link), 5);
      return;
    }
    const chunks = [];
    request.on("data", (chunk) => chunks.push(chunk));
    request.on("end", () => {
      this.body(response, "ok");
      for (const part of this.dialect.posted(Buffer.concat(chunks), request.headers["content-type"])) this.engine(link, part);
    });
  }

  body(response, text) {
    const type = { "content-type": typeof text === "string" ? "text/plain; charset=UTF-8" : "application/octet-stream" };
    if (!this.options.chunks) return void response.writeHead(200, { ...type, "content-length": Buffer.byteLength(text) }).end(text);
    const bytes = Buffer.from(text);
    response.writeHead(200, { ...type, ...(this.options.chunks === "close" ? { connection: "close" } : {}) });
    for (let at = 0; at < bytes.length; at += 7 + (bytes.length >> 4)) response.write(bytes.subarray(at, at + 7 + (bytes.length >> 4)));
    response.end();
  }

  upgrade(request, socket, head) {
    const sid = new URL(request.url, "http://x").searchParams.get("sid");
    socket.on("error", () => {});
    if (this.away) return this.refuse("500", socket);
    if (sid && this.options.probe === "refused") return this.refuse("400", socket);
    if (!sid && this.refusals.length) return this.refuse(this.refusals.shift(), socket);
    this.sockets.handleUpgrade(request, socket, head, (ws) => {
      ws.raw = socket;
      ws.on("error", () => {});
      let link = this.link;
      if (!sid) {
        const opened = this.open(true);
        link = opened.link;
        link.socket = ws;
        for (const part of opened.parts) ws.send(part);
      } else if (!link || link.id !== sid || link.ended) {
        return ws.close();
      }
      ws.on("message", (data, binary) => {
        const text = this.dialect.unframe(data, binary);
        if (link.socket === ws) return this.engine(link, text);
        if (text === "2probe" && this.options.probe === "closed") return ws.close();
        if (text === "2probe" && this.options.probe === "wrong") return ws.send("3x");
        if (text === "2probe") {
          ws.send("3probe");
          link.probing = ws;
          link.probed = true;
          link.queue.push("6");
          return this.flush(link);
        }
        if (text !== "5") return this.log.push({ fault: `before the upgrade: ${text}` });
        link.socket = ws;
        this.flush(link);
      });
      ws.on("close", (code) => {
        if (link.socket === ws) this.over(link, `close ${code}`);
      });
    });
  }

  over(link, how) {
    if (link.ended) return;
    link.ended = true;
    this.log.push({ over: how, link: link.number });
    if (link.get) this.body(link.get, this.dialect.body(["6"]));
    link.get = null;
    if (this.link === link) this.link = null;
  }

  flush(link) {
    if (!link.queue.length || link.ended) return;
    if (link.socket) {
      for (const part of link.queue.splice(0)) this.say(link.socket, part);
    } else if (link.get) {
      const response = link.get;
      link.get = null;
      this.body(response, this.dialect.body(link.queue.splice(0), link.base64));
    }
  }

  // One message, in one frame or in two with a ping between them.
  say(ws, part) {
    const [bytes, binary] = [Buffer.from(this.dialect.frame(part)), typeof part !== "string"];
    if (!this.options.fragments || !bytes.length) return ws.send(bytes, { binary });
    const at = bytes.length >> 1;
    ws.send(bytes.subarray(0, at), { binary, fin: false });
    ws.ping();
    ws.send(bytes.subarray(at), { binary, fin: true });
  }

  send(parts, link = this.link) {
    if (!link || link.ended) return;
    link.queue.push(...parts);
    this.flush(link);
  }

  // One packet of Engine.IO.
  engine(link, data) {
    if (link.ended) return;
    if (typeof data === "string") {
      if (data === "3") return void link.pongs++;
      if (data === "2" && this.old) {
        link.pings++;
        return this.send(["3"], link);
      }
      if (data === "1") return this.over(link, "close packet");
      if (data[0] === "b") data = Buffer.from(data.slice(1), "base64");
      else if (data[0] !== "4") return void this.log.push({ engine: data });
      else data = data.slice(1);
    }
    try {
      link.decoder.add(data);
    } catch (error) {
      this.log.push({ undecodable: String(data), error: String(error) });
    }
  }

  // One packet of Socket.IO.
  packet(link, packet) {
    const { type, nsp, id, data } = packet;
    const entry = { link: link.number, type: type > 4 ? type - 3 : type, nsp, id, data };
    if (type === 3 && this.asked[id] !== `${link.number} ${this.joins[nsp]}`) entry.stale = true;
    if (type === 0 && data?.pid !== undefined && !this.kept.has(`${nsp} ${data.pid}`)) entry.unknown = true;
    this.log.push(entry);
    if (entry.type === 0) this.join(link, nsp, data, entry);
    else if (entry.type === 1) this.leave(link, nsp);
    else if (entry.type === 2 && id !== undefined) this.answer(link, nsp, id, data);
  }

  write(link, packet) {
    this.send(this.dialect.encode(packet), link);
  }

  // Events as the official server sends them: with recovery each ends with its offset.
  event(link, nsp, name, args, id) {
    const offset = this.options.recovery && id === undefined ? [`offset${(this.offsets[nsp] = (this.offsets[nsp] ?? -1) + 1)}`] : [];
    this.write(link, { type: 2, nsp, data: [name, ...args, ...offset], id });
  }

  // A namespace that was left on purpose is forgotten, by whichever side.
  leave(link, nsp) {
    for (const key of this.kept) if (key.startsWith(`${nsp} `)) this.kept.delete(key);
    return link.nsps.delete(nsp);
  }

  join(link, nsp, credentials, entry) {
    const number = this.joins[nsp] = (this.joins[nsp] || 0) + 1;
    const reply = this.options.replies[nsp]?.[number - 1] || {};
    if (reply.refuse !== undefined) return this.write(link, { type: 4, nsp, data: reply.refuse });
    link.nsps.add(nsp);
    const back = entry.unknown ? undefined : credentials?.pid;
    const session = this.old ? undefined : { sid: `${nsp} ${back ? credentials.pid : number}` };
    if (this.options.recovery) {
      session.pid = back || `${number}`;
      this.kept.add(`${nsp} ${session.pid}`);
    }
    for (const event of reply.early || []) this.event(link, nsp, event[0], event.slice(1));
    this.write(link, { type: 0, nsp, data: session });
    if (reply.twice) this.write(link, { type: 0, nsp, data: session });
    for (const event of reply.greet || []) this.event(link, nsp, event[0], event.slice(1));
    // Each session has an offset of its own: the official client keeps that of the session before, which is another's.
    if (this.options.recovery) this.event(link, nsp, back ? "missed" : "welcome", []);
    if (reply.kick) {
      // (Not at once: what the client has kept goes out between the two, or is kept on, as its reads fall.)
      this.kicks.push(nsp);
    }
  }

  answer(link, nsp, id, [name, ...args]) {
    const ack = (data) => this.write(link, { type: 3, nsp, id, data });
    switch (name) {
      case "a-none": return ack([]);
      case "a-binary": return ack([Buffer.from([1, 2, 255]), { deep: [Buffer.alloc(0)] }]);
      case "a-never": return;
      case "a-twice": return ack(["first"]), ack(["second"]);
      case "a-event-first": return this.event(link, nsp, "before", []), ack(["after"]);
      case "a-cut": return this.cut("end");
      default: return ack(args);
    }
  }

  // --- what scripts ask for

  serve(packets) {
    const link = this.link;
    for (const { nsp, name, args, id } of packets) {
      if (!link || !link.nsps.has(nsp)) continue;
      if (id !== undefined) this.asked[id] = `${link.number} ${this.joins[nsp]}`;
      this.event(link, nsp, name, args, id);
    }
  }

  kick(nsp) {
    if (this.link && this.leave(this.link, nsp)) this.write(this.link, { type: 1, nsp });
  }

  // The connection breaks; what the client sends from then on is not taken.
  cut(how) {
    const { link } = this;
    if (!link) return;
    link.ended = true;
    this.link = null;
    this.log.push({ over: "cut", link: link.number });
    if (link.probing && !link.socket) link.probing.terminate();
    if (link.socket) {
      if (how === "bad") link.socket.raw.write(Buffer.from([0xff, 0x7f, 0, 0]));
      else if (how === "reset") link.socket.terminate();
      else link.socket.close(1001);
    } else if (link.get) {
      const { get } = link;
      link.get = null;
      if (how === "reset") get.socket.destroy();
      else get.writeHead(how === "bad" ? 500 : 400, { "content-type": "application/json" }).end('{"code":1,"message":"Session ID unknown"}');
    }
  }

  // A session that was asked for by a client that has gone since.
  forget() {
    if (this.link) this.over(this.link, "forgotten");
  }

  // Until the client has taken everything and says no more.
  async quiet() {
    for (let round = 0; round < 12; round++) {
      const { link } = this;
      if (!link) return;
      const seen = this.log.length;
      // An old client pings by itself. What had been sent before the first of two pings has been read.
      const { pongs, pings } = link;
      if (!this.old) this.send(["2"], link);
      for (let n = 0; this.old ? link.pings < pings + 2 : link.pongs === pongs; n++) {
        if (link.ended || this.link !== link) break;
        if (n > 1000) throw new Error("no answer to a ping");
        await wait(n < 20 ? 1 : 3);
      }
      if (link.ended || this.log.length !== seen || round === 0 || (link.probed && !link.socket)) continue;
      if (!this.kicks.length) return;
      this.kick(this.kicks.shift());
      round = 0;
    }
  }
}

module.exports = { Stage, wait };
