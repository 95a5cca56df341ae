-- mod_extdisco_bridge: extdisco answers for this virtual host
--
-- Enabled on a VirtualHost, it
--
--  1. sends requests for External Service Discovery (XEP-0215) that users address
--     to the host on to extdisco, the external component (XEP-0114) that
--     extdisco_component names, and brings the answers back in the host's name;
--  2. feeds what extdisco offers into Prosody's own list, which Jitsi Meet reads
--     with get_services() of mod_external_services: on this host, and on
--     metadata.<this host>, where the module loads itself.
--
-- A user is named to extdisco by its own address: the request is the user's own,
-- with another receiver and another id. Whom a credential of the list will be for
-- is not known when it is made. So each is made for nobody in particular and given
-- out once, as long as there are enough.
--
-- No secret is kept here, and no credential is ever written to the log.
--
-- Prosody 0.12 and 13. Licence: Apache-2.0.

local modulemanager = require "core.modulemanager";
local parse_datetime = require "util.datetime".parse;
local new_id = require "util.id".medium;
local st = require "util.stanza";
local now = require "util.time".now;
local xml_escape = st.xml_escape;

local hosts = prosody.hosts;

local xmlns_feed = "extdisco:feed:1"; -- docs/bridge.md of extdisco
local xmlns_extdisco = { "urn:xmpp:extdisco:2", "urn:xmpp:extdisco:1" };

---- The list of one host ----

local listed = {};

-- Puts these entries into the list of the host that this instance is on, in place
-- of those before.
local function set_items(items)
	for _, item in ipairs(listed) do
		module:remove_item("external_service", item);
	end
	listed = items;
	for _, item in ipairs(items) do
		module:add_item("external_service", item);
	end
end
module.environment.set_items = set_items; -- for the instance on the virtual host

local function load_external_services()
	local ok, err = pcall(module.depends, module, "external_services");
	if not ok then
		module:log("error", "mod_external_services is needed on %s and cannot be loaded (%s); "
			.."take \"external_services\" out of modules_disabled", module.host, err);
		module:set_status("error", "mod_external_services cannot be loaded");
	end
	return ok;
end

if module:get_host_type() == "component" then
	-- This instance only holds the list of its host; one on a VirtualHost fills it.
	load_external_services();
	function module.save()
		return { items = listed };
	end
	function module.restore(saved)
		set_items(saved.items or {});
	end
	return;
end

---- Configuration ----

local function number_option(name, default, least, most)
	local value = module:get_option_number(name, default);
	if value and value >= least and value <= most then return value; end
	module:log("error", "%s must be a number from %d to %d; %d is used instead", name, least, most, default);
	return default;
end

local component = module:get_option_string("extdisco_component");
local timeout = number_option("extdisco_timeout", 5, 1, 25); -- seconds
local pool_size = math.floor(number_option("extdisco_pool_size", 16, 1, 1000));
local named_feed_hosts = module:get_option_array("extdisco_feed_hosts");

if not component then
	module:log("error", "extdisco_component is not set, so that nothing is forwarded and nothing fed; below VirtualHost %q write: "
		.."extdisco_component = \"turn.%s\" -- the address of the Component that extdisco connects as", module.host, module.host);
	module:set_status("error", "extdisco_component is not set");
	return;
end
if not load_external_services() then return; end

local link; -- the session of extdisco, while it is connected

---- Requests of users ----

-- The requests that extdisco has and has not answered, by the id that they have on
-- the way. It cannot be guessed, so that nobody can meet another's request.
local pending = {};
local pending_count = 0;
local max_pending = 10000;
local id_prefix = "extdisco-"..new_id().."-";
local last_id = 0;
local sweeping = false;
local told_timeout = false;

local function take_pending(id)
	pending[id] = nil;
	pending_count = pending_count - 1;
end

local function refuse(stanza, condition, text)
	module:send(st.error_reply(stanza, "wait", condition, text));
	return true;
end

-- Refuses the requests whose time is over, or all of them.
local function refuse_pending(text, time)
	for id, request in pairs(pending) do
		if not time or request.deadline <= time then
			take_pending(id);
			refuse(request.stanza, "remote-server-timeout", text);
		end
	end
end

-- A server that hangs with its connection open would let clients wait for ever.
local function sweep()
	local before = pending_count;
	refuse_pending("The relay service did not answer in time", now());
	if pending_count < before and not told_timeout then
		told_timeout = true;
		module:log("warn", "extdisco at %s has not answered a request within %d s, and the client was told so; "
			.."look into its log, and whether it runs at all", component, timeout);
	end
	sweeping = pending_count > 0;
	return sweeping and 1 or nil;
end

-- Lets an answer go on to the client in the name of the host that was asked.
local function bring_back(event)
	local attr = event.stanza.attr;
	if attr.from ~= component then return; end
	local request = pending[attr.id];
	if request then
		local asked = request.stanza.attr;
		if attr.to ~= asked.from then return true; end
		take_pending(attr.id);
		told_timeout = false;
		attr.id, attr.from = asked.id, module.host;
	elseif attr.id and attr.id:sub(1, #id_prefix) == id_prefix then
		return true; -- too late: the client was told that there will be no answer
	end
end

-- Answers pass by the host of the user, which may be another one: that of guests.
local watched = {};
local function watch_answers(host)
	if not watched[host] then
		watched[host] = true;
		module:context(host):hook("iq/full", bring_back, 1000);
	end
end

-- The usual request is written out here, for which tostring() takes four times as
-- long.
local function written(payload)
	local attr = payload.attr;
	if payload.name == "services" and #payload == 0 and next(attr) == "xmlns" and next(attr, "xmlns") == nil then
		return "<services xmlns='"..attr.xmlns.."'/>";
	end
	return tostring(payload);
end

-- Goes straight to the component's stream. Prosody's routing costs more, and there is
-- nothing for it to decide: the sender was checked when the stanza came, and the
-- receiver is known.
local function forward(event)
	local origin, stanza = event.origin, event.stanza;
	if origin.type ~= "c2s" then return; end -- mod_external_services knows whom else to serve
	if not link then
		return refuse(stanza, "remote-server-timeout", "The relay service is not available");
	elseif pending_count >= max_pending then
		return refuse(stanza, "resource-constraint", "Too many requests wait for the relay service");
	end
	watch_answers(origin.host);
	last_id = last_id + 1;
	local id = id_prefix..last_id;
	pending[id] = { stanza = stanza, deadline = now() + timeout };
	pending_count = pending_count + 1;
	link.send("<iq type='get' id='"..id.."' to='"..component.."' from='"..xml_escape(stanza.attr.from).."'>"
		..written(stanza.tags[1]).."</iq>");
	if not sweeping then
		sweeping = true;
		module:add_timer(1, sweep);
	end
	return true;
end

local our_types = { stun = true, stuns = true, turn = true, turns = true };

-- Credentials of other types, such as Jitsi's short-lived-token, are made by other
-- modules of Prosody.
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

-- Below 100, where Jitsi checks that only participants ask, and above 0, where
-- mod_external_services answers.
for _, xmlns in ipairs(xmlns_extdisco) do
	module:hook("iq-get/host/"..xmlns..":services", forward, 50);
	module:hook("iq-get/host/"..xmlns..":credentials", forward_credentials, 50);
end

---- Pools of credentials ----

-- extdisco is asked for sets. A set is all that it offers, with the credentials of
-- one requester that it makes up. The pool of a host holds sets in a ring: each
-- call of get_services() takes the next one, and those that were taken are
-- replaced as soon as extdisco has made others. Should more be taken before that,
-- they go round again: a credential that two users have is better than none.
local pools = {};
local max_sets = 64; -- that extdisco gives at once
local look_again = 60; -- seconds until extdisco is asked whether it offers something else now
local tick_soon;

local function new_pool(host)
	return { host = host, sets = {}, head = 0, ask_at = 0, look_at = 0, failures = 0 };
end

-- A credential is replaced after a quarter of its life and given out until a tenth
-- of it is left, at most ten minutes.
local function due_at(service)
	return service.expires and service.made + (service.expires - service.made) / 4 or math.huge;
end

local function is_good(service, time)
	return not service.expires or time < service.expires - math.min(600, (service.expires - service.made) / 10);
end

local function count_good(set, time)
	local count = 0;
	for _, service in ipairs(set) do
		if is_good(service, time) then count = count + 1; end
	end
	return count;
end

local function is_used_up(set, time)
	if set.taken then return true; end
	for _, service in ipairs(set) do
		if due_at(service) <= time then return true; end
	end
	return false;
end

-- Returns how many sets the pool lacks.
local function missing(pool, time)
	local count = math.max(0, pool_size - #pool.sets);
	for _, set in ipairs(pool.sets) do
		if is_used_up(set, time) then count = count + 1; end
	end
	return count;
end

-- Returns the entry at the index in the set that the present call of
-- get_services() has taken. A call asks for each index once, so that the second
-- time is the next call.
local function next_entry(pool, index)
	local following = pool.head % math.max(1, #pool.sets) + 1;
	if pool.listing then
		-- mod_external_services only tries what is in the list while that is
		-- changed. The old part of it may not be in the sets any more.
		return (pool.sets[following] or {})[index] or {};
	end
	local set = pool.current;
	if not set or set.asked[index] then
		set, pool.head = pool.sets[following], following;
		set.asked, set.taken, pool.current = {}, true, set;
		tick_soon();
	end
	set.asked[index] = true;
	return set[index];
end

local function new_item(pool, index, service)
	local item = { type = service.type, host = service.host, port = service.port, transport = service.transport };
	if service.username then
		item.restricted = true;
		item.secret = "not used"; -- credentials_cb is called only if there is one
		item.credentials_cb = function (srv)
			local entry = next_entry(pool, index);
			srv.username, srv.password, srv.expires = entry.username, entry.password, entry.expires;
		end
	end
	return item;
end

-- Returns the instance of this module that holds the list of the host.
local function instance_on(pool)
	if pool.host == module.host then return module.environment; end
	local instance = modulemanager.get_module(pool.host, module.name);
	if not instance then
		instance = modulemanager.load(pool.host, module.name);
		pool.loaded = instance ~= nil;
	end
	return instance;
end

-- Drops the sets that have lost more to age than others, and makes the list of the
-- host agree with the rest: whatever is no longer good is not in it.
local function list(pool, time)
	local most, sets = 0, {};
	for _, set in ipairs(pool.sets) do
		most = math.max(most, count_good(set, time));
	end
	for _, set in ipairs(pool.sets) do
		if count_good(set, time) == most then table.insert(sets, set); end
	end
	pool.sets, pool.head, pool.current = sets, math.min(pool.head, #sets), nil;

	local items, form = {}, { pool.form };
	for index, service in ipairs(sets[1] or {}) do
		if is_good(service, time) then
			table.insert(items, new_item(pool, index, service));
			table.insert(form, index);
		end
	end
	local instance = instance_on(pool);
	form = table.concat(form, " ");
	if not instance or instance == pool.instance and form == pool.listed then return; end
	pool.instance, pool.listed, pool.listing = instance, form, true;
	instance.set_items(items);
	pool.listing = false;
	if #items > 0 then
		module:log("info", "%s lists %d services from extdisco", pool.host, #items);
	elseif pool.form then
		module:log("warn", "%s lists no services any more: their credentials have expired, and extdisco at %s gives no others", pool.host, component);
	end
end

-- Puts new sets in place of those that are used up, beginning with the one that
-- would go round first.
local function refill(pool, sets, time)
	for step = 0, #pool.sets - 1 do
		local i = (pool.head + step) % #pool.sets + 1;
		if is_used_up(pool.sets[i], time) and #sets > 0 then
			pool.sets[i] = table.remove(sets);
		end
	end
	while #sets > 0 and #pool.sets < pool_size do
		table.insert(pool.sets, table.remove(sets));
	end
end

---- Asking extdisco ----

local function read_service(tag, time)
	local attr = tag.attr;
	return {
		type = attr.type, host = attr.host, port = tonumber(attr.port), transport = attr.transport;
		username = attr.username, password = attr.password;
		expires = attr.expires and parse_datetime(attr.expires), made = time;
	};
end

-- Reads an answer: the sets in it, and the form that they share, which is what is
-- offered without the credentials.
local function read_sets(answer, time)
	local sets, form = {}, nil;
	for services in answer:childtags("services", xmlns_extdisco[1]) do
		local set, parts = {}, {};
		for tag in services:childtags("service") do
			local service = read_service(tag, time);
			if service.username and service.password or service.type ~= "turn" and service.type ~= "turns" then
				table.insert(set, service);
				table.insert(parts, table.concat({ service.type, service.host, tostring(service.port),
					tostring(service.transport), tostring(service.username ~= nil) }, " "));
			end
		end
		parts = table.concat(parts, ", ");
		form = form or parts;
		if parts == form then table.insert(sets, set); end
	end
	return sets, form;
end

local function accept(pool, answer)
	local time = now();
	local sets, form = read_sets(answer, time);
	if #sets == 0 then return false; end
	if form ~= pool.form then
		pool.sets, pool.head = {}, 0;
	end
	pool.form = form;
	refill(pool, sets, time);
	list(pool, time);
	return true;
end

local cures = {
	["forbidden"] = "it does not trust this host; in extdisco's config.toml, below [component], add %q to hosts, and reload extdisco";
	["service-unavailable"] = "it does not know what %q wants; install the same version of extdisco and of this module";
};

local function failed(pool, condition, text)
	pool.failures = pool.failures + 1;
	pool.ask_at = now() + math.min(30, 2 ^ (pool.failures - 1));
	local reason = cures[condition] and cures[condition]:format(module.host) or (text or condition).." (see its log)";
	local level = reason == pool.told and "debug" or cures[condition] and "error" or "warn";
	pool.told = reason;
	module:log(level, "extdisco at %s gives no credentials for the list of %s: %s", component, pool.host, reason);
end

local function answered(pool, answer)
	pool.asking = false;
	if answer.attr.type == "error" then
		local _, condition, text = answer:get_error();
		return failed(pool, condition, text);
	end
	local sets = answer:get_child("feed", xmlns_feed);
	if not sets or not accept(pool, sets) then
		return failed(pool, "undefined-condition", "its answer holds no services");
	end
	if pool.told then
		module:log("info", "extdisco at %s gives credentials for the list of %s again", component, pool.host);
	end
	pool.failures, pool.told, pool.look_at = 0, nil, now() + look_again;
	if missing(pool, now()) > 0 then tick_soon(); end
end

local function ask(pool, count)
	pool.asking = true;
	local iq = st.iq({ type = "get", from = module.host, to = component, id = new_id() })
		:tag("feed", { xmlns = xmlns_feed, count = tostring(count) });
	module:send_iq(iq, nil, timeout):next(function (event)
		answered(pool, event.stanza);
	end, function (err)
		pool.asking = false;
		failed(pool, err.condition, err.text);
	end);
end

-- Looks after all pools. It runs every second, and as soon as something was taken.
local function tick()
	local time = now();
	for host, pool in pairs(pools) do
		if hosts[host] then
			list(pool, time);
			local count = missing(pool, time);
			if link and not pool.asking and time >= pool.ask_at and (count > 0 or time >= pool.look_at) then
				ask(pool, math.max(1, math.min(count, max_sets)));
			end
		end
	end
end

local tick_scheduled = false;
function tick_soon()
	if tick_scheduled then return; end
	tick_scheduled = true;
	module:add_timer(0, function ()
		tick_scheduled = false;
		tick();
	end);
end

module:add_timer(1, function ()
	tick();
	return 1;
end);

---- The component ----

local function on_connected(event)
	module:log("info", "extdisco is connected as %s and answers for %s", component, module.host);
	module:set_status("info", "extdisco is connected");
	link = event.session;
	for _, pool in pairs(pools) do
		pool.ask_at, pool.look_at = 0, 0;
	end
	tick_soon();
end

local function on_disconnected(event)
	if not link or event.session ~= link then return; end -- one that was not let in, or was replaced
	module:log("info", "extdisco at %s has disconnected; requests are refused until it is back, and the lists keep what they have", component);
	module:set_status("warn", "extdisco is not connected");
	link = nil;
	refuse_pending("The relay service has disconnected");
end

local function meet_component()
	local context = module:context(component);
	context:hook("component-authenticated", on_connected);
	context:hook("component-disconnected", on_disconnected);
	local instance = modulemanager.get_module(component, "component");
	if instance and instance.session then on_connected({ session = instance.session }); end
end

local function add_pool(host)
	pools[host] = pools[host] or new_pool(host);
end

module:hook_global("host-activated", function (host)
	if host == component then
		meet_component();
	elseif pools[host] then
		pools[host].instance = nil;
		tick_soon();
	end
end);

module:hook_global("host-deactivated", function (host)
	watched[host] = nil;
	if host == component then -- or requests would go out to other servers
		on_disconnected({ session = link });
	end
end);

---- What is wrong with the configuration ----

local function warn_of_leftovers(host)
	local context = module:context(host);
	for _, name in ipairs { "external_service_secret", "external_services", "turn_external_secret" } do
		if context:get_option(name) ~= nil then
			module:log("warn", "%s is still set for %s, so that its list holds what that says besides what extdisco offers; take it out", name, host);
		end
	end
end

-- Everything that an administrator has to change, once all hosts are there.
local function check()
	if not hosts[component] then
		module:log("error", "extdisco_component = %q names no component of this server; correct it, or add: Component %q component_secret = \"...\", "
			.."with the secret that secret_file in extdisco's config.toml names", component, component);
	elseif not modulemanager.get_module(component, "component") then
		module:log("error", "extdisco_component = %q is not an external component; write Component %q without a module's name behind it", component, component);
	elseif not link then
		module:log("warn", "extdisco is not connected as %s; start it with jid = %q and the address of this server in its config.toml, and see its log",
			component, component);
	end
	for host in pairs(pools) do
		if not hosts[host] and named_feed_hosts then
			module:log("error", "extdisco_feed_hosts names %q, which is no host of this server; correct it", host);
		elseif hosts[host] then
			warn_of_leftovers(host);
		end
	end
	if (module:get_option("delegations") or {})[xmlns_extdisco[1]] then
		module:log("warn", "requests on %s are delegated too, which comes first and takes Jitsi's own requests as well; "
			.."take %q and %q out of delegations", module.host, xmlns_extdisco[1], xmlns_extdisco[2]);
	end
end

---- Loading and unloading ----

add_pool(module.host);
for _, host in ipairs(named_feed_hosts or { "metadata."..module.host }) do
	add_pool(host);
end
if hosts[component] then meet_component(); end
module:add_timer(0, check);

-- A reload keeps the pools, so that no list is empty in between.
function module.save()
	return { pools = pools };
end

function module.restore(saved)
	for host, pool in pairs(saved.pools or {}) do
		if pools[host] then
			local own = pools[host];
			own.sets, own.head, own.form, own.loaded = pool.sets, pool.head, pool.form, pool.loaded;
			if hosts[host] then list(own, now()); end
		elseif pool.loaded then
			modulemanager.unload(host, module.name);
		end
	end
end

function module.unload()
	refuse_pending("The relay service is being taken out of service");
	for host, pool in pairs(pools) do
		if pool.loaded and not module.reloading then
			modulemanager.unload(host, module.name);
		end
	end
end
