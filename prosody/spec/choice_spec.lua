-- Relays that are chosen for each user: where users come from, and lists with room for all.
-- Run from the folder above: see the target lua of the Makefile.

local st = require "util.stanza";
local bridge = require "spec.bridge";

local host, metadata, turn, xmlns, answer_all = bridge.host, bridge.metadata, bridge.turn, bridge.xmlns, bridge.answer_all;
local server;

-- printf 'extdisco origin' | openssl dgst -sha256 -hmac hush-hush-42 | cut -c -32
local key = "8273a70dabc5dbf73bd547020f689ab4";

before_each(function () server = bridge.new_server(); end);
after_each(function () bridge.transports = nil; end);

describe("where users come from", function ()
	-- Returns the attribute of a request that a user with this address makes.
	local function origin_of(ip)
		local jid = "juliet@"..host.."/x";
		local session = { type = "c2s", full_jid = jid, host = host, ip = ip };
		server.full_sessions[jid] = session;
		server.sent = {};
		local stanza = st.iq({ type = "get", id = "a1", from = jid, to = host }):tag("services", { xmlns = xmlns }):up();
		server:fire(host, "iq-get/host/"..xmlns..":services", { origin = session, stanza = stanza });
		return server.sent[1].stanza.attr.origin;
	end

	local function load(options)
		bridge.load(options or { component_secret = "hush-hush-42" });
		bridge.connect();
		answer_all(3600);
	end

	it("is said when extdisco wants to know", function ()
		bridge.feed_attr = { addresses = "true" };
		load();
		assert.equal(key.."-c0000207", origin_of("192.0.2.7"));
		assert.equal(key.."-20010db8000000000000000000000007", origin_of("2001:db8::7"));
		assert.equal(key.."-00000000000000000000ffffc0000207", origin_of("::ffff:192.0.2.7"));
		assert.equal(key.."-fe800000000000000000000000000007", origin_of("fe80::7%eth0"));
		assert.is_nil(origin_of(nil));
		assert.is_nil(origin_of("no address"));
		assert.is_nil(origin_of("' id='x"));
	end);

	it("is not said unasked", function ()
		load();
		assert.is_nil(origin_of("192.0.2.7"));
		bridge.feed_attr = { addresses = "true" };
		server:pass(6);
		answer_all(3600);
		assert.equal(key.."-c0000207", origin_of("192.0.2.7"));
		bridge.feed_attr = {};
		server:pass(6);
		answer_all(3600);
		assert.is_nil(origin_of("192.0.2.7"));
	end);

	it("is not said without the component's secret", function ()
		bridge.feed_attr = { addresses = "true" };
		load({});
		assert.is_nil(origin_of("192.0.2.7"));
	end);

	it("is said after a reload", function ()
		bridge.feed_attr = { addresses = "true" };
		load();
		server.modules[turn].component.session = bridge.link;
		server:reload(turn, "extdisco_bridge");
		assert.equal(key.."-c0000207", origin_of("192.0.2.7"));
	end);

	it("is said when the module asks for a user, and asked for again when it becomes wanted", function ()
		server:activate("conference."..host, "component");
		server.modules["conference."..host].muc = { module = { items = {}, hooked = {} } };
		server.host_options[metadata] = { muc_component = "conference."..host };
		load();
		server:bind("juliet@"..host.."/x").ip = "192.0.2.7";
		bridge.answer_users(3600);
		server:pass(5);
		answer_all(3600);
		assert.equal(0, bridge.answer_users(3600));
		bridge.feed_attr = { addresses = "true" };
		server:pass(6);
		answer_all(3600);
		server:pass(1);
		local asked = {};
		for _, sent in ipairs(server.sent) do table.insert(asked, sent.stanza.attr.origin); end
		assert.same({ key.."-c0000207" }, asked);
	end);
end);

describe("a list of chosen relays", function ()
	-- Has extdisco give the sets of a feed, each from another relay with these transports.
	local relays;
	local function answer()
		while #server.asked > 0 do
			local question = table.remove(server.asked, 1);
			local reply = st.reply(question.stanza):tag("feed", { xmlns = "extdisco:feed:1", mark = "m", relays = bridge.feed_attr.relays });
			for _ = 1, tonumber(question.stanza.tags[1].attr.count) do
				local relay = relays[bridge.made % #relays + 1];
				bridge.transports = relay.transports;
				bridge.add_services(reply, 3600, relay.host);
			end
			question.answer(reply);
			server:pass(0);
		end
	end

	-- Returns the relays of a call, each as its host, and how many STUN entries there are.
	local function call()
		local hosts, stun = {}, 0;
		for _, srv in ipairs(server:get_services(metadata)) do
			if srv.type == "turn" then
				assert.is_string(srv.username);
				table.insert(hosts, srv.host.." "..srv.transport);
			else
				assert.is_nil(srv.username);
				assert.same({ "stun", "udp" }, { srv.type, srv.transport });
				stun = stun + 1;
			end
		end
		server:pass(0);
		answer();
		return table.concat(hosts, ", "), stun;
	end

	before_each(function ()
		relays = { { host = "a.example.org", transports = { "udp", "tcp" } }, { host = "b.example.org", transports = { "udp" } } };
		bridge.load({ extdisco_pool_size = 4 });
		bridge.connect();
	end);

	it("has all of one choice at a time, whatever their number", function ()
		bridge.feed_attr = { relays = "2" };
		answer();
		local seen = {};
		for _ = 1, 20 do
			local hosts, stun = call();
			seen[hosts] = (seen[hosts] or 0) + 1;
			assert.equal(hosts == "b.example.org udp" and 2 or 1, stun); -- what is left over is a STUN server
		end
		assert.is_true(seen["a.example.org udp, a.example.org tcp"] > 5);
		assert.is_true(seen["b.example.org udp"] > 5);
		assert.equal(20, seen["a.example.org udp, a.example.org tcp"] + seen["b.example.org udp"]);
	end);

	it("has room for as many as anybody may be given", function ()
		relays, bridge.feed_attr = { relays[2] }, { relays = "3" };
		answer();
		assert.same({ "b.example.org udp", 3 }, { call() });
	end);

	it("asks once for what was taken", function ()
		answer();
		server:pass(1);
		server.asked = {};
		call();
		local count = 0;
		for _ = 1, 3 do
			server:pass(1);
			count = count + #server.asked;
			answer();
		end
		assert.equal(0, count);
		assert.equal(0, bridge.logged("gives no credentials"));
	end);

	it("has a credential for each relay until it is made anew", function ()
		answer();
		server.clock = server.clock + 3600 * 0.95; -- and nothing has run meanwhile
		assert.not_equal("", (call()));
	end);

	it("takes no set without a relay among others", function ()
		answer();
		relays = { { transports = {} } };
		for _ = 1, 10 do
			server:get_services(metadata);
			server:pass(2);
			answer();
		end
		assert.not_equal("", (call()));
	end);
end);
