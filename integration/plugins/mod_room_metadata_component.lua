-- For tests: what Jitsi's module of this name does with the services, in its ways: the
-- function send_metadata in its environment, a filter that pushes ahead of the presence
-- that tells an occupant that it is in, once for each bare JID and room.
--
--   Component "metadata.D" "room_metadata_component"
--     muc_component = "conference.D"
--     breakout_rooms_component = "breakout.D"
local filters = require "util.filters";
local jid_bare = require "util.jid".bare;
local json = require "util.json";
local st = require "util.stanza";
local datetime = require "util.datetime".datetime;

local get_services = module:depends("external_services").get_services;
local muc_hosts = { module:get_option_string("muc_component"), module:get_option_string("breakout_rooms_component") };
local sent = setmetatable({}, { __mode = "k" }); -- by room: the bare JIDs that were told

function send_metadata(occupant, room, _, include_services) -- luacheck: ignore 131
	local metadata = {};
	if include_services then
		metadata.services = {};
		for _, srv in ipairs(get_services()) do
			table.insert(metadata.services, {
				type = srv.type, host = srv.host, port = srv.port and ("%d"):format(srv.port), transport = srv.transport;
				username = srv.username, password = srv.password, restricted = srv.restricted and "1" or nil;
				expires = srv.expires and datetime(srv.expires);
			});
		end
	end
	module:send(st.message({ from = module.host, to = occupant.jid })
		:tag("json-message", { xmlns = "http://jitsi.org/jitmeet", room = room.jid })
		:text(json.encode({ type = "room_metadata", metadata = metadata })));
end

local function room_of(jid)
	for _, host in ipairs(muc_hosts) do
		local muc = prosody.hosts[host] and prosody.hosts[host].modules.muc;
		local room = muc and muc.get_room_from_jid(jid);
		if room then return room; end
	end
end

local function is_self_presence(stanza)
	local x = stanza.name == "presence" and stanza.attr.type ~= "unavailable"
		and stanza:get_child("x", "http://jabber.org/protocol/muc#user");
	for status in x and x:childtags("status") or function () end do
		if status.attr.code == "110" then return true; end
	end
end

local function filter_stanza(stanza)
	if not stanza.attr or not stanza.attr.to or not is_self_presence(stanza) then return stanza; end
	local room, bare = room_of(jid_bare(stanza.attr.from)), jid_bare(stanza.attr.to);
	if not room then return stanza; end
	sent[room] = sent[room] or {};
	if sent[room][bare] then return stanza; end
	for _, occupant in room:each_occupant() do
		if occupant.bare_jid == bare then
			sent[room][bare] = true;
			send_metadata(occupant, room, nil, true);
		end
	end
	return stanza;
end

filters.add_filter_hook(function (session)
	filters.add_filter(session, "stanzas/out", filter_stanza, -3);
end);

for _, host in ipairs(muc_hosts) do
	local function watch()
		module:context(host):hook("muc-occupant-left", function (event)
			if sent[event.room] then sent[event.room][jid_bare(event.occupant.jid)] = nil; end
		end);
	end
	if prosody.hosts[host] then watch(); end
	module:hook_global("host-activated", function (name) if name == host then watch(); end end);
end
