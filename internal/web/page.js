// Tries the relays from this browser, and keeps the rest of the page fresh.
"use strict";

const TRY_MS = 10_000; // for one server
const FRESH_MS = 10_000;

const $ = (id) => document.getElementById(id);

// The token may come behind the # of the address, which browsers do not send. It
// is taken out of the address, so that it stays in no history.
const fragment = new URLSearchParams(location.hash.slice(1));
if (fragment.has("token") && $("token")) {
  $("token").value = fragment.get("token");
  history.replaceState(null, "", location.pathname);
}

$("try-form")?.addEventListener("submit", async (event) => {
  event.preventDefault();
  const button = $("try-button");
  if (button.disabled) return;
  button.disabled = true;
  try {
    await tryAll($("token").value.trim());
  } catch (err) {
    say(err.message);
  } finally {
    button.disabled = false;
  }
});

async function tryAll(token) {
  $("try-results").replaceChildren();
  $("try-table").hidden = true;
  if (!token) {
    $("token").focus();
    throw new Error("The token is missing.");
  }
  if (!("RTCPeerConnection" in window)) throw new Error("This browser has no WebRTC, or it is switched off.");
  say("Asking for a credential …");
  const servers = await credentials(token);
  if (servers.length === 0) throw new Error("There is no server to try.");
  $("try-table").hidden = false;
  let working = 0;
  for (const [i, server] of servers.entries()) {
    say(`Trying server ${i + 1} of ${servers.length} …`);
    const cell = addRow(server.urls[0]);
    const result = await tryServer(server);
    if (result.works) working++;
    show(cell, result);
  }
  say(working === servers.length
    ? `All ${servers.length} servers work from this browser.`
    : `${working} of ${servers.length} servers work from this browser.`);
}

async function credentials(token) {
  let response;
  try {
    response = await fetch("try", { method: "POST", headers: { Authorization: `Bearer ${token}` } });
  } catch {
    throw new Error("extdisco does not answer. Is it running?");
  }
  const answer = await response.json().catch(() => ({}));
  if (!response.ok) throw new Error(`No credential: ${answer.message ?? `the answer was ${response.status}`}.`);
  return answer.servers;
}

// tryServer resolves to {works, text, cure}. A TURN server works when it gives a
// relay address. A STUN server works when it gives an address, or answers to a
// browser that has that address already, of which the browser tells nothing.
async function tryServer({ urls, username, credential }) {
  const isTURN = /^turns?:/.test(urls[0]);
  const start = performance.now();
  let connection;
  try {
    connection = new RTCPeerConnection({ iceServers: [{ urls, username, credential }], iceTransportPolicy: isTURN ? "relay" : "all" });
  } catch (err) {
    return { works: false, text: `this browser does not accept the address: ${err.message}` };
  }
  try {
    return await new Promise((resolve, reject) => {
      const errors = [];
      const finish = (candidate) => resolve(candidate
        ? { works: true, text: `${isTURN ? "gave the relay address" : "sees this browser at"} ${candidate.address}, after ${Math.round(performance.now() - start)} ms` }
        : failure(urls[0], errors));
      connection.onicecandidateerror = (event) => errors.push({ code: event.errorCode, text: event.errorText });
      connection.onicecandidate = ({ candidate }) => {
        if (candidate === null) finish();
        else if (candidate.type === (isTURN ? "relay" : "srflx")) finish(candidate);
      };
      setTimeout(() => { errors.push({ code: 0, text: "" }); finish(); }, TRY_MS);
      connection.createDataChannel("try");
      connection.createOffer().then((offer) => connection.setLocalDescription(offer)).catch(reject);
    });
  } catch (err) {
    return { works: false, text: err.message };
  } finally {
    connection.close();
  }
}

// failure says why there was no candidate, from the STUN error codes (RFC 8489
// §14.8, RFC 8656 §15) and those of browsers from 700 on. One that tells more
// counts for more.
function failure(url, errors) {
  const told = errors.find(({ code }) => code >= 300 && code < 700) ?? errors.at(-1);
  if (!told) {
    return url.startsWith("turn")
      ? { works: false, text: "gave no relay address, and no reason" }
      : { works: true, text: "answered; this browser has no other address there" };
  }
  const cures = {
    401: "compare the shared secret here and on the TURN server, and the clocks of both",
    403: "see the log of the TURN server, which forbids it",
    437: "try again in a minute",
    438: "try again in a minute",
    441: "see the log of the TURN server: the credential belongs to another user",
    486: "raise the user's quota on the TURN server: user-quota of coturn",
    508: "give the TURN server more relay ports: min-port, max-port and total-quota of coturn",
    701: "check that the server is running, that the port is open in the firewall, and that the name is right.",
  };
  const text = told.code === 0 ? `no answer within ${TRY_MS / 1000} s` : told.code >= 700 ? "cannot be reached from this browser" : `refused with ${told.code} ${told.text}`.trim();
  const certificate = told.code >= 700 && /^(turns|stuns):/.test(url) ? " The certificate must be for this name, and trusted by browsers." : "";
  return { works: false, text, cure: (cures[told.code] ?? cures[701]) + certificate };
}

function addRow(url) {
  const row = $("try-results").insertRow();
  const head = document.createElement("th");
  const cell = document.createElement("td");
  head.scope = "row";
  // A phone shows the cells as blocks, after which some browsers take them for cells
  // no longer.
  row.role = "row";
  head.role = "rowheader";
  cell.role = "cell";
  head.dataset.label = "Server";
  head.append(element("code", url));
  cell.dataset.label = "Result";
  cell.append(element("span", "trying", "quiet trying"));
  row.append(head, cell);
  return cell;
}

function show(cell, { works, text, cure }) {
  cell.replaceChildren(element("span", works ? "works" : "does not work", works ? "good" : "bad"), `: ${text}`);
  if (cure) cell.append(document.createElement("br"), element("span", `To do: ${cure}`, "cure"));
}

function element(name, text, className = "") {
  const e = document.createElement(name);
  e.textContent = text;
  e.className = className;
  return e;
}

function say(text) { $("try-status").textContent = text; }

// The parts that change are taken from the page as it is now. What has not changed
// is left alone, so that a screen reader does not read it again.
async function refresh() {
  if (document.hidden) return;
  let text;
  try {
    const response = await fetch("./");
    if (!response.ok) throw new Error(response.status);
    text = await response.text();
  } catch {
    document.title = "No answer · extdisco";
    $("offline").hidden = false;
    return;
  }
  $("offline").hidden = true;
  const fresh = new DOMParser().parseFromString(text, "text/html");
  document.title = fresh.title;
  for (const old of document.querySelectorAll("[data-live]")) {
    const now = fresh.getElementById(old.id);
    if (now && now.innerHTML !== old.innerHTML && !old.contains(document.activeElement)) old.replaceChildren(...now.childNodes);
  }
}
setInterval(refresh, FRESH_MS);
