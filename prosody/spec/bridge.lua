-- What the specs share: a server with the bridge on its component, and an extdisco that
-- answers as it is told.

local assert = require "luassert";
local st = require "util.stanza";
local datetime = require "util.datetime".datetime;
local Prosody = require "spec.prosody";

local bridge = {
	host = "meet.example.org", guests = "guest.meet.example.org", metadata = "metadata.meet.example.org",
	turn = "turn.meet.example.org", xmlns = "urn:xmpp:extdisco:2";
};
local host, metadata, turn, xmlns = bridge.host, bridge.metadata, bridge.turn, bridge.xmlns;

-- Makes another server, with nothing loaded.
function bridge.new_server()
	bridge.made, bridge.mark, bridge.feed_attr = 0, "mark", {};
	local server = Prosody.new({ [host] = "local", [bridge.guests] = "local", [metadata] = "component", [turn] = "component" });
	server.modules[turn].component = { session = false, module = { items = {}, hooked = {} } };
	bridge.server = server;
	return server;
end

function bridge.load(options)
	bridge.server:load(turn, "extdisco_bridge", options or {});
	bridge.server:pass(0);
end

function bridge.connect()
	bridge.link = bridge.server:new_link("component");
	bridge.server:fire(turn, "component-authenticated", { session = bridge.link });
	bridge.server:pass(0);
	return bridge.link;
end

function bridge.disconnect(session)
	bridge.server:fire(turn, "component-disconnected", { session = session or bridge.link });
end

-- Adds a list of services: STUN, and TURN over two transports with one credential that
-- lives for ttl seconds.
function bridge.add_services(reply, ttl, relay)
	bridge.made = bridge.made + 1;
	local expires = ttl and datetime(bridge.server.clock + ttl);
	reply:tag("services", { xmlns = xmlns })
		:tag("service", { type = "stun", host = "stun.example.org", port = "3478", transport = "udp" }):up();
	for _, transport in ipairs(bridge.transports or { "udp", "tcp" }) do
		reply:tag("service", { type = "turn", host = relay or "turn.example.org", port = "3478", transport = transport,
			restricted = "1", username = "user"..bridge.made, password = "password"..bridge.made, expires = expires }):up();
	end
	return reply:up();
end

-- Answers a question with the sets that it asks for.
function bridge.answer(question, ttl, relay)
	local attr = { xmlns = "extdisco:feed:1", mark = bridge.mark };
	for name, value in pairs(bridge.feed_attr) do attr[name] = value; end
	local reply = st.reply(question.stanza):tag("feed", attr);
	for _ = 1, tonumber(question.stanza.tags[1].attr.count) do
		bridge.add_services(reply, ttl, relay);
	end
	question.answer(reply);
	bridge.server:pass(0);
end

-- Answers everything that is asked, also what the answers make it ask.
function bridge.answer_all(ttl, relay)
	while #bridge.server.asked > 0 do
		bridge.answer(table.remove(bridge.server.asked, 1), ttl, relay);
	end
end

function bridge.refuse_all(condition, text)
	while #bridge.server.asked > 0 do
		table.remove(bridge.server.asked, 1).fail(condition, text);
	end
end

-- Answers what was asked in the names of users, and returns how many there were.
function bridge.answer_users(ttl, relay)
	local on_the_way, others = {}, {};
	for _, sent in ipairs(bridge.server.sent) do
		table.insert(sent.stanza.attr.to == turn and on_the_way or others, sent);
	end
	bridge.server.sent = others;
	for _, sent in ipairs(on_the_way) do
		bridge.server:arrive(bridge.add_services(st.reply(sent.stanza), ttl, relay), bridge.link);
	end
	return #on_the_way;
end

-- Returns the username that all TURN services of a call of get_services() have, none of
-- which may lack it, and how many services there are.
function bridge.username(of)
	local services = bridge.server:get_services(of or metadata);
	local found;
	for _, srv in ipairs(services) do
		if srv.type == "turn" then
			assert.is_string(srv.username);
			assert.is_string(srv.password);
			found = found or srv.username;
			assert.equal(found, srv.username);
		end
	end
	return found, #services;
end

function bridge.logged(text)
	local count = 0;
	for _, line in ipairs(bridge.server.logged) do
		if line:find(text, 1, true) then count = count + 1; end
	end
	return count;
end

return bridge;
