external_service_secret = "SecretWithoutAnyHost"
external_services = {
    { type = "stun", host = "stun.example.org" },
    { type = "turn", port = 3478, transport = "udp", secret = true },
}
turn_external_secret = "SecretWithoutAnyHost"
