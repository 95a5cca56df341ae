-- Jitsi Meet before 2021
turncredentials_secret = "SecretOfTurncredentials";
turncredentials_ttl = "43200";
turncredentials = {
  { type = "stun", host = "turn.example.org", port = "443" },
  { type = "turn", host = "turn.example.org", port = "443", transport = "udp" },
  { type = "turns", host = "turn.example.org", port = "443", transport = "tcp" }
};
