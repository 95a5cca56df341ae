-- For tests: tells everybody who asks what get_services() of this host returns, as
-- Jitsi's mod_room_metadata_component reads and encodes it.
local json = require "util.json";
local st = require "util.stanza";
local datetime = require "util.datetime".datetime;

local get_services = module:depends("external_services").get_services;

module:hook("iq-get/host/test:services:list", function (event)
	local count = tonumber(event.stanza.tags[1].attr.count) or 1;
	local answers = {};
	for i = 1, count do
		local services = {};
		for _, srv in ipairs(get_services()) do
			table.insert(services, {
				type = srv.type, host = srv.host, port = srv.port, transport = srv.transport;
				username = srv.username, password = srv.password, restricted = srv.restricted;
				expires = srv.expires and datetime(srv.expires);
			});
		end
		answers[i] = services;
	end
	event.origin.send(st.reply(event.stanza):tag("list", { xmlns = "test:services" }):text(json.encode(answers)));
	return true;
end);
