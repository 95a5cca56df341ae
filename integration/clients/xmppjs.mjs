#!/usr/bin/env node
// Asks for external services with the npm package "@xmpp/client" (xmpp.js), which has no XEP-0215
// of its own: its iqCaller sends the request.
import { client, xml } from "@xmpp/client";
import { run } from "./common.mjs";

await run(async (o) => {
  const xmpp = client({
    service: o.service,
    domain: o.domain,
    username: o.jid?.slice(0, o.jid.lastIndexOf("@")),
    password: o.password,
    timeout: 8_000, // of each step; the default of 2 s is little for its slow SCRAM
  });
  xmpp.reconnect.stop();
  if (process.env.XMPP_DEBUG) {
    xmpp.on("element", (el) => console.error("incoming", el.toString()));
    xmpp.on("send", (el) => console.error("outgoing", el.toString()));
  }
  const lost = new Promise((_, reject) => {
    xmpp.on("error", reject);
    xmpp.on("disconnect", () => reject(new Error("disconnected")));
  });
  lost.catch(() => {}); // the disconnect at the end is expected

  const jid = await Promise.race([xmpp.start(), lost]);
  const document = { client: "xmppjs", jid: jid.toString(), answers: [] };
  for (let i = 0; i < o.repeat; i++) {
    document.answers.push(await Promise.race([question(xmpp, o), lost]));
  }
  await xmpp.stop();
  return document;
});

async function question(xmpp, o) {
  const xmlns = `urn:xmpp:extdisco:${o.ns}`;
  const { type, host, port, transport } = o;
  const child =
    o.request === "services"
      ? xml("services", { xmlns, type })
      : xml("credentials", { xmlns }, xml("service", { type, host, port, transport }));
  try {
    const reply = await xmpp.iqCaller.get(child, o.to, 60_000); // above the overall time-out
    if (!reply) throw new Error(`result without <${o.request} xmlns='${xmlns}'>`);
    return { services: reply.getChildren("service", xmlns).map(service) };
  } catch (err) {
    if (err.name !== "StanzaError") throw err;
    return { error: { type: err.type, condition: err.condition, text: err.text || undefined } };
  }
}

function service({ attrs: { xmlns, port, restricted, ...attributes } }) {
  const known = { true: true, 1: true, false: false, 0: false };
  // A value of the wrong form is shown as it came, so that a test sees it.
  if (port !== undefined) attributes.port = /^\d+$/.test(port) ? Number(port) : port;
  if (restricted !== undefined) attributes.restricted = known[restricted] ?? restricted;
  return attributes;
}
