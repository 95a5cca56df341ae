var iceServers = [
  { urls: "turn:turn.example.org", username: "1764000000:alice", credential: "SecretMintedPassword1234567=" },
  { urls: "turn:turn.example.org:3478?transport=tcp", username: "1764000000:alice", credential: "SecretMintedPassword1234567=" }
]
