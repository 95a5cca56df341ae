-- a game server
Port = 8080
ManualIceServers = {
    { urls = { "stun:stun.example.org:3478" } },
    { urls = { "turn:turn.example.org:3478?transport=udp", "turns:turn.example.org" }, username = "game", credential = "SecretOfTheGame" },
    { ["urls"] = "turn:b.example.org", username = "game", credential = read_file("SecretFile") },
}
function start() print({ x = 1 }) end
