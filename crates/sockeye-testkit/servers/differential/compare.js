// What is compared of two runs, and which differences are meant.
"use strict";

// Half a surrogate pair is U+FFFD on the command's stdout.
function plain(value) {
  if (typeof value === "string") return value.toWellFormed();
  if (Array.isArray(value)) return value.map(plain);
  if (value && typeof value === "object") return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key.toWellFormed(), plain(inner)]).sort(([a], [b]) => (a < b ? -1 : 1)));
  if (Object.is(value, -0)) return 0;
  return value;
}

const TOLERATED = [
  // An answer that belongs to an earlier session is refused with an error (fact 89).
  (entry) => entry.stale,
  (entry) => entry.type === "error" && /cannot answer|waits for answer/.test(entry.message),
  // What was accepted and has nowhere to go at the end is told by the command; the official client forgets it.
  (entry) => entry.type === "error" && /may not have been sent: the namespace is not joined/.test(entry.message),
  (entry) => entry.type === "ack_error" && entry.reason === "dropped",
];

function told(run, { away, both, old, driver }) {
  const lists = {};
  const answers = [];
  const joined = new Set();
  for (const { nsp, details, ...record } of run.told) {
    if (TOLERATED.some((meant) => meant({ nsp, ...record }))) continue;
    // Only what was joined can be left (fact 71).
    if (record.type === "disconnect" && !joined.delete(nsp)) continue;
    if (record.type === "connect") joined.add(nsp);
    const entry = plain(record);
    // How far an upgrade was when the connection was cut is a matter of time.
    if (both && entry.reason === "transport close") entry.reason = "transport error";
    if (entry.type === "ack_error") delete entry.message;
    // A refusal that is a bare text has no message in the official client.
    if (entry.type === "connect_error" && entry.message === "words") entry.message = "";
    if (entry.type === "connect_error" && entry.data === null) delete entry.data;
    // A namespace that is answered for twice is joined twice in the official client.
    const list = (lists[`told of ${nsp}`] ??= []);
    if (entry.type === "connect" && list.at(-1)?.includes(`"id":${JSON.stringify(entry.id)}`)) continue;
    // The client of Socket.IO 2 knows no end of an answer but the answer, and whether it will try again only by itself.
    if (old && (entry.type === "ack_error" || (entry.type === "connect_error" && entry.active !== false))) continue;
    if (old) delete entry.active;
    // The words for what went wrong below Socket.IO are each client's own.
    if (entry.type === "connect_error" && entry.active) delete entry.message;
    // How often a server that is away is tried is a matter of time.
    if (away && entry.type === "connect_error" && entry.active) continue;
    // The task or thread that waits for an answer runs beside the handlers of what came along with it.
    if (driver && /^ack/.test(entry.type)) answers.push(JSON.stringify({ nsp, ...entry }));
    else list.push(JSON.stringify(entry));
  }
  if (driver) lists.answers = answers.sort();
  return lists;
}

function sent(run, raw) {
  const lists = {};
  // Connections in which nothing was said do not count. How each ended depends on who was first.
  const links = [...new Set(run.sent.filter((entry) => entry.nsp !== undefined).map((entry) => entry.link))];
  for (const { link, nsp, stale, unknown, ...entry } of run.sent) {
    if (stale || entry.over !== undefined) continue;
    // The official client takes the name of an event without arguments for an offset; the official server sends none such.
    if (raw && entry.data?.offset) entry.data = { ...entry.data, offset: "?" };
    // After a namespace was left on purpose there is nothing to recover (fact 102); the official client asks all the same.
    if (entry.type === 0 && unknown && entry.data) {
      const { pid, offset, ...credentials } = entry.data;
      entry.data = credentials;
      if (!Object.keys(entry.data).length) delete entry.data;
    }
    (lists[`sent in connection ${links.indexOf(link)} ${nsp ?? ""}`] ??= []).push(JSON.stringify(plain(entry)));
  }
  return lists;
}

function compare(script, theirs, ours, driver) {
  const differences = [];
  const away = script.steps.some((step) => step.do === "away");
  const both = script.options.transport === "both";
  const kind = { away, both, old: script.options.eio === 3, driver };
  const raw = script.steps.some((step) => step.do === "raw");
  const [a, b] = [{ ...told(theirs, kind), ...sent(theirs, raw) }, { ...told(ours, kind), ...sent(ours, raw) }];
  for (const name of new Set([...Object.keys(a), ...Object.keys(b)])) {
    const [left, right] = [a[name] ?? [], b[name] ?? []];
    const at = Array.from({ length: Math.max(left.length, right.length) }).findIndex((_, i) => left[i] !== right[i]);
    if (at < 0) continue;
    const around = (list) => list.slice(Math.max(0, at - 1), at + 3).map((line) => `\n      ${line}`).join("");
    differences.push(` ${name}, entry ${at}\n    official:${around(left)}\n    sockeye:${around(right)}`);
  }
  // A session that did not come to its end is none, also where both stand still.
  for (const { type, message } of [...theirs.told, ...ours.told]) if (type === "fault") differences.push(` fault: ${message}`);
  return differences;
}

module.exports = { compare };
