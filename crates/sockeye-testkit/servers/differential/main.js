// Plays random sessions with the official client and with the command `sockeye`, and compares what both told and sent.
//   node main.js --sockeye PROGRAM [--driver device|threads|c] [--seed N] [--sessions N] [--parallel N] [--show]
// --driver: the program is another driver's client on the same line protocol (`device-session` and `threads-session` of
// crates/sockeye-interop), or the C library's (crates/sockeye-c/tests/c/session.c).
// One seed gives one session. A session that differs is played up to three times more, alone: machines can be too busy. If it
// differs each time, its seed is printed, with its steps and the first difference of each list. --show prints all that was told and sent.
"use strict";
const fs = require("fs");
const { session, TIMEOUT, TRY } = require("./session");
const { Stage, wait } = require("./stage");
const { Official, Command, InC, shown, real } = require("./clients");
const { compare } = require("./compare");

function parseOptions(words) {
  const values = { seed: "1", sessions: "100", parallel: "8" };
  for (let i = 0; i < words.length; i++) {
    const name = words[i].replace(/^--/, "");
    values[name] = name === "show" ? true : words[++i];
  }
  if (!values.sockeye) throw new Error("--sockeye PROGRAM is needed");
  return values;
}

// Until everything that the last step has set off is over on both sides.
async function settle(stage, client) {
  for (let round = 0; round < 6; round++) {
    let active = await client.sync();
    if (stage.away) return;
    for (let n = 0; active && !stage.link; n++) {
      if (n > 400) throw new Error("the client is active and does not come");
      await wait(2);
      active = await client.sync();
    }
    for (let n = 0; !active && stage.link && n < 25; n++) await wait(2);
    if (!active) stage.forget();
    const seen = `${stage.log.length} ${stage.links}`;
    await stage.quiet();
    active = await client.sync();
    if (`${stage.log.length} ${stage.links}` === seen && Boolean(stage.link) === active) return;
    await wait(1);
  }
}

async function play({ options, steps }, make) {
  const stage = new Stage(options);
  const client = make(await stage.listen());
  let patience = 0;
  try {
    for (const step of steps) {
      const { link } = stage;
      if (step.do === "serve") stage.serve(step.packets.map((packet) => ({ ...packet, args: real(packet.args) })));
      else if (step.do === "kick") stage.kick(step.nsp);
      else if (step.do === "cut") stage.cut(step.how);
      else if (step.do === "raw") stage.send(step.packets.map((packet) => (packet.bytes === undefined ? packet : Buffer.from(packet.bytes, "base64"))));
      else if (step.do === "away") {
        stage.away = true;
        stage.cut("end");
        for (let n = 0; n < 100 && (await client.joined()); n++) await wait(2);
      } else if (step.do === "back") stage.away = false;
      else if (step.do === "at once") for (const one of step.steps) await client[one.do](one);
      else await client[step.do](step);
      if (step.then === "cut") {
        await wait(5);
        // (What was sent may have ended the connection.)
        if (stage.link === link) stage.cut("end");
      }
      await settle(stage, client);
      // An answer that does not come is waited for, so that nothing depends on how long other steps take.
      const late = step.timeout < 1000 || (options.retries !== undefined && (step.ack || step.do === "at once" || step.do === "back"));
      patience = late ? 1.3 * (options.retries === undefined ? TIMEOUT : TRY * (options.retries + 1)) : 0;
      if (patience) {
        await wait(patience);
        await settle(stage, client);
      }
    }
    await client.quit();
  } catch (error) {
    client.told.push({ nsp: "", type: "fault", message: error.message });
    if (client.child) client.child.kill("SIGKILL");
    else await client.quit();
  }
  stage.close();
  return { told: client.told, sent: stage.log.map(({ data, ...rest }) => ({ ...rest, data: shown(data) })) };
}

// Both clients at the same time, each with a server of its own.
async function beside(script, program, driver) {
  const [theirs, ours] = await Promise.all([
    play(script, (port) => new Official(port, script.options)),
    play(script, (port) => new (driver === "c" ? InC : Command)(port, script.options, program)),
  ]);
  return { theirs, ours, differences: compare(script, theirs, ours, driver) };
}

async function main() {
  const options = parseOptions(process.argv.slice(2));
  const first = Number(options.seed);
  const all = Array.from({ length: Number(options.sessions) }, (_, i) => session(first + i));
  // What the others do not have.
  const left = { device: ({ parser }) => parser !== "json", c: ({ parser, eio, base64 }) => parser !== "json" || eio === 3 || base64 };
  const scripts = all.filter((script) => !left[options.driver]?.(script.options));
  const doubtful = [];
  const queue = [...scripts];
  const worker = async () => {
    for (let script; (script = queue.shift()); ) {
      const run = await beside(script, options.sockeye, options.driver);
      if (options.show) fs.writeSync(1, `${JSON.stringify({ script, ...run }, null, 1)}\n`);
      if (run.differences.length) doubtful.push(script);
    }
  };
  await Promise.all(Array.from({ length: Number(options.parallel) }, worker));
  let failed = 0;
  for (const script of doubtful) {
    let differences = [];
    for (let n = 0; n < 3; n++) {
      ({ differences } = await beside(script, options.sockeye, options.driver));
      if (!differences.length) break;
    }
    if (!differences.length) continue;
    failed++;
    console.log(`\nseed ${script.seed}: ${JSON.stringify(script.options)}`);
    for (const step of script.steps) console.log(`  ${JSON.stringify(step)}`);
    for (const difference of differences) console.log(difference);
  }
  console.log(`${scripts.length} sessions from seed ${first} on, ${failed} differ`);
  process.exitCode = failed ? 1 : 0;
}

main();
