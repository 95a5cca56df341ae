-- A set of services for each session: what extdisco gives to that user. It comes with
-- the answer to the user's own request, or is asked for in the user's name when the
-- session is bound to its resource. Before half of its life is over, or when extdisco's
-- offer has changed, it is replaced. It is dropped with the session.

local services = module:require "services";

local xmlns_extdisco = "urn:xmpp:extdisco:2";
local max_asking = 32; -- requests of our own that wait at a time
local max_renewed = 100; -- sets replaced in a second
local renew_after = 0.45; -- of the life of a credential

-- Returns what keeps the sets. Each record in it has the user's full JID, its host, its
-- set, and what told_of and rooms are for in push.lib.lua and jitsi.lib.lua.
local function new(requests, now)
	local sessions = {};
	local records = {}; -- by full JID
	local generation = 0; -- goes up when all sets are to be replaced
	local queue, first, last = {}, 1, 0; -- records that are to be asked for
	local asking = 0;
	local scan_at = 0;
	local reading; -- the record for which get_services() is being called

	-- Is called with a record whose set has been replaced; the main file sets it.
	sessions.on_renewed = function () end;

	function sessions.get(jid)
		return records[jid];
	end

	local function add(jid, host)
		local record = records[jid];
		if not record then
			record = { jid = jid, host = host, ask_at = 0, failures = 0, rooms = {}, generation = generation };
			records[jid] = record;
		end
		return record;
	end

	function sessions.drop(jid)
		records[jid] = nil;
	end

	local function use(record, set, asked_in)
		record.set, record.denied, record.failures = set, nil, 0;
		record.generation = asked_in;
		record.due_at = services.due_at(set, renew_after);
		scan_at = math.min(scan_at, record.due_at);
	end

	local pump;

	local function failed(record, condition)
		record.failures = record.failures + 1;
		record.ask_at = now() + math.min(60, 2 ^ record.failures);
		if condition == "forbidden" then -- extdisco does not serve this user, until its mark says otherwise
			local served = not record.denied;
			record.set, record.denied, record.ask_at, record.generation = nil, true, math.huge, generation;
			if served then sessions.on_renewed(record); end
		end
		scan_at = math.min(scan_at, record.ask_at);
	end

	local function answered(record, asked_in, answer)
		local element = answer.attr.type == "result" and answer:get_child("services", xmlns_extdisco);
		if element then
			use(record, services.read(element, now()), asked_in);
			sessions.on_renewed(record);
		else
			failed(record, (select(2, answer:get_error())));
		end
	end

	local function ask(record)
		local asked_in = generation;
		local function done()
			asking, record.asking = asking - 1, nil;
		end
		asking = asking + 1;
		requests.watch(record.host);
		requests.send({
			from = record.jid;
			answered = function (answer)
				done();
				if records[record.jid] == record then answered(record, asked_in, answer); end
				pump();
				return true;
			end;
			failed = function (condition)
				done();
				failed(record, condition);
				pump();
			end;
		}, "<services xmlns='"..xmlns_extdisco.."'/>");
	end

	-- Asks for as many records of the queue as may wait at a time.
	function pump()
		while first <= last and asking < max_asking and requests.is_connected() do
			local record = queue[first];
			queue[first], first = nil, first + 1;
			if records[record.jid] == record then
				ask(record);
			else
				record.asking = nil;
			end
		end
	end

	local function enqueue(record)
		if record.asking then return; end
		record.asking = true;
		last = last + 1;
		queue[last] = record;
	end

	local function is_due(record, time)
		if record.asking or time < record.ask_at then return false; end
		if record.generation ~= generation then return true; end
		return not record.denied and (not record.set or record.due_at <= time);
	end

	-- Keeps what the user is asked for, from now on.
	function sessions.bind(jid, host)
		local record = add(jid, host);
		if not record.set and not record.denied then
			enqueue(record);
			pump();
		end
		return record;
	end

	-- Keeps what a request of the user's own has brought.
	function sessions.keep(jid, host, element)
		local set = services.read(element, now());
		if #set == 0 then return nil; end
		local record = add(jid, host);
		use(record, set, generation);
		return record;
	end

	-- Returns the relay with this number for the session, as services.relay does.
	function sessions.relay(record, number)
		if record.set then return services.relay(record.set, number, now()); end
	end

	-- Says whom the calls of get_services() are for until the next time; nil for nobody.
	function sessions.read_as(jid)
		reading = jid and records[jid];
	end

	function sessions.reading()
		return reading;
	end

	function sessions.make_stale()
		generation, scan_at = generation + 1, 0;
		for _, record in pairs(records) do record.ask_at = 0; end
	end

	-- After a pause everything is asked for again that could not be had.
	function sessions.connected()
		for _, record in pairs(records) do
			if not record.denied then record.ask_at = 0; end
		end
		scan_at = 0;
		pump();
	end

	-- Replaces the sets that are due, so many a second. Runs every second.
	function sessions.tick()
		local time = now();
		if time < scan_at or not requests.is_connected() then return; end
		local next_scan, count = math.huge, 0;
		for jid, record in pairs(records) do
			if not prosody.full_sessions[jid] then
				records[jid] = nil; -- with its host
			elseif is_due(record, time) then
				if count == max_renewed then
					next_scan = 0;
					break;
				end
				count = count + 1;
				enqueue(record);
			else
				next_scan = math.min(next_scan, math.max(record.ask_at, not record.asking and record.due_at or 0, time + 1));
			end
		end
		scan_at = next_scan;
		pump();
	end

	-- Iterates over the sessions, by their full JIDs.
	function sessions.all()
		return pairs(records);
	end

	function sessions.save()
		return { records = records, generation = generation };
	end

	function sessions.restore(saved)
		generation = saved.generation;
		for jid, record in pairs(saved.records) do
			record.asking = nil;
			for room in pairs(records[jid] and records[jid].rooms or {}) do record.rooms[room] = true; end
			records[jid] = record;
		end
		scan_at = 0;
	end

	return sessions;
end

return new;
