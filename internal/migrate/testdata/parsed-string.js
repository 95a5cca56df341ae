const app = document.getElementById("app");
const servers = JSON.parse('[{"urls": "turn:turn.example.org", "username": "web", "credential": "SecretInAString"}]');
const page = "<div data-ice='[{&quot;urls&quot;:&quot;stun:stun.example.org&quot;}]'>";
const config = { iceServers: [
  { urls: `turn:${host}:3478`, username: "web", credential: "SecretUnused" },
  { urls: ["turn:b.example.org", "turn:" + name], username: user(), credential: process.env.SecretUnused },
  { urls: "turn:c.example.org", username: "c", credential },
  { urls, username: "d", credential: "SecretUnused" },
  { server: "turn:e.example.org", username: "e", credential: "SecretOfE" },
  { host: "f.example.org", port: 3478, username: "f", credential: "SecretUnused" },
  "turn.example.org",
] };
