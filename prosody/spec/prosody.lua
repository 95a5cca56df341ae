-- A Prosody of its own for the specs: the part of the module API that
-- mod_extdisco_bridge uses, a clock that is set by hand, and get_services() as
-- mod_external_services has it. The stanzas are Prosody's own.

local st = require "util.stanza";
local parse_xml = require "util.xml".parse;

local Prosody = {};
Prosody.__index = Prosody;

local file = "mod_extdisco_bridge.lua";

-- Returns a server with these hosts, a table of name to type: "local" or "component".
function Prosody.new(hosts)
	local self = setmetatable({ clock = 1000000, hosts = {}, modules = {}, timers = {}, sent = {}, asked = {}, logged = {}, global = {} }, Prosody);
	for name, kind in pairs(hosts) do
		self.hosts[name] = { type = kind, handlers = {} };
		self.modules[name] = {};
	end
	package.loaded["util.time"] = { now = function () return self.clock; end };
	package.loaded["core.modulemanager"] = {
		get_module = function (host, name) return self.modules[host] and self.modules[host][name]; end;
		load = function (host, name) return self:load(host, name); end;
		unload = function (host, name) return self:unload(host, name); end;
	};
	return self;
end

local api = {};
api.__index = api;

function api:get_host_type() return self.server.hosts[self.host].type; end
function api:get_option(name) return self.server.options and self.server.options[name]; end
function api:get_option_string(name) return self:get_option(name); end
function api:get_option_number(name, default)
	local value = self:get_option(name);
	if value == nil then return default; end
	return tonumber(value);
end
function api:get_option_array(name) return self:get_option(name); end
function api:set_status(level, text) self.server.status = { level, text }; end
function api:log(level, format, ...)
	table.insert(self.server.logged, level..": "..format:format(...));
end
function api:depends(name)
	if self.server.disabled == name then error("Dependency on disabled module mod_"..name); end
end
function api:context(host) return setmetatable({ host = host }, { __index = self }); end
function api:hook(event, handler)
	local handlers = self.server.hosts[self.host].handlers;
	handlers[event] = handlers[event] or {};
	table.insert(handlers[event], handler);
end
function api:hook_global(event, handler) self.server.global[event] = handler; end
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
function api:send_iq(stanza)
	local question = { stanza = stanza };
	table.insert(self.server.asked, question);
	return { next = function (_, resolved, rejected)
		question.answer, question.fail = resolved, rejected;
	end };
end

-- Returns the session of an external component. What is sent to it is text.
function Prosody:new_link(session_type)
	return { type = session_type, send = function (text)
		assert(type(text) == "string");
		table.insert(self.sent, { text = text, stanza = assert(parse_xml(text)) });
	end };
end

-- Loads the module on a host and returns its environment.
function Prosody:load(host, name, options)
	if options then self.options = options; end
	local module = setmetatable({ host = host, name = name, items = {}, server = self, environment = {}, _log = print }, api);
	local env = setmetatable({ module = module, prosody = { hosts = self.hosts } }, { __index = _G });
	self.modules[host][name] = setmetatable({ module = module }, { __index = module.environment });
	assert(loadfile(file, "t", env))();
	return self.modules[host][name];
end

function Prosody:unload(host, name)
	local instance = self.modules[host][name];
	if instance.module.unload then instance.module.unload(); end
	instance.module.unloaded, instance.module.items = true, {};
	self.modules[host][name] = nil;
end

-- Does what modulemanager.reload does.
function Prosody:reload(host, name)
	local instance = self.modules[host][name];
	local saved = instance.module.save();
	instance.module.reloading = true;
	self:unload(host, name);
	self:load(host, name).module.restore(saved);
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

-- Fires an event of a host and returns what the first handler that says something says.
function Prosody:fire(host, event, data)
	for _, handler in ipairs(self.hosts[host].handlers[event] or {}) do
		local result = handler(data);
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
