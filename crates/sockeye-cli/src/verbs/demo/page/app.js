// The page of `sockeye demo`. One feed (Server-Sent Events) brings a snapshot and then every change;
// commands are small POSTs. Texts of boards only ever become text nodes.
"use strict";
const $ = (id) => document.getElementById(id);
const KEEP = 120; // points of a chart, as on the server
const SILENCE = 6000; // totals come every second: longer silence means that the feed is dead
const boards = new Map(); // name -> { card, board, history, metric }
const log = [];
let nodes = {}; // name -> how it is, of a cluster
let skew = 0; // the server's clock minus this one, in ms
let live = false; // whether the feed works: without it nothing is known of any board
let lost = Date.now(); // since when it does not

const UNITS = {
  temperature: "°C", humidity: "%", soil: "%", level: "%", battery: "V", pressure: "hPa", wind: "m/s", light: "lx",
  power: "W", flow: "l/min", co2: "ppm", rssi: "dBm", rtt_ms: "ms", door: "", counter: "",
};
// What every board has comes after what is its own.
const LAST = ["rssi", "free_heap", "free_stack", "rtt_ms", "counter", "uptime"];
const FIRST = ["temperature", "wind", "level", "power", "soil", "co2", "light", "free_heap", "rssi", "rtt_ms"];
// A chart of these would only be a straight line.
const UNDRAWN = ["uptime", "counter"];

function duration(seconds) {
  seconds = Math.max(0, Math.floor(seconds));
  if (seconds < 60) return `${seconds} s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ${seconds % 60} s`;
  return `${Math.floor(seconds / 3600)} h ${Math.floor((seconds % 3600) / 60)} min`;
}
function number(value) {
  if (Number.isInteger(value)) return value.toLocaleString("en");
  const digits = Math.abs(value) >= 100 ? 0 : Math.abs(value) >= 10 ? 1 : 2;
  return value.toFixed(digits);
}
// [value, unit] as people read it
function reading(key, value) {
  if (typeof value === "boolean") return [value ? "yes" : "no", ""];
  if (typeof value !== "number") return [String(value), ""];
  if (key === "uptime") return [duration(value), ""];
  if (key === "free_heap" || key === "free_stack") return [(value / 1024).toFixed(1), "kB"];
  return [number(value), UNITS[key] ?? ""];
}
const label = (key) => ({ free_heap: "free heap", rtt_ms: "round trip", rssi: "signal" })[key] ?? key.replaceAll("_", " ");
const ms = (value) => (value === null || value === undefined ? "–" : `${value < 10 ? value.toFixed(2) : value.toFixed(1)} ms`);
const set = (node, text) => { if (node.textContent !== text) node.textContent = text; };

// ---- cards ----
function entry(name) {
  let item = boards.get(name);
  if (!item) {
    const card = $("card").content.firstElementChild.cloneNode(true);
    item = { card, history: [], metric: null, buttons: new Map() };
    card.querySelector("h3").textContent = name;
    card.querySelector(".led button").setAttribute("aria-label", `LED of ${name}`);
    const toggle = card.querySelector(".led button");
    toggle.addEventListener("click", () => command(name, toggle.getAttribute("aria-checked") !== "true"));
    boards.set(name, item);
    const after = [...boards.keys()].sort().find((other) => other > name);
    $("cards").insertBefore(card, after ? boards.get(after).card : null);
  }
  return item;
}

const STATUS = { online: ["good", "online"], reconnecting: ["wait", "reconnecting"], offline: ["bad", "offline"] };
const UNKNOWN = ["none", "unknown"];

function draw(name) {
  const item = boards.get(name), { card, board } = item;
  const [tone, word] = live ? STATUS[board.status] : UNKNOWN;
  const status = card.querySelector(".status");
  status.className = `status ${tone}`;
  set(status.querySelector(".status-text"), word);
  card.classList.toggle("away", !live || board.status !== "online");
  const facts = [board.facts.board, board.facts.chip, board.facts.firmware, board.transport].filter(Boolean);
  if (board.joins > 1) facts.push(`joined ${board.joins} times`);
  if (board.moves > 0) facts.push(board.moves === 1 ? "moved once" : `moved ${board.moves} times`);
  set(card.querySelector(".facts"), facts.join(" · "));

  const node = card.querySelector(".where");
  node.hidden = !board.node;
  set(node, board.node ?? "");
  node.className = `where ${nodes[board.node] === "up" && board.status === "online" ? "good" : "wait"}`;

  drawValues(item);
  drawChart(item);

  const toggle = card.querySelector(".led button");
  toggle.setAttribute("aria-checked", String(board.led === true));
  set(toggle.querySelector(".led-text"), board.led === null ? "LED" : board.led ? "LED on" : "LED off");
  toggle.disabled = !live || board.status !== "online" || item.busy === true;
  const trip = card.querySelector(".trip");
  if (!item.busy && !item.failed) {
    set(trip, board.led_rtt_ms === null ? "" : `round trip ${ms(board.led_rtt_ms)}`);
    trip.classList.remove("bad");
  }

  const figure = card.querySelector("figure"), picture = board.picture;
  figure.hidden = !picture;
  // A server that was started again counts its pictures anew.
  const version = picture && `${picture.version}-${picture.at}`;
  if (picture && item.version !== version) {
    item.version = version;
    const image = figure.querySelector("img");
    image.src = `/api/boards/${encodeURIComponent(name)}/picture?v=${version}`;
    image.alt = `Last picture of ${name}`;
    const state = picture.intact ? "intact" : "damaged";
    set(figure.querySelector("figcaption"), `${new Date(picture.at).toLocaleTimeString()} · ${(picture.bytes / 1024).toFixed(1)} kB, ${state}`);
  }
  const console_ = card.querySelector(".console");
  console_.hidden = board.lines.length === 0;
  const lines = board.lines.join("\n");
  if (console_.textContent !== lines) {
    console_.textContent = lines;
    console_.scrollTop = console_.scrollHeight;
  }
}

function drawValues(item) {
  const { card, board, buttons } = item, group = card.querySelector(".values");
  // A board without a heap may say 0.
  const keys = Object.keys(board.values).filter((key) => key !== "free_heap" || board.values[key] > 0).sort((a, b) => LAST.indexOf(a) - LAST.indexOf(b));
  const drawable = keys.filter((key) => typeof board.values[key] === "number" && !UNDRAWN.includes(key));
  // Until somebody chooses: a board may send its best value only later.
  if (!item.chosen || !drawable.includes(item.metric)) {
    item.metric = [board.facts.chart, ...FIRST, ...drawable].find((key) => drawable.includes(key)) ?? null;
  }
  for (const [key, node] of buttons) if (!keys.includes(key)) { node.remove(); buttons.delete(key); }
  for (const [place, key] of keys.entries()) {
    let node = buttons.get(key);
    const can = drawable.includes(key);
    if (!node || (node.tagName === "BUTTON") !== can) {
      const fresh = document.createElement(can ? "button" : "span");
      if (can) {
        fresh.type = "button";
        fresh.addEventListener("click", () => { Object.assign(item, { metric: key, chosen: true }); drawValues(item); drawChart(item); });
      } else fresh.className = "text";
      fresh.append(document.createElement("i"), document.createElement("b"));
      fresh.firstChild.textContent = label(key);
      if (node) node.replaceWith(fresh); else group.insertBefore(fresh, group.children[place] ?? null);
      buttons.set(key, node = fresh);
    }
    set(node.lastChild, reading(key, board.values[key]).filter(Boolean).join(" "));
    if (can) node.setAttribute("aria-pressed", String(key === item.metric));
  }
  const has = item.metric !== null;
  const [value, unit] = has ? reading(item.metric, board.values[item.metric]) : ["–", ""];
  set(card.querySelector(".value"), value);
  set(card.querySelector(".unit"), unit);
  set(card.querySelector(".metric"), has ? label(item.metric) : keys.length > 0 ? "nothing to draw" : "no values yet");
}

function drawChart(item) {
  const { card, history, metric } = item, svg = card.querySelector("svg");
  const points = history.filter((point) => typeof point.values[metric] === "number").slice(-KEEP);
  const line = card.querySelector(".line"), area = card.querySelector(".area");
  const high = card.querySelector(".high"), low = card.querySelector(".low");
  if (points.length < 2) {
    line.removeAttribute("d"); area.removeAttribute("d"); set(high, ""); set(low, "");
    svg.setAttribute("aria-label", "Chart: not enough values yet");
    return;
  }
  const values = points.map((point) => point.values[metric]);
  const min = Math.min(...values), max = Math.max(...values);
  const margin = (max - min) * 0.12 || Math.abs(max) * 0.05 || 1, span = max - min + 2 * margin;
  // By time, so that an outage is seen as a gap of its true length.
  const start = points[0].at, end = points[points.length - 1].at, width = Math.max(end - start, 20000);
  let path = "", areas = "", open = null;
  points.forEach((point, index) => {
    const x = (240 - ((end - point.at) / width) * 240).toFixed(1);
    const y = (60 - ((values[index] - min + margin) / span) * 60).toFixed(1);
    const gap = index === 0 || point.at - points[index - 1].at > 2500;
    if (gap) { if (open) areas += `L${open} 60Z`; path += `M${x} ${y}`; areas += `M${x} 60L${x} ${y}`; }
    else { path += `L${x} ${y}`; areas += `L${x} ${y}`; }
    open = x;
  });
  line.setAttribute("d", path);
  area.setAttribute("d", `${areas}L${open} 60Z`);
  const text = (value) => reading(metric, value).filter(Boolean).join(" ");
  set(high, text(max)); set(low, text(min));
  svg.setAttribute("aria-label", `${label(metric)}: ${text(values[values.length - 1])}, between ${text(min)} and ${text(max)}`);
}

async function command(name, on) {
  const item = boards.get(name), trip = item.card.querySelector(".trip");
  item.busy = true; item.failed = false;
  set(trip, "sent …");
  draw(name);
  try {
    const response = await fetch(`/api/boards/${encodeURIComponent(name)}/led`, {
      method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify({ on }),
    });
    const answer = await response.json();
    if (!response.ok) throw new Error(answer.error);
    item.board.led = answer.on;
    item.board.led_rtt_ms = answer.round_trip_ms;
  } catch (error) {
    item.failed = true;
    set(trip, error instanceof TypeError ? "The server cannot be reached" : error.message);
    trip.classList.add("bad");
  }
  item.busy = false;
  if (boards.get(name) === item) draw(name);
  item.card.querySelector(".led button").focus({ preventScroll: true });
}

// ---- log and totals ----
function row(item) {
  const node = document.createElement("li");
  node.className = item.kind;
  const time = document.createElement("time");
  time.dateTime = new Date(item.at).toISOString();
  time.textContent = new Date(item.at).toLocaleTimeString();
  const who = document.createElement("b");
  who.textContent = item.board;
  const kind = document.createElement("span");
  kind.className = "kind";
  kind.textContent = { join: "joined", leave: "left", picture: "picture", command: "command", error: "failed", console: "console", node: "cluster" }[item.kind] ?? item.kind;
  const text = document.createElement("p");
  text.textContent = item.text;
  node.append(time, who, kind, text);
  return node;
}
const shown = (item) => { const kinds = $("filter").value; return kinds === "" || kinds.split(" ").includes(item.kind); };
function drawLog() {
  $("log").replaceChildren(...log.filter(shown).slice(-KEEP).reverse().map(row));
  $("log-empty").hidden = $("log").childElementCount > 0;
}
function addLog(item) {
  log.push(item);
  if (log.length > KEEP) log.shift();
  if (!shown(item)) return;
  $("log").prepend(row(item));
  while ($("log").childElementCount > KEEP) $("log").lastElementChild.remove();
  $("log-empty").hidden = true;
}
$("filter").addEventListener("change", drawLog);

// Each node of a cluster, how it is, and who is there.
function drawNodes() {
  const names = Object.keys(nodes);
  $("nodes").hidden = names.length === 0;
  $("nodes").replaceChildren(...names.map((name) => {
    const node = document.createElement("li");
    node.className = nodes[name] === "up" ? "good" : "bad";
    const title = document.createElement("b"), how = document.createElement("span"), who = document.createElement("span");
    title.textContent = name;
    how.textContent = nodes[name];
    const there = [...boards.values()].filter(({ board }) => board.node === name && board.status === "online");
    who.className = "quiet";
    who.textContent = there.length === 0 ? "no device" : there.map(({ board }) => board.name).join(", ");
    node.append(title, how, who);
    return node;
  }));
}

const rates = [];
function drawTotals(totals) {
  const all = totals.online + totals.reconnecting + totals.offline;
  set($("t-online"), live ? `${totals.online} of ${all}` : "–");
  set($("t-events"), totals.events.toLocaleString("en"));
  set($("t-pictures"), totals.pictures.toLocaleString("en"));
  set($("t-commands"), totals.commands.toLocaleString("en"));
  set($("t-rejoins"), totals.rejoins.toLocaleString("en"));
  set($("t-p50"), ms(totals.p50_ms));
  set($("t-p99"), ms(totals.p99_ms));
  rates.push([performance.now(), totals.events]);
  while (rates.length > 2 && rates[rates.length - 1][0] - rates[0][0] > 6000) rates.shift();
  const [from, to] = [rates[0], rates[rates.length - 1]];
  set($("t-rate"), to[0] - from[0] > 800 ? ((to[1] - from[1]) / ((to[0] - from[0]) / 1000)).toFixed(1) : "–");
  document.title = `${totals.online} online · Sockeye demo`;
}

// ---- feed ----
function receive(message) {
  if (message.type === "board") {
    const item = entry(message.board.name);
    item.board = message.board;
    if (message.point) {
      item.failed = false;
      item.history.push(message.point);
      if (item.history.length > KEEP) item.history.shift();
      skew = message.point.at - Date.now();
    }
    draw(message.board.name);
    if (message.board.node && !message.point) drawNodes();
    $("empty").hidden = true;
  } else if (message.type === "nodes") {
    nodes = message.nodes;
    drawNodes();
    for (const name of boards.keys()) draw(name);
  } else if (message.type === "log") addLog(message.entry);
  else if (message.type === "totals") drawTotals(message.totals);
  else if (message.type === "snapshot") {
    const names = new Set(message.boards.map(({ board }) => board.name));
    for (const [name, item] of boards) if (!names.has(name)) { item.card.remove(); boards.delete(name); }
    nodes = message.nodes;
    for (const { board, history } of message.boards) {
      Object.assign(entry(board.name), { board, history });
      draw(board.name);
    }
    $("empty").hidden = boards.size > 0;
    drawNodes();
    log.splice(0, log.length, ...message.log);
    drawLog();
    rates.length = 0;
    drawTotals(message.totals);
  }
}

let feed, heard = 0;
function linkState(now) {
  if (now === live) return;
  live = now;
  if (!live) {
    lost = Date.now();
    // What was true a moment ago may not be any more.
    set($("t-online"), "–");
    set($("t-rate"), "–");
    document.title = "Server away · Sockeye demo";
  }
  $("link").className = `pill ${live ? "good" : "wait"}`;
  set($("link-text"), live ? "Live" : "Server away");
  document.body.classList.toggle("cut", !live);
  for (const name of boards.keys()) { draw(name); age(boards.get(name)); }
}
function age({ card, board }) {
  const now = Date.now();
  set(card.querySelector(".since"), live ? `for ${duration((now + skew - board.since) / 1000)}` : `no news for ${duration((now - lost) / 1000)}`);
}
function open() {
  feed?.close();
  heard = Date.now();
  feed = new EventSource("/api/feed");
  feed.onmessage = (event) => {
    heard = Date.now();
    linkState(true);
    receive(JSON.parse(event.data));
  };
  feed.onerror = () => linkState(false);
}
setInterval(() => {
  // Most breaks are mended by the browser itself; a feed that was refused or went silent is opened anew.
  if (feed.readyState === EventSource.CLOSED || Date.now() - heard > SILENCE) {
    linkState(false);
    open();
  }
  for (const item of boards.values()) age(item);
}, 1000);
for (const node of document.querySelectorAll(".origin")) node.textContent = location.origin;
open();
