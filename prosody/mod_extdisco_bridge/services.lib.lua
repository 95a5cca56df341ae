-- Lists of services (XEP-0215): reading them, and how they age.
--
-- A set is all that extdisco offers to one requester, in its order. Its services with
-- a username and a password are relays; the others need no credential.

local parse_datetime = require "util.datetime".parse;

-- Many credentials in a row end in the same second, and reading the time is slow.
local last_text, last_time;
local function read_time(text)
	if text ~= last_text then
		last_text, last_time = text, parse_datetime(text);
	end
	return last_time;
end

local services = {};

local function is_relay(service_type)
	return service_type == "turn" or service_type == "turns";
end

local function read_service(tag, time)
	local attr = tag.attr;
	return {
		type = attr.type, host = attr.host, port = tonumber(attr.port), transport = attr.transport;
		username = attr.username, password = attr.password;
		expires = attr.expires and read_time(attr.expires), made = time;
	};
end

function services.key(service)
	return table.concat({ service.type, service.host, tostring(service.port), tostring(service.transport) }, " ");
end

-- Reads <services/>, without relays that have no credential.
function services.read(element, time)
	local set = {};
	for _, tag in ipairs(element.tags) do
		local attr = tag.attr;
		if tag.name == "service" and attr.type and attr.host and (attr.username and attr.password or not is_relay(attr.type)) then
			set[#set + 1] = read_service(tag, time);
		end
	end
	return set;
end

-- Whether a credential can still be given out: until a tenth of its life is left, at
-- most ten minutes.
function services.is_good(service, time)
	return not service.expires or time < service.expires - math.min(600, (service.expires - service.made) / 10);
end

function services.count_bad(set, time)
	local count = 0;
	for _, service in ipairs(set) do
		if not services.is_good(service, time) then count = count + 1; end
	end
	return count;
end

-- Returns how many relays of a set are good.
function services.count_relays(set, time)
	local count = 0;
	for _, service in ipairs(set) do
		if service.username and services.is_good(service, time) then count = count + 1; end
	end
	return count;
end

-- Returns when the first credential of a set has lived for this part of its life.
function services.due_at(set, part)
	local due = math.huge;
	for _, service in ipairs(set) do
		if service.expires then
			due = math.min(due, service.made + (service.expires - service.made) * part);
		end
	end
	return due;
end

-- Returns the relay with this number of those that are good, or without a time of all; or the
-- last one, and that it is one too many, where there are fewer.
function services.relay(set, number, time)
	local found;
	for _, service in ipairs(set) do
		if service.username and (not time or services.is_good(service, time)) then
			found, number = service, number - 1;
			if number == 0 then return found, false; end
		end
	end
	return found, true;
end

return services;
