-- For tests: announces the metadata component on the virtual host, as Jitsi's module of this
-- name does.
module:add_identity("component", "room_metadata", "metadata."..module.host);
