-- mod_extdisco of prosody-modules names its entries by host
external_services = {
    ["stun.example.org"] = { port = "3478"; transport = "udp"; type = "stun"; };
    ["turn.example.org"] = { port = "3478"; transport = "udp"; type = "turn"; username = "u"; password = "SecretOfTheAccount"; };
}
