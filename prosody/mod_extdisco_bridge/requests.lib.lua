-- Requests to extdisco, and the answers to them.
--
-- A request goes straight to the component's stream. Prosody's routing costs more and
-- has nothing to decide: the sender of the request was checked when it came, and the
-- receiver is known. Answers come through Prosody's routing, to the address that the
-- request was sent for.

local st = require "util.stanza";
local new_uuid = require "util.uuid".generate;
local xml_escape = st.xml_escape;

local max_pending = 10000;
local max_per_requester = 256;

-- Returns what sends requests to the component. A request that has not been answered
-- after timeout seconds is refused. origins says where requesters come from.
local function new(component, timeout, origins, now)
	local requests = {};
	local link; -- the session of the component, while it is connected

	-- The requests that wait, by the id that they have on the way. The first part of the
	-- id is random: nobody but the component sees it, and nobody can guess it.
	local pending = {};
	local pending_count = 0;
	local waiting = {}; -- how many, by requester
	local prefix = "extdisco-"..new_uuid().."-";
	local last_id = 0;

	local sweeping = false;
	local told_timeout = false;

	local function take(id)
		local request = pending[id];
		local left = waiting[request.from] - 1;
		pending[id] = nil;
		pending_count = pending_count - 1;
		waiting[request.from] = left > 0 and left or nil;
		return request;
	end

	local function refuse(request, condition, text)
		if request.failed then
			request.failed(condition, text);
		else
			module:send(st.error_reply(request.stanza, "wait", condition, text));
		end
	end

	-- Refuses the requests whose time is over, or all of them.
	local function refuse_pending(text, time)
		local over = {};
		for id, request in pairs(pending) do
			if not time or request.deadline <= time then table.insert(over, id); end
		end
		for _, id in ipairs(over) do
			refuse(take(id), "remote-server-timeout", text);
		end
		return #over;
	end

	-- A component that hangs with its connection open would let clients wait for ever.
	local function sweep()
		if refuse_pending("The relay service did not answer in time", now()) > 0 and not told_timeout then
			told_timeout = true;
			module:log("warn", "extdisco at %s has not answered a request within %d s, and the client was told so; "
				.."look into its log, and whether it runs at all", component, timeout);
		end
		sweeping = pending_count > 0;
		return sweeping and 1 or nil;
	end

	local function start_sweeping()
		if not sweeping then
			sweeping = true;
			module:add_timer(1, sweep);
		end
	end

	function requests.is_connected()
		return link ~= nil;
	end

	function requests.connected(session)
		link = session;
	end

	-- Returns false when the session is not the one that was connected: one that was not
	-- let in, or has been replaced.
	function requests.disconnected(session)
		if not link or session and session ~= link then return false; end
		link = nil;
		refuse_pending("The relay service has disconnected");
		return true;
	end

	-- Sends a request, or refuses it at once. A request has:
	--   from      the requester
	--   answered  a function that gets the answer and says whether that is kept from its
	--             receiver; without it the answer goes on to the requester
	--   failed    a function that gets a condition and a text when there is no answer
	--   stanza    without failed: the requester's own stanza, which is refused then
	function requests.send(request, payload)
		if not link then
			return refuse(request, "remote-server-timeout", "The relay service is not available");
		elseif pending_count >= max_pending or (waiting[request.from] or 0) >= max_per_requester then
			return refuse(request, "resource-constraint", "Too many requests wait for the relay service");
		end
		last_id = last_id + 1;
		local id = prefix..last_id;
		request.deadline = now() + timeout;
		pending[id] = request;
		pending_count = pending_count + 1;
		waiting[request.from] = (waiting[request.from] or 0) + 1;
		link.send("<iq type='get' id='"..id.."' to='"..component.."' from='"..xml_escape(request.from).."'"..origins.attribute(request.from)..">"..payload.."</iq>");
		start_sweeping();
	end

	-- Is called with what comes for anybody on the hosts that are watched. Only what came
	-- on the component's own stream is an answer, whatever address others claim to have.
	local function on_iq(event)
		local attr = event.stanza.attr;
		if not attr.id or attr.id:sub(1, #prefix) ~= prefix then return; end
		local request = pending[attr.id];
		if event.origin ~= link or attr.from ~= component or not request or attr.to ~= request.from then
			return true; -- forged, or too late: the requester was told that there will be no answer
		end
		take(attr.id);
		told_timeout = false;
		if request.answered then return request.answered(event.stanza); end
		attr.id, attr.from = request.stanza.attr.id, request.stanza.attr.to;
		if requests.on_answer then requests.on_answer(request.stanza, event.stanza); end
	end

	-- Answers pass by the host of the requester.
	local watched = {};
	function requests.watch(host)
		if watched[host] then return; end
		watched[host] = true;
		local context = module:context(host);
		context:hook("iq/full", on_iq, 1000);
		context:hook("iq/host", on_iq, 1000);
	end

	function requests.unwatch(host)
		watched[host] = nil;
	end

	-- Users' requests survive a reload of the module. What the module asked for itself is
	-- asked for again; the answer to the first question is then dropped.
	function requests.save()
		local kept, watching = {}, {};
		for id, request in pairs(pending) do
			if request.stanza then kept[id] = request; end
		end
		for host in pairs(watched) do table.insert(watching, host); end
		return { pending = kept, prefix = prefix, last_id = last_id, watched = watching };
	end

	function requests.restore(saved)
		prefix, last_id = saved.prefix, saved.last_id;
		for id, request in pairs(saved.pending) do
			pending[id] = request;
			pending_count = pending_count + 1;
			waiting[request.from] = (waiting[request.from] or 0) + 1;
		end
		for _, host in ipairs(saved.watched) do
			if prosody.hosts[host] then requests.watch(host); end
		end
		if pending_count > 0 then start_sweeping(); end
	end

	function requests.close()
		refuse_pending("The relay service is being taken out of service");
	end

	return requests;
end

return new;
