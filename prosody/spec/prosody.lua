-- A Prosody of its own for the specs: the part of the module API that
-- mod_extdisco_bridge uses, a clock that is set by hand, and get_services() as
-- mod_external_services has it. The stanzas are Prosody's own.

local st = require "util.stanza";
local parse_xml = require "util.xml".parse;

local Prosody = {};
Prosody.__index = Prosody;

local folder = "mod_extdisco_bridge/";
local xmlns_feed = "extdisco:feed:1";

-- Returns a server with these hosts, a table of name to type: "local" or "component".
function Prosody.new(hosts)
	local self = setmetatable({ clock = 1000000, hosts = {}, modules = {}, timers = {}, sent = {}, asked = {}, logged = {},
		global = {}, full_sessions = {}, host_options = {} }, Prosody);
	for name, kind in pairs(hosts) do
		self:activate(name, kind);
	end
	package.loaded["util.time"] = { now = function () return self.clock; end };
	package.loaded["core.modulemanager"] = {
		get_module = function (host, name) return self.modules[host] and self.modules[host][name]; end;
		get_modules = function (host) return self.modules[host]; end;
		load = function (host, name) return self:load(host, name); end;
		unload = function (host, name) return self:unload(host, name); end;
	};
	return self;
end

function Prosody:activate(name, kind)
	self.modules[name] = {};
	self.hosts[name] = { type = kind, handlers = {}, modules = self.modules[name] };
end

local api = {};
api.__index = api;

function api:get_host_type() return self.server.hosts[self.host].type; end
function api:get_option(name)
	local own = self.server.host_options[self.host];
	if own and own[name] ~= nil then return own[name]; end
	return self.server.options and self.server.options[name];
end
function api:get_option_string(name) return self:get_option(name); end
function api:get_option_number(name, default)
	local value = self:get_option(name);
	if value == nil then return default; end
	return tonumber(value);
end
function api:get_option_boolean(name, default)
	local value = self:get_option(name);
	if value == nil then return default; end
	return value;
end
function api:get_option_array(name)
	local value = self:get_option(name);
	return type(value) == "string" and { value } or value;
end
function api:set_status(level, text)
	assert(level ~= "error", "a status of error fails the health check of Prosody");
	self.server.status = { level, text };
end
function api:log(level, format, ...)
	table.insert(self.server.logged, level..": "..format:format(...));
end
function api:depends(name)
	if self.server.disabled == name then error("Dependency on disabled module mod_"..name); end
	self.dependencies = { [name] = true };
end
function api:require(lib)
	return assert(loadfile(folder..lib..".lib.lua", "t", self.environment))();
end
function api:context(host) return setmetatable({ host = host }, { __index = self }); end

-- Adds a handler, below all of the same or a higher priority.
local function add_handler(handlers, event, handler, priority)
	local list = handlers[event] or {};
	handlers[event] = list;
	local i = 1;
	while list[i] and list[i].priority >= priority do i = i + 1; end
	table.insert(list, i, { call = handler, priority = priority });
end
function api:hook_object(handlers, event, handler, priority)
	add_handler(handlers, event, handler, priority or 0);
	table.insert(self.hooked, { { remove_handler = function (_, old)
		for i = #handlers[event], 1, -1 do
			if handlers[event][i].call == old then table.remove(handlers[event], i); end
		end
	end }, event, handler });
end
function api:hook(event, handler, priority)
	self:hook_object(self.server.hosts[self.host].handlers, event, handler, priority);
end
function api:hook_global(event, handler) self:hook_object(self.server.global, event, handler); end

-- Prosody has a multitable here.
local event_handlers = {};
event_handlers.__index = event_handlers;
function event_handlers:iter()
	local i = 0;
	return function ()
		i = i + 1;
		if self.hooked[i] then return table.unpack(self.hooked[i]); end
	end
end

function api:add_item(_, item)
	table.insert(self.items, item);
	Prosody.prepare(item); -- mod_external_services tries what is added
end
function api:remove_item(_, item)
	for i = #self.items, 1, -1 do
		if self.items[i] == item then table.remove(self.items, i); end
	end
	for _, other in ipairs(self.items) do Prosody.prepare(other); end -- and all that is left
end
function api:add_timer(delay, callback)
	table.insert(self.server.timers, { at = self.server.clock + delay, callback = callback, module = self });
end
function api:send(stanza)
	table.insert(self.server.sent, { stanza = st.clone(stanza) });
end

-- Returns the session of an external component. What is sent to it is text. Requests for
-- the feed go to asked, and all else to sent.
function Prosody:new_link(session_type)
	local link = { type = session_type };
	function link.send(text)
		assert(type(text) == "string");
		local stanza = assert(parse_xml(text));
		local payload = stanza.tags[1].attr.xmlns;
		if payload ~= xmlns_feed then
			table.insert(self.sent, { text = text, stanza = stanza });
			return;
		end
		table.insert(self.asked, { stanza = stanza,
			answer = function (reply) self:arrive(reply, link); end,
			fail = function (condition, words) self:arrive(st.error_reply(stanza, "wait", condition, words), link); end });
	end
	return link;
end

-- Brings a stanza to the host that it is for, as Prosody's routing does. Returns whether
-- it went no further.
function Prosody:arrive(stanza, origin)
	local host = stanza.attr.to:match("@([^/]*)") or stanza.attr.to;
	return self:fire(host, stanza.attr.to:find("@") and "iq/full" or "iq/host", { stanza = stanza, origin = origin });
end

-- Logs a user in.
function Prosody:bind(jid)
	local session = { type = "c2s", full_jid = jid, host = jid:match("@([^/]*)") };
	self.full_sessions[jid] = session;
	self:fire(session.host, "resource-bind", { session = session });
	return session;
end

function Prosody:unbind(jid)
	local session = self.full_sessions[jid];
	self.full_sessions[jid] = nil;
	self:fire(session.host, "resource-unbind", { session = session });
end

-- Loads the module on a host and returns its environment.
function Prosody:load(host, name, options, reloading)
	if options then self.options = options; end
	local module = setmetatable({ host = host, name = name, items = {}, server = self, _log = print, hooked = {}, reloading = reloading }, api);
	module.event_handlers = setmetatable({ hooked = module.hooked }, event_handlers);
	local env = setmetatable({ module = module, prosody = { hosts = self.hosts, full_sessions = self.full_sessions } }, { __index = _G });
	module.environment = env;
	self.modules[host][name] = env;
	if name ~= "extdisco_bridge" then return env; end
	assert(loadfile(folder.."mod_extdisco_bridge.lua", "t", env))();
	module.reloading = nil;
	return env;
end

function Prosody:unload(host, name)
	local instance = self.modules[host][name];
	if not instance then return; end
	if rawget(instance.module, "unload") then instance.module.unload(); end
	for object, event, handler in instance.module.event_handlers:iter() do
		object.remove_handler(event, handler);
	end
	instance.module.unloaded, instance.module.items = true, {};
	self.modules[host][name] = nil;
end

-- Does what modulemanager.reload does.
function Prosody:reload(host, name)
	local instance = self.modules[host][name];
	local saved = instance.module.save();
	instance.module.reloading = true;
	self:unload(host, name);
	self:load(host, name, nil, true).module.restore(saved);
end

-- Lets time pass and timers run.
function Prosody:pass(seconds)
	local until_time = self.clock + seconds;
	while true do
		local first, index;
		for i, timer in ipairs(self.timers) do
			if timer.at <= until_time and (not first or timer.at < first.at) then first, index = timer, i; end
		end
		if not first then break; end
		table.remove(self.timers, index);
		self.clock = math.max(self.clock, first.at);
		if not first.module.unloaded then
			local again = first.callback();
			if again then
				first.at = self.clock + again;
				table.insert(self.timers, first);
			end
		end
	end
	self.clock = until_time;
end

-- Fires an event of a host, or without one of the server, and returns what the first handler that says something says.
function Prosody:fire(host, event, data)
	local handlers = host and self.hosts[host].handlers or self.global;
	for _, handler in ipairs({ table.unpack(handlers[event] or {}) }) do
		local result = handler.call(data);
		if result ~= nil then return result; end
	end
end

function Prosody.prepare(item)
	local srv = { type = item.type, host = item.host, port = item.port, transport = item.transport, restricted = item.restricted };
	if type(item.secret) == "string" and item.credentials_cb then item.credentials_cb(srv, item, item.secret); end
	return srv;
end

-- Returns what get_services() of the host returns.
function Prosody:get_services(host)
	local services = {};
	local instance = self.modules[host].extdisco_bridge;
	for _, item in ipairs(instance and instance.module.items or {}) do
		table.insert(services, Prosody.prepare(item));
	end
	return services;
end

return Prosody;
