#!/usr/bin/env node
// Asks for external services with the npm package "stanza", through its own XEP-0215 API.
import { createClient } from "stanza";
import { run } from "./common.mjs";

await run(async (o) => {
  const client = createClient({
    server: o.domain,
    jid: o.jid ?? o.domain,
    password: o.password,
    transports: { websocket: o.service, bosh: false },
    autoReconnect: false,
    timeout: 60, // above the overall time-out
  });
  if (process.env.XMPP_DEBUG) client.on("raw", (direction, data) => console.error(direction, data));

  const lost = new Promise((_, reject) => {
    client.on("auth:failed", () => reject(new Error("authentication failed")));
    client.on("stream:error", (err) => reject(new Error(`stream error: ${JSON.stringify(err)}`)));
    client.on("disconnected", () => reject(new Error("disconnected")));
  });
  lost.catch(() => {}); // the disconnect at the end is expected
  const closed = new Promise((resolve) => client.on("disconnected", resolve));
  const started = new Promise((resolve) => client.on("session:started", resolve));

  client.connect();
  await Promise.race([started, lost]);

  const document = { client: "stanza", jid: client.jid, answers: [] };
  for (let i = 0; i < o.repeat; i++) {
    document.answers.push(await Promise.race([question(client, o), lost]));
  }
  // discoverICEServers() asks the login domain only, in an IQ of its own. Its promise always
  // resolves to [] in this version: what it found is in client.jingle.iceServers.
  if (o.request === "services" && o.to === o.domain && o.ice !== "0") {
    client.jingle.resetICEServers();
    await Promise.race([client.discoverICEServers({ version: o.ns }), lost]);
    document.iceServers = client.jingle.iceServers;
  }

  client.disconnect();
  await closed;
  return document;
});

async function question(client, o) {
  try {
    if (o.request === "services") {
      return { services: (await client.getServices(o.to, o.type, o.ns)).services.map(service) };
    }
    const one = await client.getServiceCredentials(o.to, o.host, o.type, o.port, o.ns);
    if (!one) throw new Error("result without <credentials>");
    return { services: one.host ? [service(one)] : [] }; // stanza reads the first <service> only
  } catch (err) {
    // A local time-out looks like an error stanza, but has no error type.
    if (err?.type !== "error" || !err.error?.type) throw err;
    return { error: { type: err.error.type, condition: err.error.condition, text: err.error.text } };
  }
}

function service({ version, ...attributes }) {
  return attributes;
}
