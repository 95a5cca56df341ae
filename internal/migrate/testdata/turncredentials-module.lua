-- mod_turncredentials of prosody-modules
modules_enabled = { "turncredentials" }
turncredentials_host = "turn.example.org"
turncredentials_port = 3480
turncredentials_secret = "SecretOfTheModule"
turncredentials_ttl = 24*3600
