-- Push (XEP-0215 §3.2): a client that has asked for the services is told of those that
-- have come, changed or gone since.

local st = require "util.stanza";
local new_uuid = require "util.uuid".generate;
local services = module:require "services";
local datetime = require "util.datetime".datetime;

local function by_key(set)
	local found = {};
	for _, service in ipairs(set) do
		found[services.key(service)] = service;
	end
	return found;
end

-- Returns the services of to that are not in from, or there with another credential, and
-- those of from that are gone. Each has an action.
local function changes(from, to)
	local before, after, list = by_key(from), by_key(to), {};
	for _, service in ipairs(to) do
		local old = before[services.key(service)];
		if not old then
			table.insert(list, { action = "add", service = service });
		elseif old.username ~= service.username or old.password ~= service.password then
			table.insert(list, { action = "modify", service = service });
		end
	end
	for _, service in ipairs(from) do
		if not after[services.key(service)] then
			table.insert(list, { action = "delete", service = service });
		end
	end
	return list;
end

local function attributes(change)
	local service = change.service;
	local attr = { action = change.action, type = service.type, host = service.host, transport = service.transport };
	attr.port = service.port and ("%d"):format(service.port);
	if change.action ~= "delete" then
		attr.username, attr.password = service.username, service.password;
		attr.restricted = service.username and "true" or nil;
		attr.expires = service.expires and datetime(service.expires);
	end
	return attr;
end

-- Returns what pushes to the clients in sessions.
local function new(sessions)
	local push = {};
	local prefix = "extdisco-push-"..new_uuid().."-";
	local last_id = 0;

	-- Takes note of what a client has been told, when it asked this host in this namespace.
	function push.told(record, host, xmlns)
		record.told = record.set;
		if record.told_by ~= host then record.quiet = nil; end
		record.told_by, record.xmlns = host, xmlns;
	end

	-- Tells a client what has changed since.
	function push.send(record)
		if not record.told or record.quiet or not prosody.hosts[record.told_by] then return; end
		local set = record.set or {}; -- none for a user whom extdisco does not serve any more
		local list = changes(record.told, set);
		record.told = set;
		if #list == 0 then return; end
		last_id = last_id + 1;
		local iq = st.iq({ type = "set", from = record.told_by, to = record.jid, id = prefix..last_id })
			:tag("services", { xmlns = record.xmlns });
		for _, change in ipairs(list) do
			iq:tag("service", attributes(change)):up();
		end
		module:context(record.told_by):send(iq);
	end

	-- A client that answers with an error is told nothing more. Its answers are nobody
	-- else's business.
	function push.on_iq(event)
		local attr = event.stanza.attr;
		if attr.type ~= "error" and attr.type ~= "result" then return; end
		if not attr.id or attr.id:sub(1, #prefix) ~= prefix then return; end
		local record = sessions.get(attr.from);
		if record and attr.type == "error" then record.quiet = true; end
		return true;
	end

	function push.save() return { prefix = prefix, last_id = last_id }; end
	function push.restore(saved) prefix, last_id = saved.prefix, saved.last_id; end

	return push;
end

return new;
