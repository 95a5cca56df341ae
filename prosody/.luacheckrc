-- What Prosody gives to its modules.
std = "lua54"
max_line_length = 160
files["mod_*.lua"] = { read_globals = { "prosody" }, globals = { "module" } }
files["spec/*_spec.lua"] = { std = "+busted" }
