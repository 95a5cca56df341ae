-- What Prosody gives to its modules.
std = "lua54"
max_line_length = 160
files["mod_extdisco_bridge"] = { read_globals = { "prosody" }, globals = { "module" } }
files["spec/*_spec.lua"] = { std = "+busted" }
