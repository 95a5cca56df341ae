local st = require "util.stanza";
local bridge = require "spec.bridge";

local host, turn, xmlns = bridge.host, bridge.turn, bridge.xmlns;
local answer_all, answer_users = bridge.answer_all, bridge.answer_users;
local juliet = "juliet@"..host.."/x";
local server, session;

local function ask(payload, as)
	local stanza = st.iq({ type = "get", id = "a1", from = juliet, to = host }):add_child(payload);
	server:fire(host, "iq-get/host/"..as..":services", { origin = session, stanza = stanza });
end

-- Lets time pass while extdisco answers, and returns what the client was sent.
local function pass(seconds, ttl, relay)
	local got = {};
	for _ = 1, seconds do
		server:pass(1);
		answer_all(ttl, relay);
		for i = #server.sent, 1, -1 do
			if server.sent[i].stanza.attr.to == juliet then table.insert(got, table.remove(server.sent, i).stanza); end
		end
		answer_users(ttl, relay);
	end
	return got;
end

before_each(function ()
	server = bridge.new_server();
	bridge.load();
	bridge.connect();
	answer_all(3600);
	session = { type = "c2s", full_jid = juliet, host = host };
	server.full_sessions[juliet] = session;
	ask(st.stanza("services", { xmlns = xmlns }), xmlns);
	answer_users(600);
end);

describe("a client that has asked", function ()
	it("is told of its new credential in time", function ()
		assert.equal(0, #pass(265, 600));
		local got = pass(10, 600);
		assert.equal(1, #got);
		assert.same({ "set", host, juliet }, { got[1].attr.type, got[1].attr.from, got[1].attr.to });
		local list = got[1]:get_child("services", xmlns).tags;
		assert.equal(2, #list); -- STUN is as it was
		for _, service in ipairs(list) do
			local attr = service.attr;
			assert.same({ "modify", "turn", "turn.example.org", "3478", "true" }, { attr.action, attr.type, attr.host, attr.port, attr.restricted });
			assert.is_string(attr.username and attr.password and attr.expires);
		end
	end);

	it("is told of servers that come and go", function ()
		bridge.mark = "another";
		local list = pass(10, 600, "other.example.org")[1]:get_child("services", xmlns).tags;
		local actions = {};
		for _, service in ipairs(list) do
			table.insert(actions, service.attr.action.." "..service.attr.host.." "..service.attr.transport);
			assert.equal(service.attr.action == "add", service.attr.password ~= nil);
		end
		assert.same({ "add other.example.org udp", "add other.example.org tcp", "delete turn.example.org udp", "delete turn.example.org tcp" }, actions);
	end);

	it("is told that all are gone when extdisco does not serve it any more, and of them when it does", function ()
		bridge.mark = "another";
		local iq;
		for _ = 1, 10 do
			server:pass(1);
			answer_all(600);
			for i = #server.sent, 1, -1 do
				local stanza = server.sent[i].stanza;
				if stanza.attr.to == juliet then iq = table.remove(server.sent, i).stanza;
				elseif stanza.attr.from == juliet then
					table.remove(server.sent, i);
					server:arrive(st.error_reply(stanza, "auth", "forbidden"), bridge.link);
				end
			end
		end
		local list = iq:get_child("services", xmlns).tags;
		assert.equal(3, #list);
		for _, service in ipairs(list) do
			assert.equal("delete", service.attr.action);
			assert.is_nil(service.attr.password);
		end
		bridge.mark = "a third";
		list = pass(10, 600)[1]:get_child("services", xmlns).tags;
		assert.equal(3, #list);
		for _, service in ipairs(list) do assert.equal("add", service.attr.action); end
	end);

	it("is told nothing more when it answers with an error, and its answer goes nowhere", function ()
		local iq = pass(280, 600)[1];
		local refusal = st.error_reply(iq, "cancel", "service-unavailable");
		assert.is_true(server:fire(host, "iq/host", { stanza = refusal, origin = session }));
		assert.equal(0, #pass(1200, 600));
	end);

	it("is told again when it answers well", function ()
		local iq = pass(280, 600)[1];
		assert.is_true(server:fire(host, "iq/host", { stanza = st.reply(iq), origin = session }));
		assert.equal(1, #pass(280, 600));
	end);

	it("is told nothing once it is gone", function ()
		server:unbind(juliet);
		assert.equal(0, #pass(600, 600));
	end);

	it("is told nothing when it asked for one type only", function ()
		server:unbind(juliet);
		server.full_sessions[juliet] = session;
		ask(st.stanza("services", { xmlns = xmlns, type = "turn" }), xmlns);
		answer_users(600);
		assert.equal(0, #pass(600, 600));
	end);

	it("is told after a reload too", function ()
		server.modules[turn].component.session = bridge.link;
		server:reload(turn, "extdisco_bridge");
		assert.equal(1, #pass(280, 600));
	end);

	it("is told nothing when that is switched off", function ()
		server = bridge.new_server();
		bridge.load({ extdisco_push = false });
		bridge.connect();
		server.full_sessions[juliet] = session;
		ask(st.stanza("services", { xmlns = xmlns }), xmlns);
		answer_users(600);
		assert.equal(0, #pass(600, 600));
	end);
end);
