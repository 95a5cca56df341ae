-- For tests: pushes what get_services() of this host returns to whoever joins a
-- room, in the form and at the moment in which Jitsi's room metadata does it.
--
--   Component "metadata.D" "room_metadata_stub"
--     muc_component = "conference.D"
local json = require "util.json";
local st = require "util.stanza";
local datetime = require "util.datetime".datetime;

local get_services = module:depends("external_services").get_services;
local rooms = module:get_option_string("muc_component");

local function services()
	local list = {};
	for _, srv in ipairs(get_services()) do
		table.insert(list, {
			type = srv.type, host = srv.host, port = srv.port and ("%d"):format(srv.port), transport = srv.transport;
			username = srv.username, password = srv.password, restricted = srv.restricted and "1" or nil;
			expires = srv.expires and datetime(srv.expires);
		});
	end
	return list;
end

-- Below everything that may still refuse the join, and ahead of the presence that
-- tells the occupant that it is in.
local function push(event)
	local metadata = { type = "room_metadata", metadata = { services = services() } };
	module:send(st.message({ from = module.host, to = event.stanza.attr.from })
		:tag("json-message", { xmlns = "http://jitsi.org/jitmeet" }):text(json.encode(metadata)));
end

local function watch(host)
	if host == rooms then
		module:context(rooms):hook("muc-occupant-pre-join", push, -1000);
	end
end
module:hook_global("host-activated", watch);
if prosody.hosts[rooms] then watch(rooms); end
