// The two clients behind one interface: the official one in this process, and the command `sockeye connect --json`.
"use strict";
const { spawn } = require("child_process");
const readline = require("readline");
const { Manager } = require("socket.io-client");
const { wait } = require("./stage");
const { TRY } = require("./session");

// Binary as the command writes it, and back.
const isBinary = (value) => value instanceof Uint8Array || value instanceof ArrayBuffer;
function shown(value) {
  if (isBinary(value)) return { _bin: Buffer.from(value).toString("base64") };
  if (Array.isArray(value)) return value.map(shown);
  if (value && typeof value === "object") return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, shown(inner)]));
  return value;
}
function real(value) {
  if (Array.isArray(value)) return value.map(real);
  if (value && typeof value === "object") {
    if (typeof value._bin === "string") return Buffer.from(value._bin, "base64");
    return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, real(inner)]));
  }
  return value;
}

const TRANSPORTS = { websocket: ["websocket"], polling: ["polling"], both: ["polling", "websocket"] };

class Official {
  constructor(port, options) {
    this.told = [];
    this.questions = {};
    this.old = options.eio === 3;
    const Client = this.old ? require("socket.io-client-2").Manager : Manager;
    this.manager = new Client(`http://127.0.0.1:${port}`, {
      autoConnect: false,
      transports: TRANSPORTS[options.transport],
      forceBase64: options.base64,
      perMessageDeflate: options.deflate ? { threshold: 0 } : false,
      reconnectionDelay: 1,
      reconnectionDelayMax: 1,
      randomizationFactor: 0,
      ...(options.parser === "msgpack" ? { parser: require("socket.io-msgpack-parser") } : {}),
    });
    this.options = { retries: options.retries, ackTimeout: TRY, auth: options.auth };
    if (options.retries === undefined) delete this.options.ackTimeout;
    this.sockets = {};
  }

  socket(nsp, auth) {
    if (this.sockets[nsp]) return this.sockets[nsp];
    const socket = this.old ? this.manager.socket(nsp) : this.manager.socket(nsp, { ...this.options, auth: auth ?? (nsp === "/" ? this.options.auth : undefined) });
    this.sockets[nsp] = socket;
    const tell = (record) => this.told.push({ nsp, ...record });
    socket.on("connect", () => tell({ type: "connect", id: socket.id, recovered: Boolean(socket.recovered) }));
    socket.on("disconnect", (reason) => tell({ type: "disconnect", reason, active: socket.active }));
    socket.on("connect_error", (error) => tell({ type: "connect_error", message: error.message, data: error.data, active: socket.active }));
    // Older ones tell refusals by an event of that name, and know no listeners to all events.
    if (this.old) socket.on("error", (error) => typeof error === "string" && tell({ type: "connect_error", message: error, active: false }));
    this.listen(socket, (name, ...args) => {
      const reply = typeof args[args.length - 1] === "function" ? args.pop() : null;
      if (reply) this.questions[args[0]] = reply;
      tell({ type: "event", name: String(name), args: shown(args), ack: Boolean(reply) });
    });
    return socket;
  }

  listen(socket, listener) {
    if (!this.old) return socket.onAny(listener);
    const { onevent } = socket;
    socket.onevent = function (packet) {
      const args = [...(packet.data || [])];
      // (What comes before the namespace is joined is kept, and is told then.)
      const told = () => listener(...args, ...(packet.id == null ? [] : [this.ack(packet.id)]));
      if (this.connected) told();
      else this.once("connect", told);
      onevent.call(this, packet);
    };
  }

  async connect({ nsp, auth }) {
    const socket = this.socket(nsp, auth);
    if (auth) socket.auth = auth;
    socket.connect();
  }

  async disconnect({ nsp }) {
    this.sockets[nsp]?.disconnect();
  }

  async reconnect() {
    this.manager.engine?.close();
  }

  async emit({ nsp, event, args, id, ack, timeout, volatile }) {
    let socket = this.sockets[nsp];
    if (!socket || (volatile && !socket.connected)) return;
    if (volatile) socket = socket.volatile;
    if (!ack) return void socket.emit(event, ...real(args));
    const told = (error, ...answer) => {
      if (!error) return this.told.push({ nsp, type: "ack", id, args: shown(answer) });
      const reason = /timed out/.test(error.message) ? "timeout" : /disconnected/.test(error.message) ? "disconnected" : error.message;
      this.told.push({ nsp, type: "ack_error", id, reason });
    };
    // (There is no time limit, and no news of a connection that was lost.)
    if (this.old) return void socket.emit(event, ...real(args), (...answer) => told(null, ...answer));
    (this.options.ackTimeout ? socket : socket.timeout(timeout)).emit(event, ...real(args), told);
  }

  async answer({ question, args }) {
    const reply = this.questions[question];
    delete this.questions[question];
    reply?.(...real(args));
  }

  async sync() {
    await wait(0);
    return Object.values(this.sockets).some((socket) => (this.old ? Boolean(socket.subs) : socket.active));
  }

  async joined() {
    return Object.values(this.sockets).some((socket) => socket.connected);
  }

  async quit() {
    if (this.old) this.manager.close();
    else this.manager._close();
    await wait(0);
  }
}

class Command {
  constructor(port, options, program) {
    this.told = [];
    this.questions = {};
    this.errors = "";
    this.syncs = 0;
    this.waiting = {};
    this.child = spawn(program, this.words(port, options), { stdio: ["pipe", "pipe", "pipe"] });
    this.child.stdin.on("error", () => {});
    this.child.stderr.on("data", (data) => (this.errors += data));
    readline.createInterface({ input: this.child.stdout }).on("line", (line) => this.line(this.read(line)));
    this.ended = new Promise((done) => this.child.on("close", (code, signal) => done(code ?? signal)));
    this.retries = options.retries !== undefined;
    this.known = new Set();
  }

  words(port, options) {
    return [
      "connect", `http://127.0.0.1:${port}/`, "--json", "--no-autoconnect", "--transport", options.transport, "--parser", options.parser,
      "--reconnect-delay", "1ms", "--reconnect-delay-max", "1ms", "--randomization-factor", "0",
      ...(options.eio === 3 ? ["--eio", options.detected ? "auto" : "3"] : []),
      ...(options.deflate ? ["--compress"] : []),
      ...(options.base64 ? ["--force-base64"] : []),
      ...(options.retries !== undefined ? ["--retries", String(options.retries), "--timeout", `${TRY}ms`] : []),
      ...(options.auth ? ["--auth", JSON.stringify(options.auth)] : []),
    ];
  }

  read(line) {
    return JSON.parse(line);
  }

  line({ type, namespace: nsp, ...record }) {
    if (type === "status") {
      this.connected = Object.fromEntries(record.namespaces.map((one) => [one.namespace, one.connected]));
      this.waiting[record.id](record.namespaces.some((one) => one.active));
    } else if (type === "event") {
      if (record.ack !== undefined) this.questions[record.args[0]] = record.ack;
      this.told.push({ nsp, type, name: record.name, args: record.args, ack: record.ack !== undefined });
    } else if (type === "connect") this.told.push({ nsp, type, id: record.id, recovered: record.recovered });
    else if (type === "disconnect") this.told.push({ nsp, type, reason: record.reason, active: record.active, details: record.details });
    else if (type === "connect_error") this.told.push({ nsp, type, message: record.message, data: record.data ?? undefined, active: record.active });
    else if (type === "ack") this.told.push({ nsp, type, id: record.id, args: record.args });
    else if (type === "ack_error") this.told.push({ nsp, type, id: record.id, reason: record.reason, message: record.message });
    else if (type === "error" || type === "unsent" || type === "too_large") this.told.push({ nsp: nsp ?? "", type, id: record.id, message: record.message });
  }

  say(command) {
    this.child.stdin.write(`${JSON.stringify(command)}\n`);
  }

  async connect({ nsp, auth }) {
    this.known.add(nsp);
    this.say({ cmd: "connect", namespace: nsp, ...(auth ? { auth } : {}) });
  }

  async disconnect({ nsp }) {
    if (this.known.has(nsp)) this.say({ cmd: "disconnect", namespace: nsp });
  }

  async reconnect() {
    this.say({ cmd: "reconnect" });
  }

  async emit({ nsp, event, args, id, ack, timeout, volatile }) {
    if (volatile) await this.joined();
    if (volatile && !this.connected[nsp]) return;
    this.say({ cmd: "emit", namespace: nsp, event, args, id, ...(ack ? { ack, ...(this.retries ? {} : { timeout }) } : {}), ...(volatile ? { volatile } : {}) });
  }

  async answer({ question, args }) {
    for (let n = 0; this.questions[question] === undefined && n < 40; n++) await wait(5);
    const id = this.questions[question];
    delete this.questions[question];
    if (id !== undefined) this.say({ cmd: "ack", id, args });
  }

  async sync() {
    const id = this.syncs++;
    const answer = new Promise((done) => (this.waiting[id] = done));
    this.say({ cmd: "status", id });
    return Promise.race([answer, this.ended.then((code) => { throw new Error(`the command has ended: ${code} ${this.errors}`); })]);
  }

  async joined() {
    await this.sync();
    return Object.values(this.connected).some(Boolean);
  }

  async quit() {
    this.say({ cmd: "quit" });
    const code = await this.ended;
    if (code > 5 || typeof code !== "number") this.told.push({ nsp: "", type: "exit", code, errors: this.errors });
  }
}

// The program of the C library (`crates/sockeye-c/tests/c/session.c`), which has no JSON of its own: lines of words and fields in
// hexadecimal digits, attachments beside the text.
const hex = (field) => Buffer.from(typeof field === "number" ? String(field) : field).toString("hex");
function apart(value, attachments) {
  if (Array.isArray(value)) return value.map((inner) => apart(inner, attachments));
  if (!value || typeof value !== "object") return value;
  if (typeof value._bin === "string") return { _placeholder: true, num: attachments.push(Buffer.from(value._bin, "base64")) - 1 };
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, apart(inner, attachments)]));
}
function together(value, attachments) {
  if (Array.isArray(value)) return value.map((inner) => together(inner, attachments));
  if (!value || typeof value !== "object") return value;
  if (value._placeholder === true && attachments[value.num]) return { _bin: attachments[value.num].toString("base64") };
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, together(inner, attachments)]));
}
// What is to be written, one call after another.
function operations(value) {
  if (Array.isArray(value)) return ["[", ...value.flatMap(operations), "end"];
  if (typeof value === "string") return ["text", value];
  if (!value || typeof value !== "object") return ["json", JSON.stringify(value)];
  if (typeof value._bin === "string") return ["binary", Buffer.from(value._bin, "base64")];
  return ["{", ...Object.entries(value).flatMap(([key, inner]) => ["key", key, ...operations(inner)]), "end"];
}

class InC extends Command {
  words(port, options) {
    this.auths = options.auth ? { "/": options.auth } : {};
    const transports = { both: "0", websocket: "1", polling: "2" }[options.transport];
    return [`http://127.0.0.1:${port}/`, transports, String(options.retries ?? -1), String(options.retries === undefined ? 0 : TRY)];
  }

  read(line) {
    const [type, ...fields] = line.split("\t");
    const bytes = fields.map((field) => Buffer.from(field, "hex"));
    const [a, b, c, d, ...rest] = bytes.map(String);
    const all = (at) => together(JSON.parse(bytes[at]), bytes.slice(at + 1));
    if (type === "status") {
      const list = bytes.slice(1).map(String);
      const namespaces = [];
      for (let i = 0; i < list.length; i += 3) namespaces.push({ namespace: list[i], connected: list[i + 1] === "1", active: list[i + 2] === "1" });
      return { type, id: a, namespaces };
    }
    if (type === "event") return { type, namespace: a, name: b, args: all(3), ...(c ? { ack: c } : {}) };
    if (type === "connect") return { type, namespace: b, id: c, recovered: a === "1" };
    if (type === "disconnect") return { type, namespace: b, reason: c, details: d, active: a === "1" };
    if (type === "connect_error") return { type, namespace: b, message: c, data: d ? JSON.parse(d) : null, active: a === "1" };
    if (type === "ack") return { type, namespace: a, id: Number(b), args: all(2) };
    if (type === "ack_error") return { type, namespace: a, id: Number(b), reason: c, message: c };
    if (type === "lost") return { type: "error", namespace: a, message: b };
    return { type, id: a, message: b };
  }

  say({ cmd, namespace: nsp, ...command }) {
    const put = (...fields) => this.child.stdin.write(`${[cmd, ...fields.map(hex)].join("\t")}\n`);
    if (cmd === "connect") {
      const auth = command.auth ?? this.auths[nsp];
      this.auths[nsp] = auth;
      return put(nsp, auth ? JSON.stringify(auth) : "");
    }
    if (cmd === "disconnect") return put(nsp);
    if (cmd === "status") return put(command.id);
    if (cmd === "ack") {
      cmd = "answer";
      return put(command.id, ...command.args.flatMap(operations));
    }
    if (cmd !== "emit") return put();
    const { event, args, id, ack, timeout, volatile } = command;
    if (!ack && !volatile && id % 2) {
      cmd = "write";
      return put(nsp, event, id, ...args.flatMap(operations));
    }
    const attachments = [];
    const text = JSON.stringify(apart(args, attachments));
    put(nsp, event, id, ack ? "ack" : volatile ? "volatile" : "plain", timeout ?? 0, text, ...attachments);
  }
}

module.exports = { Official, Command, InC, shown, real };
