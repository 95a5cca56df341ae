VirtualHost "example.org"
    modules_enabled = { "turn_external" }
    turn_external_host = "turn.example.org"
    turn_external_port = 3478
    turn_external_secret = 'SecretOfTurnExternal \65\x42\u{43}\t\127\z
                            end'
    turn_external_tcp = true
    turn_external_tls_port = 5349
    turn_external_user = "prosody"
