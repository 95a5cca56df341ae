-- For tests: announces the metadata component on the virtual host, as Jitsi's
-- mod_features_identity does.
module:add_identity("component", "room_metadata", "metadata."..module.host);
