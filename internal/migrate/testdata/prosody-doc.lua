-- As the page of mod_external_services has it.
modules_enabled = {
    "roster"; "saslauth"; "tls"; -- and so on
    "external_services";
}

external_services = {
    {
        type = "stun",
        transport = "udp",
        host = "stun.example.com",
        port = 3478
    },

    {
        type = "turn",
        transport = "udp",
        host = "turn.example.com",
        port = 3478,

        -- shared secret with the TURN server
        secret = "SecretOfTheProsodyPage!",
        algorithm = "turn",
        ttl = 43200
    },

    {
        type = "ftp",
        transport = "tcp",
        host = "ftp.example.com",
        port = 21,

        username = "jdoe",
        password = "SecretOfTheFTPServer"
    },

    { type = "turn"; transport = "tcp"; host = "turn2.example.com"; port = 3478; username = "romeo"; password = [[SecretOf"Romeo"]]; restricted = true };
}
