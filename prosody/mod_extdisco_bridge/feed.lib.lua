-- Credentials for whoever calls get_services() and names no user.
--
-- get_services() cannot wait. So a pool holds sets of services ready for each list,
-- each made for a requester that nobody is. A call takes the next set, and those that
-- were taken are replaced as soon as extdisco has made others. Should more be taken
-- before that, they go round again: a credential that two users have is better than
-- none.
--
-- Not everybody need be offered the same relays, nor as many. A list has the order of one set
-- and room for as many relays as anybody is offered; what is left of it is filled with the
-- last one as a STUN server.

local modulemanager = require "core.modulemanager";
local services = module:require "services";

local xmlns_feed = "extdisco:feed:1"; -- docs/bridge.md of extdisco
local xmlns_extdisco = "urn:xmpp:extdisco:2";
local max_sets = 64; -- that extdisco gives at once
local look_again = 5; -- seconds until extdisco is asked whether anything has changed

local cures = {
	["forbidden"] = "it does not trust this host; in extdisco's config.toml, below [component], add %q to hosts, and reload extdisco";
	["service-unavailable"] = "it does not know what %q wants; install the same version of extdisco and of this module";
};

local function is_used_up(set, time)
	return set.taken or set.stale or services.due_at(set, 1/4) <= time;
end

-- Returns what fills lists. Requests are sent through requests. origins is told whether
-- extdisco wants to know where users come from. sessions knows whom the
-- present call of get_services() is for, and is told when a mark changes: the mark of
-- an answer stands for all that it was made from.
local function new(component, size, requests, origins, sessions, now)
	local feed = {};
	local pools = {}; -- by host
	local marks = {}; -- by the host in whose name was asked
	local tick_scheduled = false;
	local tick_soon;

	-- host has the list; owner is the host in whose name extdisco is asked.
	function feed.add(host, owner)
		pools[host] = pools[host] or { host = host, owner = owner, sets = {}, order = {}, most_relays = 0, head = 0, ask_at = 0, look_at = 0, failures = 0 };
	end

	-- Returns how many sets the pool lacks.
	local function missing(pool, time)
		local count = math.max(0, size - #pool.sets);
		for _, set in ipairs(pool.sets) do
			if is_used_up(set, time) then count = count + 1; end
		end
		return count;
	end

	-- Returns the set that the present call of get_services() has taken. A call asks for
	-- each number once, so that the second time is the next call.
	local function next_set(pool, number)
		local following = pool.head % math.max(1, #pool.sets) + 1;
		local set = pool.current;
		if not set or set.asked[number] then
			set, pool.head = pool.sets[following], following;
			if not set then return {}; end
			set.asked, set.taken, pool.current = {}, true, set;
			tick_soon();
		end
		set.asked[number] = true;
		return set;
	end

	local function as_stun(srv)
		if srv.type == "turns" then
			srv.type = "stuns";
		else
			srv.type, srv.transport = "stun", "udp"; -- browsers refuse a STUN URL with a transport
		end
	end

	-- Makes the entry of the item for the relay with this number.
	local function fill(srv, pool, number)
		if pool.listing then return; end -- mod_external_services only tries the item
		local session = sessions.reading();
		if session and session.denied then
			-- Whoever may have no credential can use a relay as a STUN server.
			return as_stun(srv);
		end
		local service, too_many;
		if session then service, too_many = sessions.relay(session, number); end
		if not service then
			local set = next_set(pool, number);
			service, too_many = services.relay(set, number, now());
			if not service then service, too_many = services.relay(set, number); end -- not good any more since the list was made
		end
		if not service then return; end
		srv.type, srv.host, srv.port, srv.transport = service.type, service.host, service.port, service.transport;
		if too_many then return as_stun(srv); end
		srv.username, srv.password, srv.expires = service.username, service.password, service.expires;
	end

	local function new_item(pool, service, number)
		local item = { type = service.type, host = service.host, port = service.port, transport = service.transport };
		if service.username then
			item.restricted = true;
			item.secret = "not used"; -- credentials_cb is called only if there is one
			item.credentials_cb = function (srv) fill(srv, pool, number); end
		end
		return item;
	end

	-- Returns the instance of this module on the host that has the list.
	local function instance_on(pool)
		local instance = modulemanager.get_module(pool.host, module.name);
		if not instance then
			instance = modulemanager.load(pool.host, module.name);
			pool.loaded = instance ~= nil;
		end
		if instance then instance.filled_by = module.host; end
		return instance;
	end

	-- Returns the items for the services of the sets that are still good, what tells them
	-- from others, and whether there is a relay among them.
	local function items_for(pool, time)
		local items, form, relays, largest = {}, {}, 0, nil;
		for _, set in ipairs(pool.sets) do
			local count = services.count_relays(set, time);
			if count > relays then largest, relays = set, count; end
		end
		if largest then relays = math.max(relays, pool.most_relays); end
		local number = 0;
		local function add_relay()
			number = number + 1;
			table.insert(items, new_item(pool, services.relay(largest, number, time), number));
			table.insert(form, "relay");
		end
		for _, service in ipairs(pool.order) do
			if not service.username then
				table.insert(items, new_item(pool, service));
				table.insert(form, services.key(service));
			elseif number < relays then
				add_relay();
			end
		end
		while number < relays do add_relay(); end
		return items, table.concat(form, ", "), relays > 0;
	end

	-- Drops the sets that have lost more to age than others, and makes the list agree
	-- with the rest: whatever is no longer good is not in it.
	local function list(pool, time)
		local least, sets = math.huge, {};
		for _, set in ipairs(pool.sets) do
			least = math.min(least, services.count_bad(set, time));
		end
		for _, set in ipairs(pool.sets) do
			if services.count_bad(set, time) == least then table.insert(sets, set); end
		end
		pool.sets, pool.head, pool.current = sets, math.min(pool.head, #sets), nil;

		local items, form, has_relay = items_for(pool, time);
		local instance = instance_on(pool);
		if not instance or instance == pool.instance and form == pool.listed then return; end
		pool.instance, pool.listed, pool.listing = instance, form, true;
		instance.set_items(items);
		pool.listing = false;
		if pool.had_relay and not has_relay then
			module:log("warn", "%s lists no TURN server any more, and %d other services: extdisco at %s has given no credentials in time, or offers none; see its log",
				pool.host, #items, component);
		elseif #items > 0 then
			module:log("info", "%s lists %d services from extdisco", pool.host, #items);
		end
		pool.had_relay = has_relay;
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
		while #sets > 0 and #pool.sets < size do
			table.insert(pool.sets, table.remove(sets));
		end
	end

	-- Takes note of the mark of an answer. With another one than before, everything that
	-- was asked for in the name of this host is to be replaced.
	local function see_mark(owner, mark)
		local before = marks[owner];
		marks[owner] = mark;
		if not before or before == mark then return; end
		module:log("info", "What extdisco at %s gives to %s has changed; credentials that are kept here are replaced", component, owner);
		for _, pool in pairs(pools) do
			if pool.owner == owner then
				pool.ask_at = 0;
				for _, set in ipairs(pool.sets) do set.stale = true; end
			end
		end
		sessions.make_stale();
		tick_soon();
	end

	-- Whether the sets of the pool are what extdisco offers still, and all of it is good.
	local function is_current(pool, time)
		for _, set in ipairs(pool.sets) do
			if set.stale or services.count_bad(set, time) > 0 then return false; end
		end
		return #pool.sets > 0;
	end

	-- Takes the sets of an answer and returns how many there were, and how many could be
	-- used: one without a relay cannot where others have some.
	local function accept(pool, answer)
		local time = now();
		local keeps = is_current(pool, time);
		local with, without = {}, {};
		for element in answer:childtags("services", xmlns_extdisco) do
			local set = services.read(element, time);
			table.insert(services.count_relays(set, time) > 0 and with or without, set);
		end
		local sets = (#with > 0 or keeps and pool.had_relay) and with or without;
		local count, used = #with + #without, #sets;
		if used > 0 then
			if not keeps then pool.sets, pool.head, pool.order = {}, 0, sets[1]; end
			refill(pool, sets, time);
			list(pool, time);
		end
		return count, used;
	end

	local function failed(pool, condition, text)
		pool.asking = false;
		if not requests.is_connected() then return; end -- which is in the log already
		pool.failures = pool.failures + 1;
		pool.ask_at = now() + math.min(30, 2 ^ (pool.failures - 1));
		local reason = cures[condition] and cures[condition]:format(pool.owner) or (text or condition).." (see its log)";
		local level = reason == pool.told and "debug" or cures[condition] and "error" or "warn";
		pool.told = reason;
		module:log(level, "extdisco at %s gives no credentials for the list of %s: %s", component, pool.host, reason);
	end

	local function answered(pool, count, answer)
		pool.asking = false;
		if answer.attr.type == "error" then
			local _, condition, text = answer:get_error();
			return failed(pool, condition, text);
		end
		local sets = answer:get_child("feed", xmlns_feed);
		if not sets then return failed(pool, "undefined-condition", "its answer holds no services"); end
		pool.most_relays = tonumber(sets.attr.relays) or 0;
		if origins.want(sets.attr.addresses == "true") then sessions.make_stale(); end
		see_mark(pool.owner, sets.attr.mark);
		local given, used = accept(pool, sets);
		if given == 0 and count > 0 then
			return failed(pool, "undefined-condition", "its answer holds no services");
		end
		pool.ask_at = used < count and now() + 1 or 0;
		if pool.told then
			module:log("info", "extdisco at %s gives credentials for the list of %s again", component, pool.host);
		end
		pool.failures, pool.told, pool.look_at = 0, nil, now() + look_again;
		if missing(pool, now()) > 0 then tick_soon(); end
	end

	-- Asks for so many sets; for none, whether the mark is still the same.
	local function ask(pool, count)
		pool.asking = true;
		requests.watch(pool.owner);
		requests.send({
			from = pool.owner;
			answered = function (answer)
				answered(pool, count, answer);
				return true;
			end;
			failed = function (condition, text) failed(pool, condition, text); end;
		}, ("<feed xmlns='%s' count='%d'/>"):format(xmlns_feed, count));
	end

	-- Looks after all pools. It runs every second, and as soon as something was taken.
	function feed.tick()
		local time = now();
		for host, pool in pairs(pools) do
			if prosody.hosts[host] and prosody.hosts[pool.owner] then
				list(pool, time);
				local count = math.min(missing(pool, time), max_sets);
				if requests.is_connected() and not pool.asking and time >= pool.ask_at and (count > 0 or time >= pool.look_at) then
					ask(pool, count);
				end
			end
		end
	end

	function tick_soon()
		if tick_scheduled then return; end
		tick_scheduled = true;
		module:add_timer(0, function ()
			tick_scheduled = false;
			feed.tick();
		end);
	end
	feed.tick_soon = tick_soon;

	-- After a pause extdisco is asked at once whether anything has changed.
	function feed.connected()
		for _, pool in pairs(pools) do
			pool.ask_at, pool.look_at = 0, 0;
		end
		tick_soon();
	end

	-- A host that was taken away and comes back has another instance of the module.
	function feed.host_activated(host)
		if pools[host] then pools[host].instance = nil; end
		tick_soon();
	end

	function feed.hosts()
		return pairs(pools);
	end

	-- A reload keeps the pools, so that no list is empty in between.
	function feed.save()
		return { pools = pools, marks = marks };
	end

	function feed.restore(saved)
		marks = saved.marks;
		for host, pool in pairs(saved.pools) do
			local own = pools[host];
			if own then
				own.sets, own.order, own.most_relays, own.head = pool.sets, pool.order, pool.most_relays, pool.head;
				own.loaded, own.had_relay = pool.loaded, pool.had_relay;
				if prosody.hosts[host] then list(own, now()); end
			elseif pool.loaded then
				modulemanager.unload(host, module.name);
			end
		end
	end

	-- Takes the lists away, and the instances that were loaded for them.
	function feed.close()
		for host, pool in pairs(pools) do
			local instance = modulemanager.get_module(host, module.name);
			if pool.loaded then
				modulemanager.unload(host, module.name);
			elseif instance then
				instance.set_items({});
				instance.filled_by = false;
			end
		end
	end

	return feed;
end

return new;
