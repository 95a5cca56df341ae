// What stanza.mjs and xmppjs.mjs share: flags, the overall time-out, the one JSON document.
import { readFileSync } from "node:fs";
import { parseArgs } from "node:util";

const TIMEOUT_MS = 20_000;

export function options() {
  const names = ["service", "domain", "jid", "password-file", "to", "ns", "request", "type", "host", "port",
    "transport", "repeat", "ice"];
  const { values: o } = parseArgs({ options: Object.fromEntries(names.map((n) => [n, { type: "string" }])) });
  o.ns ??= "2";
  o.request ??= "services";
  if (!o.service || !o.domain) throw new Error("--service and --domain are required");
  if (!["1", "2"].includes(o.ns)) throw new Error("--ns must be 1 or 2");
  if (!["services", "credentials"].includes(o.request)) throw new Error("--request must be services or credentials");
  if (!!o.jid !== !!o["password-file"]) throw new Error("--jid and --password-file go together");
  if (o.request === "credentials" && (!o.type || !o.host)) throw new Error("credentials need --type and --host");
  if (o.port !== undefined) o.port = number("port", o.port);
  o.repeat = number("repeat", o.repeat ?? "1");
  o.to ??= o.domain;
  if (o.jid) o.password = readFileSync(o["password-file"], "utf8").replace(/\r?\n$/, "");
  return o;
}

function number(name, text) {
  if (!/^\d+$/.test(text)) throw new Error(`--${name} must be a number`);
  return Number(text);
}

// ask(options) resolves to the document once every question has an answer.
export async function run(ask) {
  setTimeout(() => fail(`no answer within ${TIMEOUT_MS / 1000} s`), TIMEOUT_MS);
  try {
    const document = await ask(options());
    // An explicit exit: stanza leaves the timer of every request that ended in an error running.
    process.stdout.write(JSON.stringify(document) + "\n", () => process.exit(0));
  } catch (err) {
    fail(err instanceof Error ? err.stack : JSON.stringify(err));
  }
}

function fail(message) {
  process.stderr.write(`${message}\n`, () => process.exit(1));
}
