-- Run from the folder above: see the target lua of the Makefile.

local st = require "util.stanza";
local bridge = require "spec.bridge";

local host, guests, turn, xmlns, connect, disconnect, answer_all, logged =
	bridge.host, bridge.guests, bridge.turn, bridge.xmlns, bridge.connect, bridge.disconnect, bridge.answer_all, bridge.logged;
local load_bridge = bridge.load;
local server;

before_each(function () server = bridge.new_server(); end);

describe("requests", function ()
	local origin;

	local function ask(payload, from)
		local stanza = st.iq({ type = "get", id = "a1", from = from or "juliet@"..host.."/x", to = host })
			:add_child(payload or st.stanza("services", { xmlns = xmlns }));
		return server:fire(host, "iq-get/host/"..xmlns..":"..stanza.tags[1].name, { origin = origin, stanza = stanza });
	end

	-- Brings an answer to what was sent last, and returns it as the client gets it.
	local function bring(where)
		local on_the_way = server.sent[#server.sent].stanza;
		local reply = st.reply(on_the_way);
		local stopped = server:fire(where or host, "iq/full", { stanza = reply, origin = bridge.link });
		return not stopped and reply or nil;
	end

	before_each(function ()
		origin = { type = "c2s", host = host };
		load_bridge();
	end);

	it("go to extdisco in the user's name and come back in the host's", function ()
		connect();
		assert.is_true(ask());
		local sent = server.sent[1].stanza.attr;
		assert.same({ turn, "juliet@"..host.."/x", "get" }, { sent.to, sent.from, sent.type });
		assert.not_equal("a1", sent.id);
		local reply = bring();
		assert.same({ "a1", host, "juliet@"..host.."/x" }, { reply.attr.id, reply.attr.from, reply.attr.to });
	end);

	it("go to an extdisco that was there before the module", function ()
		server:unload(turn, "extdisco_bridge");
		bridge.link = server:new_link("component");
		server.modules[turn].component.session = bridge.link;
		load_bridge();
		assert.is_true(ask());
		assert.equal(turn, server.sent[1].stanza.attr.to);
		disconnect();
		assert.equal("error", server.sent[2].stanza.attr.type);
	end);

	it("of guests come back past their own host", function ()
		connect();
		origin.host = guests;
		ask(nil, "visitor@"..guests.."/x");
		assert.equal(host, bring(guests).attr.from);
	end);

	it("are left to mod_external_services when they come from elsewhere", function ()
		connect();
		origin.type = "s2sin";
		assert.is_nil(ask());
		assert.equal(0, #server.sent);
	end);

	it("are refused at once while extdisco is away", function ()
		assert.is_true(ask());
		local refusal = server.sent[1].stanza;
		local _, condition = refusal:get_error();
		assert.same({ "a1", host, "remote-server-timeout" }, { refusal.attr.id, refusal.attr.from, condition });
	end);

	it("are refused when extdisco disconnects in between", function ()
		connect();
		ask();
		disconnect();
		assert.equal("a1", server.sent[2].stanza.attr.id);
		assert.equal("error", server.sent[2].stanza.attr.type);
	end);

	it("are not refused when somebody else's connection ends", function ()
		connect();
		ask();
		disconnect(server:new_link("component_unauthed"));
		assert.equal(1, #server.sent);
		assert.equal("a1", bring().attr.id);
	end);

	it("are not refused when a connection ends late that was replaced", function ()
		local replaced = connect();
		connect();
		ask();
		disconnect(replaced);
		assert.equal(1, #server.sent);
		assert.equal("a1", bring().attr.id);
	end);

	it("are refused in time when extdisco says nothing, and answers then are dropped", function ()
		connect();
		ask();
		server:pass(4);
		assert.equal(1, #server.sent);
		server:pass(3);
		assert.equal(2, #server.sent);
		assert.equal("a1", server.sent[2].stanza.attr.id);
		assert.equal(1, logged("warn: extdisco at "..turn.." has not answered"));
		table.remove(server.sent);
		assert.is_nil(bring());
		server:pass(60);
		assert.equal(1, #server.sent);
	end);

	it("are sent on with their payload, whatever is in it, and nothing else", function ()
		connect();
		for _, case in ipairs {
			{ st.stanza("services", { xmlns = xmlns }), "<services xmlns='urn:xmpp:extdisco:2'/>" },
			{ st.stanza("services", { xmlns = xmlns, type = "turn" }) },
			{ st.stanza("services", { xmlns = xmlns }):tag("x", { xmlns = "urn:example:x", y = "'\"&<>" }):text("<z>"):up() },
			{ st.stanza("services", { xmlns = xmlns }):text("text") },
			{ st.stanza("services", { xmlns = xmlns, ["urn:example:x\1y"] = "z" }) },
			{ st.stanza("credentials", { xmlns = xmlns }):tag("service", { host = "turn.example.org", type = "turn" }):up() },
		} do
			ask(case[1]);
			local sent = server.sent[#server.sent];
			local attr = sent.stanza.attr;
			assert.same({ id = attr.id, type = "get", from = "juliet@"..host.."/x", to = turn }, attr);
			local written = case[2] or tostring(case[1]);
			assert.equal(written.."</iq>", sent.text:sub(-#written - 5));
		end
	end);

	it("cannot break out of their address", function ()
		connect();
		local from = "juliet@"..host.."/'/><message to=\"x\">&amp;";
		ask(nil, from);
		assert.equal(from, server.sent[1].stanza.attr.from);
		assert.equal(1, #server.sent[1].stanza.tags);
		assert.equal(from, bring().attr.to);
	end);

	it("are refused when the component is taken out of the server", function ()
		connect();
		ask();
		server:fire(nil, "host-deactivated", turn);
		assert.equal("a1", server.sent[2].stanza.attr.id);
		assert.is_nil(ask()); -- mod_external_services answers
		disconnect();
		assert.equal(1, logged("has disconnected"));
	end);

	it("are refused when the module is unloaded", function ()
		connect();
		ask();
		server:unload(turn, "extdisco_bridge");
		assert.equal("a1", server.sent[2].stanza.attr.id);
	end);

	it("to extdisco itself are none of ours", function ()
		connect();
		ask();
		local reply = st.iq({ type = "result", id = "direct", from = turn, to = "juliet@"..host.."/x" });
		assert.is_nil(server:fire(host, "iq/full", { stanza = reply }));
		assert.same({ "direct", turn }, { reply.attr.id, reply.attr.from });
	end);

	local function credentials(...)
		local payload = st.stanza("credentials", { xmlns = xmlns });
		for _, service_type in ipairs { ... } do
			payload:tag("service", { host = "turn.example.org", type = service_type ~= "" and service_type or nil }):up();
		end
		return payload;
	end

	it("for credentials of TURN go to extdisco, and others stay", function ()
		connect();
		for _, case in ipairs {
			{ { "turn" }, true }, { { "turns" }, true }, { { "stun" }, true }, { { "" }, true }, { {}, true },
			{ { "short-lived-token" }, false }, { { "short-lived-token", "turn" }, true },
		} do
			local before = #server.sent;
			local taken = ask(credentials(table.unpack(case[1])));
			assert.equal(case[2] or nil, taken, table.concat(case[1], " "));
			assert.equal(before + (case[2] and 1 or 0), #server.sent);
		end
	end);

	it("do not pile up, and one session has a share", function ()
		connect();
		answer_all(3600);
		for _ = 1, 256 do ask(); end
		ask();
		local _, condition = server.sent[257].stanza:get_error();
		assert.equal("resource-constraint", condition);
		for i = 1, 10000 - 256 do ask(nil, "romeo"..i.."@"..host.."/x"); end
		assert.equal(turn, server.sent[#server.sent].stanza.attr.to);
		ask(nil, "mercutio@"..host.."/x");
		_, condition = server.sent[#server.sent].stanza:get_error();
		assert.equal("resource-constraint", condition);
	end);

	it("have their share again once they are answered", function ()
		connect();
		for _ = 1, 1000 do
			ask();
			assert.equal("a1", bring().attr.id);
			server.sent = {};
		end
	end);

	it("survive a reload, and so do their time-outs", function ()
		connect();
		server.modules[turn].component.session = bridge.link;
		ask();
		server:reload(turn, "extdisco_bridge");
		assert.equal(1, #server.sent);
		assert.same({ "a1", host }, { bring().attr.id, bring() and "twice" or host });
		ask();
		server:reload(turn, "extdisco_bridge");
		server:pass(7);
		assert.equal("error", server.sent[#server.sent].stanza.attr.type);
		assert.equal("a1", server.sent[#server.sent].stanza.attr.id);
	end);

	it("are answered by extdisco only, whatever address others claim", function ()
		connect();
		ask();
		for _, kind in ipairs { "component", "s2sin", "c2s" } do
			local forged = st.reply(server.sent[1].stanza);
			assert.is_true(server:fire(host, "iq/full", { stanza = forged, origin = { type = kind, host = turn } }));
		end
		local other = st.reply(server.sent[1].stanza);
		other.attr.to = "romeo@"..host.."/y";
		assert.is_true(server:fire(host, "iq/full", { stanza = other, origin = bridge.link }));
		assert.equal("a1", bring().attr.id);
	end);

	it("on a host that comes later are answered too", function ()
		server:unload(turn, "extdisco_bridge");
		server.hosts[host], server.modules[host] = nil, nil;
		load_bridge();
		connect();
		server:activate(host, "local");
		server:fire(nil, "host-activated", host);
		server:pass(0);
		assert.is_true(ask());
		assert.equal(1, logged("has come; extdisco answers for it"));
	end);
end);
