-- Prosody 13 for compose.yaml, with no more than extdisco needs. CHANGE the domain, and add
-- what else your server does.
plugin_paths = { "/usr/local/lib/prosody/modules" }
data_path = "/var/lib/prosody"
modules_enabled = { "disco", "ping", "roster", "saslauth", "tls" }

-- extdisco connects from its own container.
component_interfaces = { "*" }
component_ports = { 5347 }

VirtualHost "meet.example.org"
    authentication = "anonymous"

Component "turn.meet.example.org"
    component_secret = FileLine("/run/secrets/component.secret")
    component_conflict_resolve = "kick_old"
    modules_enabled = { "extdisco_bridge" }
