// Random sessions: what the server does, what the program does, in which order. The same seed gives the same session.
"use strict";

// A small generator of numbers (mulberry32): all that is random here comes from the seed.
function random(seed) {
  let state = seed >>> 0;
  const next = () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
  const below = (n) => Math.floor(next() * n);
  return { below, chance: (p) => next() < p, pick: (list) => list[below(list.length)] };
}

// How long an answer that does not come is waited for, in milliseconds: longer than a busy machine takes for one that does.
const TIMEOUT = 150;
// The same for each try, with retries: an answer that is late is another packet.
const TRY = 300;

const NAMESPACES = ["/", "/chat", "/a/b", "/ü-1"];
const TEXTS = [
  "long ".repeat(13_000),
  "", "x", "hello", "æøå 漢字 🐟", 'quo"te', "back\\slash", "\u001e", "line\nbreak\u0000", "\u2028", "</script>",
  "451-[]", "/chat,", "true", "{}", "\ud83d\udc1f", "a".repeat(300), "🐟".repeat(70),
];
const NAMES = ["news", "message", "", "with space", 'quo"te', "ünï", "/x", "42", "error", "ping", "reconnect", "constructor", "[", "a,b"];
const NUMBERS = [0, 1, -1, 1.5, -0.25, 1e21, 1e-7, 2 ** 53, 1e300, 4294967296];

// A value as JSON has it; binary as the command writes it.
function value(r, depth, binary) {
  switch (r.below(depth > 0 ? (binary ? 9 : 7) : 5)) {
    case 0: return null;
    case 1: return r.chance(0.5);
    case 2: return r.pick(r.small ? NUMBERS.filter((n) => Math.abs(n) < 2 ** 53) : NUMBERS);
    case 3:
    case 4: return r.pick(TEXTS);
    case 5: return Array.from({ length: r.below(4) }, () => value(r, depth - 1, binary));
    case 6: return Object.fromEntries(Array.from({ length: r.below(4) }, (_, i) => [r.pick(["a", "", "_x", "æ", "num", "id"]) + i, value(r, depth - 1, binary)]));
    default: return { _bin: Buffer.from(Array.from({ length: r.pick([0, 1, 2, 3, 40, 300]) }, () => r.below(256))).toString("base64") };
  }
}

function args(r, binary) {
  const list = Array.from({ length: r.below(4) }, () => value(r, 2, binary));
  // At most ten attachments are accepted by either side.
  return JSON.stringify(list).split('"_bin"').length <= 11 ? list : [];
}

// Packets that servers and hostile servers have been seen to send, as they stand on the wire; `/n,` is a namespace's prefix.
function odd(r) {
  const nsp = r.pick(["", "", "/chat,", "/a/b,", "/nobody,"]);
  const message = r.pick([
    // What is tolerated.
    `2${nsp}00["odd",1]`, `2${nsp}["odd", 1 , {"b" : 2}]`, `2${nsp}[5,"x"]`, `2${nsp}["odd",{"a":1,"a":2}]`, `2${nsp}["odd",1e400,-0,1E2]`,
    `2${nsp}["odd","\\ud83d","\\u0000","\\/"]`, `2${nsp}["odd",{"__proto__":1}]`, `2${nsp}["odd",{"_placeholder":false,"num":0}]`,
    `3${nsp}999[1]`, `3${nsp}999`, `3${nsp}999{"a":1}`, `3${nsp}[1]`, `1/nobody,`, `0/nobody,{"sid":"x"}`, `4/nobody,{"message":"x"}`, `2/nobody,["odd"]`,
    // What is not.
    `2${nsp}{}`, `2${nsp}[]`, `2${nsp}[null]`, `2${nsp}[true,1]`, `2${nsp}["odd"`, `2${nsp}["odd"]x`, `2${nsp}["connect"]`, `2${nsp}["disconnecting",1]`, `2${nsp}["newListener"]`,
    `2${nsp}"odd"`, `2${nsp}x`, `7${nsp}["odd"]`, "", "x", `5["odd"]`, `5x-["odd"]`, `51-["odd"]x`, `6${nsp}1["odd"]`, `1${nsp}{"a":1}`, `1${nsp}[]`,
    `0${nsp}[]`, `0${nsp}"x"`, `4${nsp}[1]`, `2${nsp}["odd",NaN]`, `2${nsp}["odd",'x']`, `2${nsp}["odd",01]`, `2${nsp}["odd",]`, `2${nsp}["odd","\t"]`,
    `2${nsp}["odd",\u00a01]`, `2-["odd"]`, `2${nsp}-1["odd"]`, `2${nsp}1.5["odd"]`, `52-${nsp}["odd",{"_placeholder":true,"num":0}]`,
  ]);
  return [`4${message}`];
}

// Binary packets by hand: headers that want more, less, or something else than what follows.
function oddBinary(r) {
  const bytes = (n) => ({ bytes: Buffer.alloc(n, 7).toString("base64") });
  const slot = (num) => `{"_placeholder":true,"num":${num}}`;
  return r.pick([
    [`451-["bin",${slot(0)}]`, bytes(3)],
    [`451-["bin",{"num":0,"_placeholder":true,"more":1}]`, bytes(3)],
    [`452-["bin",${slot(1)},${slot(0)}]`, bytes(1), bytes(2)],
    [`452-["bin",${slot(0)},${slot(0)}]`, bytes(1), bytes(2)],
    [`451-["bin",${slot(0)},${slot(0)}]`, bytes(2)],
    [`451-/chat,["bin",[${slot(0)}]]`, "2", bytes(0)],
    [`451-["bin"]`, bytes(2)],
    [`451-["bin",${slot(1)}]`, bytes(2)],
    [`451-["bin",${slot(-1)}]`, bytes(2)],
    [`451-["bin",${slot('"0"')}]`, bytes(2)],
    [`451-["bin",${slot("null")}]`, bytes(2)],
    [`451-["bin",${slot("0.0")}]`, bytes(2)],
    [`452-["bin",[${slot("-0")},${slot("1e0")}]]`, bytes(2), bytes(1)],
    [`451-["bin",${slot("1.0")}]`, bytes(2)],
    [`451-["bin",{"_placeholder":"true","num":0}]`, bytes(2)],
    [`451-["bin",{"_placeholder":1,"num":0}]`, bytes(2)],
    [`451-["bin",{"a":${slot(0)},"_placeholder":1}]`, bytes(2)],
    [`451-["bin",${slot(0)}]`, `42["between"]`],
    [`451-["bin",${slot(0)}]`, "6", bytes(1)],
    [bytes(4)],
    [`4511-["bin"]`, ...Array.from({ length: 11 }, () => bytes(1))],
    [`461-999[${slot(0)}]`, bytes(1)],
    [`451-["connect",${slot(0)}]`, bytes(1)],
    [`451-[${slot(0)}]`, bytes(1)],
  ]);
}

// Packets of Engine.IO that are none, or not now. (A second OPEN ends the official client's process. CLOSE is passed over by
// it on a WebSocket: fact 38.)
const ODD_ENGINE = ["6", "6x", "2probe", "3", "5", "7", "x", "4", "é", ""];

// How the server answers a CONNECT packet of a namespace, in the order in which they come; then it is let in.
function reply(r) {
  switch (r.below(9)) {
    case 0: return { refuse: { message: "not you", data: r.pick([undefined, { code: 7 }, [1], "x", null]) } };
    case 1: return { early: [["early", 1], ["early", 2]] };
    case 2: return { twice: true };
    case 3: return { kick: true };
    case 4: return { refuse: r.pick(["words", {}, { message: 5 }, { data: { a: 1 } }]) };
    case 5: return { greet: [["welcome", "x"]] };
    default: return {};
  }
}

// What happens to events that want an answer, by their names: see `Stage.answer`.
const ASKED = ["a-echo", "a-echo", "a-none", "a-binary", "a-never", "a-twice", "a-event-first", "a-cut"];

function session(seed) {
  const r = random(seed);
  const old = r.chance(0.15);
  const msgpack = !old && r.chance(0.15);
  // (The parser that the official client has for MessagePack spoils large numbers.)
  r.small = msgpack;
  const options = {
    transport: r.pick(["websocket", "polling", "both"]),
    eio: old ? 3 : 4,
    // (On a WebSocket it takes a second connection to know: fact F14.)
    detected: r.chance(0.5),
    parser: msgpack ? "msgpack" : "json",
    recovery: !old && r.chance(0.3),
    retries: !old && r.chance(0.12) ? 1 + r.below(2) : undefined,
    auth: !old && r.chance(0.3) ? value(r, 0, false) : undefined,
    // How an upgrade goes, how bodies of answers, messages and bytes come, and how much may be in a request.
    deflate: r.chance(0.2),
    fragments: r.chance(0.3),
    pieces: r.chance(0.2),
    probe: r.pick(["fine", "fine", "fine", "refused", "closed", "wrong"]),
    chunks: r.pick([undefined, undefined, "chunked", "close"]),
    maxPayload: r.pick([1000000, 1000000, 100, 500]),
    base64: !old && !msgpack && r.chance(0.1),
    replies: Object.fromEntries(NAMESPACES.map((nsp) => [nsp, !old && r.chance(0.4) ? Array.from({ length: 1 + r.below(2) }, () => reply(r)) : []])),
    refusals: r.chance(0.15) ? Array.from({ length: 1 + r.below(2) }, () => r.pick(["400", "403", "500", "garbage", "reset", "empty"])) : [],
  };
  // (Joined twice, the official client sends what it waits for an answer to once more.)
  if (options.retries !== undefined) for (const list of Object.values(options.replies)) list.forEach((one) => delete one.twice);
  options.auth = options.auth === undefined ? undefined : { token: options.auth };
  const steps = [{ do: "connect", nsp: "/" }];
  const known = ["/"];
  let mark = 0;
  let question = 0;
  const emit = (nsp) => {
    // (With retries, those behind one that is never answered would wait for longer than anybody does here.)
    const name = r.pick(ASKED.filter((asked) => asked !== "a-cut" && (!(old || options.retries !== undefined) || asked !== "a-never")));
    return r.chance(0.5) ? { do: "emit", nsp, event: r.pick(names), args: args(r, true), id: mark++ } : { do: "emit", nsp, event: name, args: args(r, true), id: mark++, ack: true, timeout: name === "a-never" ? TIMEOUT : 5000 };
  };
  // What a program does while nothing comes back.
  const alone = (nsp) => {
    const other = r.pick(NAMESPACES);
    switch (r.below(6)) {
      case 0: return left(nsp) ? [{ do: "disconnect", nsp }] : [];
      case 1: if (!known.includes(other)) known.push(other); return [{ do: "connect", nsp: other }];
      case 2: return left(nsp) ? [{ do: "disconnect", nsp }, { do: "connect", nsp }] : [];
      default: return [emit(nsp)];
    }
  };
  // Servers of Socket.IO 2 let nobody into the main namespace again whose connection is there. Packets that are none, and an
  // upgrade that fails, are other things to them.
  if (old) options.probe = "fine";
  if (options.transport === "websocket") options.detected = false;
  // Names that are the old client's own.
  const names = old ? NAMES.filter((name) => !["error", "reconnect", "ping"].includes(name)) : NAMES;
  const left = (nsp) => !(old && nsp === "/");
  const event = () => ({ name: r.pick(names), args: args(r, true) });
  const length = 4 + r.below(9);
  for (let i = 0; i < length; i++) {
    const nsp = r.pick(known);
    switch (r.below(20)) {
      case 0:
      case 1: steps.push({ do: "serve", packets: [{ nsp, ...event() }] }); break;
      case 2: steps.push({ do: "serve", packets: Array.from({ length: 2 + r.below(4) }, () => ({ nsp: r.pick(known), ...event() })) }); break;
      case 3: {
        const id = question++;
        steps.push({ do: "serve", packets: [{ nsp, name: "question", args: [`q${id}`, ...args(r, true)], id: 100 + id }] });
        if (r.chance(0.3)) steps.push({ do: "serve", packets: [{ nsp, ...event() }] });
        if (r.chance(0.9)) steps.push({ do: "answer", question: `q${id}`, args: args(r, true) });
        break;
      }
      case 4:
      case 5: steps.push({ do: "emit", nsp, event: r.pick(names), args: args(r, true), id: mark++ }); break;
      case 6:
      case 7: {
        const name = r.pick(old || options.retries !== undefined ? ASKED.filter((asked) => !["a-cut", old && "a-never"].includes(asked)) : ASKED);
        steps.push({ do: "emit", nsp, event: name, args: args(r, true), id: mark++, ack: true, timeout: name === "a-never" || name === "a-cut" ? TIMEOUT : 5000 });
        if (r.chance(0.3)) steps.push({ do: "emit", nsp: r.pick(known), event: r.pick(ASKED.slice(0, 4)), args: args(r, true), id: mark++, ack: true, timeout: 5000 });
        break;
      }
      case 8: {
        const other = r.pick(NAMESPACES);
        if (!known.includes(other)) known.push(other);
        steps.push({ do: "connect", nsp: other, auth: !old && r.chance(0.3) ? { n: i } : undefined });
        break;
      }
      case 9: if (!left(nsp)) break; steps.push({ do: "disconnect", nsp }); if (r.chance(0.7)) steps.push({ do: "connect", nsp }); break;
      case 10: steps.push({ do: "cut", how: r.pick(["reset", "end", "bad"]) }); break;
      case 11: if (!left(nsp)) break; steps.push({ do: "kick", nsp }); if (r.chance(0.7)) steps.push({ do: "connect", nsp }); break;
      case 12: steps.push(msgpack || old ? { do: "cut", how: "end" } : { do: "raw", packets: odd(r) }); break;
      case 13: steps.push(msgpack || old ? { do: "serve", packets: [{ nsp, ...event() }] } : { do: "raw", packets: oddBinary(r) }); break;
      case 14: if (!old) steps.push({ do: "raw", packets: [r.pick(options.transport === "polling" ? [...ODD_ENGINE, "1"] : ODD_ENGINE)] }); break;
      // (A poll's request for the next packets may be under way, and then nothing volatile is sent.)
      case 15: steps.push(r.chance(0.5) || old || options.transport !== "websocket" ? { do: "reconnect" } : { do: "emit", nsp, event: "volatile", args: [], id: mark++, volatile: true }); break;
      case 16: {
        steps.push({ do: "away" });
        for (let n = 1 + r.below(4); n > 0; n--) steps.push(...alone(r.pick(known)));
        steps.push({ do: "back" });
        break;
      }
      case 17: {
        // (Answers may or may not be there before the next command. Leaving by polling, the official client loses what it has
        // just emitted. Where a session can be recovered it asks for it even after leaving: fact 102.)
        const plain = (nsp) => ({ do: "emit", nsp, event: r.pick(names), args: args(r, true), id: mark++ });
        const again = options.transport === "websocket" && !options.recovery && options.retries === undefined && left(nsp) && r.chance(0.5) ? [{ do: "disconnect", nsp }, { do: "connect", nsp }] : [];
        steps.push({ do: "at once", steps: [...Array.from({ length: r.pick([1, 1, 20]) }, () => plain(nsp)), plain(r.pick(known)), ...again, plain(nsp), plain(r.pick(known))] });
        break;
      }
      case 18: steps.push(msgpack || old ? { do: "cut", how: "reset" } : { do: "raw", packets: [`451-${nsp === "/" ? "" : `${nsp},`}["half",{"_placeholder":true,"num":0}]`], then: "cut" }); break;
      default: steps.push({ do: "serve", packets: [{ nsp, name: "news", args: [i] }, { nsp, name: "news", args: args(r, true) }] });
    }
  }
  for (const nsp of known) steps.push({ do: "disconnect", nsp });
  return { seed, options, steps };
}

module.exports = { session, TIMEOUT, TRY };
