--[[ Everything that an old configuration may hold.
external_service_secret = "SecretInAComment"
]]
external_service_host = "turn.example.org"
external_service_port = 3478;
external_service_secret = [==[
SecretOverTheWholeServer]]]==]
external_service_ttl = 5400
external_services = {
    { type = "stun" }; -- host and port from above
    { ["type"] = 'turn', secret = true, username = "suffix" };
    { type = "TURN", transport = "TCP", secret = true, port = "443" },
    { type = "turns", secret = true, ttl = 0 },
    { type = "stun", transport = "tcp" },
    { type = "stuns", transport = "tcp", port = 5349 },
    { type = "turn", host = "other.example.org", secret = 'SecretOfTheOtherServer', ttl = 3600 },
    { type = "turn", host = "third.example.org", secret = 'SecretOfTheOtherServer', algorithm = "md5" },
    { type = "turn", host = "plain.example.org", secret = false },
    { type = "turn", host = "bad host", secret = true },
    { type = "turn", secret = true, --[=[ the same again ]=] weight = 5 },
    { host = "typeless.example.org" },
    --{ type = "turn", host = "commented.example.org" },
}
