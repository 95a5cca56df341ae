import { signalling } from "./signalling.js";

const STUN = "stun:stun3.example.org";

export async function call(peer) {
  const pattern = /["'[]/; // a regular expression with quotes and a bracket
  const pc = new RTCPeerConnection({
    iceTransportPolicy: "all",
    "iceServers": [
      { url: "stun:stun.example.org:3478" }, // the old name
      { urls: ["stun://stun2.example.org", "stun:stun.example.org?transport=udp",], },
      { urls: [STUN] },
      {
        urls: [
          "turn:turn.example.org:3478?transport=udp",
          "turn:turn.example.org:3478?transport=tcp",
          'turns:turn.example.org',
          `turns:turn.example.org:443?transport=udp`,
        ],
        username: "web",
        credential: "SecretOf\"the\\ \u{page}".replace("a", "b"),
      },
      {
        urls /* from the provider */: [
          "turn:relay.example.net:80",
          "turns:relay.example.net:443?transport=tcp",
        ],
        username: 'web-"quoted"',
        password: "SecretOf\\the\u0020\"page\"",
      },
      { urls: "turn:relay.example.net:443?transport=tcp", username: 'web-"quoted"', credential: 'SecretOf\\the "page"' },
      { urls: "turn:open.example.net" },
      { urls: "relay.example.net:3478" },
    ],
  });
  await signalling.connect(`https://example.org/calls/${peer}`, { url: "https://example.org/calls" });
  return pc;
}
