local turn_host = "turn.example.org"
external_service_secret = FileLine("/etc/prosody/SecretFile")
external_service_host = "turn.example.org"
external_service_port = tonumber(os.getenv("TURN_PORT")) or 3478
external_services = {
  { type = "stun", host = turn_host },
  { type = "turn", secret = true, transport = "udp" },
  { type = "turn", host = "b.example.org", secret = Credential("SecretName"), ttl = 24*60*60 },
  { type = "turn", host = "c.example.org", username = "u", password = os.getenv "SECRET" .. "SecretPart" },
  { type = "turn", host = "d.example.org", username = os.getenv("USER"), password = "SecretOfD" },
  { type = "turn", host = "e.example.org", secret = (function() if x then return "SecretOfE" end end)(), port = 0x1f90 },
  make_service("f.example.org", { secret = "SecretOfF" }),
  { type = "turns", port = 2^12, secret = true },
}
VirtualHost "example.org"
    authentication = "internal_hashed"
