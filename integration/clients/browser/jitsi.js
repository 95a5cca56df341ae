// A page that does with lib-jitsi-meet what Jitsi Meet does: connect, ask for ICE servers, join
// a room and call the other participant directly. The test calls these functions.
"use strict";

let connection, conference;
const pushed = []; // the services of each room_metadata message

const jingle = () => connection.xmpp.connection.jingle;

// connect resolves to the user's JID. With guests, the user is one of that host.
function connect({ domain, guests, muc, serviceUrl, relay }) {
  JitsiMeetJS.setLogLevel(JitsiMeetJS.logLevels.INFO);
  JitsiMeetJS.init({ disableAudioLevels: true, enableAnalyticsLogging: false });
  connection = new JitsiMeetJS.JitsiConnection(null, null, {
    hosts: { domain, anonymousdomain: guests, muc },
    serviceUrl,
    bosh: serviceUrl, // how it was named before
    p2p: { stunServers: [], iceTransportPolicy: relay ? "relay" : "all" },
  });
  const { CONNECTION_ESTABLISHED, CONNECTION_FAILED } = JitsiMeetJS.events.connection;
  return new Promise((resolve, reject) => {
    connection.addEventListener(CONNECTION_ESTABLISHED, () => resolve(connection.xmpp.connection.jid));
    connection.addEventListener(CONNECTION_FAILED, (error, message) => reject(new Error(`${error}: ${message}`)));
    connection.connect();
  });
}

// iceServers tells what calls between two browsers (p2p) and with a bridge (jvb) would use.
function iceServers() {
  return { p2p: jingle().p2pIceConfig.iceServers, jvb: jingle().jvbIceConfig.iceServers };
}

// join resolves when the user is in the room, with camera and microphone.
async function join(room) {
  const tracks = await JitsiMeetJS.createLocalTracks({ devices: ["audio", "video"] });
  conference = connection.initJitsiConference(room, {
    disableFocus: true, // no Jicofo here
    openBridgeChannel: false,
    p2p: { enabled: true },
  });
  await Promise.all(tracks.map((track) => conference.addTrack(track)));
  const { CONFERENCE_JOINED, CONFERENCE_FAILED } = JitsiMeetJS.events.conference;
  return new Promise((resolve, reject) => {
    conference.addEventListener(CONFERENCE_JOINED, () => resolve(conference.myUserId()));
    conference.addEventListener(CONFERENCE_FAILED, (error) => reject(new Error(error)));
    conference.join();
  });
}

// leave resolves when the user has left the room.
async function leave() {
  await conference.leave();
  conference = null;
}

// callStats tells how much media has come, and over which pair of candidates.
async function callStats() {
  const session = conference.p2pJingleSession;
  if (!session) return { state: "no session" };
  const pc = session.peerconnection.peerconnection;
  const stats = [...(await pc.getStats()).values()];
  const byID = new Map(stats.map((s) => [s.id, s]));
  const received = (kind) => stats.filter((s) => s.type === "inbound-rtp" && s.kind === kind)
    .reduce((sum, s) => sum + s.bytesReceived, 0);
  const transport = stats.find((s) => s.type === "transport" && s.selectedCandidatePairId);
  const pair = transport && byID.get(transport.selectedCandidatePairId);
  return {
    state: pc.connectionState,
    audio: received("audio"),
    video: received("video"),
    local: pair && byID.get(pair.localCandidateId).candidateType,
    remote: pair && byID.get(pair.remoteCandidateId).candidateType,
    configured: pc.getConfiguration().iceServers.map((s) => s.username).filter((name) => name),
  };
}

// listenForMetadata does what lib-jitsi-meet does since 2026-04, and this older one does not: the
// services that the server pushes take the place of both lists.
function listenForMetadata(address) {
  connection.xmpp.connection.addHandler((message) => {
    const child = message.getElementsByTagNameNS("http://jitsi.org/jitmeet", "json-message")[0];
    if (!child) return true;
    const { type, metadata } = JSON.parse(child.textContent);
    if (type !== "room_metadata" || !metadata.services) return true;
    pushed.push(metadata.services);
    const servers = toICEServers(metadata.services);
    jingle().p2pIceConfig.iceServers = servers;
    jingle().jvbIceConfig.iceServers = servers.filter(({ urls }) => /^turn.*transport=tcp/.test(urls));
    return true; // listen on
  }, null, "message", null, null, address);
}

// toICEServers turns services into ICE servers. Whatever is not a list counts as an empty one:
// what Lua writes for an empty list is {}.
function toICEServers(services) {
  if (!Array.isArray(services)) return [];
  return services.filter(({ type }) => ["stun", "turn", "turns"].includes(type)).map((service) => {
    const { type, host, port, transport, username, password } = service;
    const address = `${type}:${host}${port ? `:${port}` : ""}`;
    if (type === "stun") return { urls: address };
    const suffix = transport && transport !== "udp" ? `?transport=${transport}` : "";
    return { urls: address + suffix, username, credential: password };
  });
}
