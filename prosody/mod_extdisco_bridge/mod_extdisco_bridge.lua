-- mod_extdisco_bridge: extdisco answers for virtual hosts of this server
--
--   Component "turn.meet.example.org"
--       component_secret = "…"
--       modules_enabled  = { "extdisco_bridge" }
--
-- Enabled on the external component (XEP-0114) that extdisco connects as, it
--
--  1. sends users' requests for External Service Discovery (XEP-0215) on to extdisco, and
--     brings the answers back in the name of the host that was asked (requests.lib.lua);
--  2. fills the list of mod_external_services, which Jitsi Meet reads with get_services(),
--     on these hosts and on metadata.<host> (feed.lib.lua, list.lib.lua);
--  3. keeps a set of services for each session, so that a participant of Jitsi Meet gets
--     its own credential, and a new one in time (sessions.lib.lua, jitsi.lib.lua,
--     push.lib.lua).
--
-- A user is named to extdisco by its own address, and by the network address of its session
-- only where extdisco's choice of relays depends on that (origin.lib.lua). No credential and
-- no network address is ever written to the log.
--
-- Prosody 0.12 and 13. Licence: Apache-2.0.

local modulemanager = require "core.modulemanager";

if module:get_host_type() ~= "component" or not modulemanager.get_module(module.host, "component") then
	-- An instance on another host only holds the list of that host.
	module:require "list";
	return;
end

local hosts = prosody.hosts;
local component = module.host;
local has_time, time = pcall(require, "util.time");
local now = has_time and time.now or require "socket".gettime;

---- Configuration ----

local function number_option(name, default, least, most)
	local value = module:get_option_number(name, default);
	if value and value >= least and value <= most then return value; end
	module:log("error", "%s must be a number from %d to %d; %d is used instead", name, least, most, default);
	return default;
end

local function host_list(option, default)
	local list = {};
	for _, host in ipairs(module:get_option_array(option) or default) do
		table.insert(list, tostring(host):lower());
	end
	return list;
end

local timeout = number_option("extdisco_timeout", 5, 1, 25); -- seconds
local pool_size = math.floor(number_option("extdisco_pool_size", 16, 1, 1000));
local pushes = module:get_option_boolean("extdisco_push", true);
local named_hosts = module:get_option("extdisco_hosts") ~= nil;
local named_feed_hosts = module:get_option("extdisco_feed_hosts") ~= nil;
local served = host_list("extdisco_hosts", { component:match("^[^.]+%.(.+)$") });

local origins = module:require "origin" (module:get_option_string("component_secret"));
local requests = module:require "requests" (component, timeout, origins, now);
local sessions = module:require "sessions" (requests, now);
local feed = module:require "feed" (component, pool_size, requests, origins, sessions, now);
local follow;
local jitsi = module:require "jitsi" (sessions, function (host) follow(host); end);
local push = module:require "push" (sessions);
local advice = module:require "advice";

---- Requests of users ----

local our_types = { stun = true, stuns = true, turn = true, turns = true };

-- The usual request is written out here, for which tostring() takes four times as long.
local function written(payload)
	local attr = payload.attr;
	if payload.name == "services" and #payload == 0 and next(attr) == "xmlns" and next(attr, "xmlns") == nil then
		return "<services xmlns='"..attr.xmlns.."'/>";
	end
	return tostring(payload);
end

local function forward(event)
	local origin, stanza = event.origin, event.stanza;
	if origin.type ~= "c2s" then return; end -- mod_external_services knows whom else to serve
	requests.watch(origin.host);
	requests.send({ from = stanza.attr.from, stanza = stanza }, written(stanza.tags[1]));
	return true;
end

-- Credentials of other types, such as Jitsi's short-lived-token, are made by other modules.
local function forward_credentials(event)
	local foreign = false;
	for service in event.stanza.tags[1]:childtags("service") do
		local service_type = service.attr.type;
		if service_type == nil or our_types[service_type] then -- version 1 asks without a type too
			return forward(event);
		end
		foreign = true;
	end
	if not foreign then return forward(event); end
end

---- Sessions ----

local with_jitsi = false; -- whether there are rooms that credentials are pushed in
local followed = {}; -- hosts whose sessions are followed

local function is_ours(host)
	for _, own in ipairs(served) do
		if host == own or host:sub(-#own - 1) == "."..own then return true; end
	end
	return false;
end

local function on_bind(event)
	local session = event.session;
	if with_jitsi and is_ours(session.host) then sessions.bind(session.full_jid, session.host); end
end

local function on_unbind(event)
	sessions.drop(event.session.full_jid);
end

function follow(host)
	if followed[host] or not hosts[host] then return; end
	followed[host] = true;
	module:context(host):hook("resource-bind", on_bind);
	module:context(host):hook("resource-unbind", on_unbind);
	for _, session in pairs(with_jitsi and prosody.full_sessions or {}) do
		if session.host == host then on_bind({ session = session }); end
	end
end

-- Guests and recorders of Jitsi Meet have hosts of their own below the main one.
local function follow_all()
	for name, host in pairs(hosts) do
		if host.type == "local" and is_ours(name) then follow(name); end
	end
end

-- What a user's own request for all services has brought is the user's.
function requests.on_answer(stanza, answer)
	local asked = stanza.tags[1];
	if not pushes and not with_jitsi or asked.name ~= "services" or asked.attr.type then return; end
	local element = answer.attr.type == "result" and answer.tags[1];
	local session = element and prosody.full_sessions[stanza.attr.from];
	if not session then return; end
	follow(session.host);
	local record = sessions.keep(stanza.attr.from, session.host, element);
	if record and pushes then push.told(record, stanza.attr.to, asked.attr.xmlns); end
end

function sessions.on_renewed(record)
	if pushes and not jitsi.push(record) then push.send(record); end
end

---- Hosts ----

local answering = {}; -- the hosts whose requests are taken
local started, closed = false, false;

-- Requests are taken below priority 100, where Jitsi checks that only participants ask,
-- and above 0, where mod_external_services answers.
local function serve(host)
	if answering[host] or not hosts[host] then return; end
	answering[host] = true;
	local context = module:context(host);
	for _, xmlns in ipairs { "urn:xmpp:extdisco:2", "urn:xmpp:extdisco:1" } do
		context:hook("iq-get/host/"..xmlns..":services", forward, 50);
		context:hook("iq-get/host/"..xmlns..":credentials", forward_credentials, 50);
	end
	context:hook("iq/host", push.on_iq, 1000);
	if started then
		module:log("info", "%s has come; extdisco answers for it", host);
	end
end

local function owner_of(feed_host)
	for _, host in ipairs(served) do
		if feed_host:sub(-#host - 1) == "."..host then return host; end
	end
	return served[1];
end

local function add_feeds()
	local metadata = {};
	for _, host in ipairs(served) do
		feed.add(host, host);
		table.insert(metadata, "metadata."..host);
	end
	for _, host in ipairs(host_list("extdisco_feed_hosts", metadata)) do
		feed.add(host, owner_of(host));
	end
end

-- Meets the hosts that are there.
local function meet_hosts()
	for _, host in ipairs(served) do serve(host); end
	for host, pool in feed.hosts() do
		if hosts[host] and jitsi.serve(host) and hosts[pool.owner] then with_jitsi = true; end
	end
	follow_all();
end

---- The component ----

local function on_connected(event)
	requests.connected(event.session);
	module:log("info", "extdisco is connected as %s and answers for %s", component, table.concat(served, ", "));
	module:set_status("info", "extdisco is connected");
	feed.connected();
	sessions.connected();
end

local function on_disconnected(event)
	if not requests.disconnected(event.session) then return; end
	module:log("info", "extdisco at %s has disconnected; requests are refused until it is back, and the lists keep what they have", component);
	module:set_status("warn", "extdisco is not connected");
end

module:hook("component-authenticated", on_connected);
module:hook("component-disconnected", on_disconnected);

module:hook_global("host-activated", function (host)
	feed.host_activated(host);
	module:add_timer(0, meet_hosts); -- when its modules are there
end);

-- Prosody forgets the modules of a host that it takes away, but not what they hooked.
local function leave()
	closed = true;
	on_disconnected({});
	jitsi.close();
	feed.close();
	for object, event, handler in module.event_handlers:iter(nil, nil, nil) do
		object.remove_handler(event, handler);
	end
end

module:hook_global("host-deactivated", function (host)
	answering[host], followed[host] = nil, nil;
	requests.unwatch(host);
	jitsi.host_deactivated(host);
	if host == component then leave(); end
end);

---- Loading and unloading ----

local function check()
	advice.hosts(served, named_hosts, "extdisco_hosts");
	local listing = {};
	for host in feed.hosts() do table.insert(listing, host); end
	if named_feed_hosts then advice.hosts(host_list("extdisco_feed_hosts"), true, "extdisco_feed_hosts"); end
	advice.old_lists(listing);
	advice.delegations(served);
	advice.connection(requests.is_connected());
end

add_feeds();
local function meet_extdisco()
	local session = modulemanager.get_module(component, "component").session;
	if session then on_connected({ session = session }); end
end
if not module.reloading then meet_extdisco(); end -- or what is under way has to come back first
meet_hosts();
module:add_timer(0, function ()
	meet_hosts();
	feed.tick();
	jitsi.tick();
	started = true;
	check();
end);
module:add_timer(1, function ()
	if closed then return; end
	feed.tick();
	sessions.tick();
	jitsi.tick();
	return 1;
end);

-- A reload keeps all that is under way.
function module.save()
	return { requests = requests.save(), feed = feed.save(), sessions = sessions.save(), push = push.save(), origins = origins.save() };
end

function module.restore(saved)
	if saved.requests then
		origins.restore(saved.origins);
		requests.restore(saved.requests);
		sessions.restore(saved.sessions);
		push.restore(saved.push);
		feed.restore(saved.feed);
	end
	meet_extdisco();
end

function module.unload()
	jitsi.close();
	if module.reloading then return; end
	requests.close();
	feed.close();
end
