-- For tests: tells whoever asks what get_services() of this host returns, read as
-- Jitsi's mod_room_metadata_component reads it, and loads and unloads modules.
local hostmanager = require "core.hostmanager";
local modulemanager = require "core.modulemanager";
local json = require "util.json";
local st = require "util.stanza";
local datetime = require "util.datetime".datetime;

local get_services = module:depends("external_services").get_services;

local function list()
	local services = {};
	for _, srv in ipairs(get_services()) do
		table.insert(services, {
			type = srv.type, host = srv.host, port = srv.port, transport = srv.transport;
			username = srv.username, password = srv.password, restricted = srv.restricted;
			expires = srv.expires and datetime(srv.expires);
		});
	end
	return services;
end

-- <list xmlns='test:services' count='N'/>: the lists of N calls, as JSON.
module:hook("iq-get/host/test:services:list", function (event)
	local answers = {};
	for i = 1, tonumber(event.stanza.tags[1].attr.count) do
		answers[i] = list();
	end
	event.origin.send(st.reply(event.stanza):tag("list", { xmlns = "test:services" }):text(json.encode(answers)));
	return true;
end);

-- <module xmlns='test:services' do='reload|load|unload' host='H' name='M'/>, and without
-- a name do='activate|deactivate'
module:hook("iq-get/host/test:services:module", function (event)
	local attr = event.stanza.tags[1].attr;
	local manager = attr.name and modulemanager or hostmanager;
	local done, err = manager[attr["do"]](attr.host, attr.name);
	if done then
		event.origin.send(st.reply(event.stanza));
	else
		event.origin.send(st.error_reply(event.stanza, "cancel", "internal-server-error", tostring(err)));
	end
	return true;
end);
