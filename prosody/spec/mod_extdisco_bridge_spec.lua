-- Run from the folder above: see the target lua of the Makefile.

local st = require "util.stanza";
local datetime = require "util.datetime".datetime;
local Prosody = require "spec.prosody";

local host, guests, metadata, turn = "meet.example.org", "guest.meet.example.org", "metadata.meet.example.org", "turn.meet.example.org";
local xmlns = "urn:xmpp:extdisco:2";
local server, made, link;

local function load_bridge(options)
	options = options or {};
	options.extdisco_component = options.extdisco_component or turn;
	return server:load(host, "extdisco_bridge", options);
end

local function connect()
	link = server:new_link("component");
	server:fire(turn, "component-authenticated", { session = link });
	server:pass(0);
end

local function disconnect(session)
	server:fire(turn, "component-disconnected", { session = session or link });
end

-- Answers a question with the sets that it asks for: STUN, and TURN over two
-- transports with one credential each set that lives for ttl seconds.
local function answer(question, ttl, relay)
	local reply = st.reply(question.stanza):tag("feed", { xmlns = "extdisco:feed:1" });
	for _ = 1, tonumber(question.stanza.tags[1].attr.count) do
		made = made + 1;
		local expires = ttl and datetime(server.clock + ttl);
		reply:tag("services", { xmlns = xmlns })
			:tag("service", { type = "stun", host = "stun.example.org", port = "3478", transport = "udp" }):up();
		for _, transport in ipairs { "udp", "tcp" } do
			reply:tag("service", { type = "turn", host = relay or "turn.example.org", port = "3478", transport = transport,
				restricted = "1", username = "user"..made, password = "password"..made, expires = expires }):up();
		end
		reply:up();
	end
	question.answer({ stanza = reply });
	server:pass(0);
end

-- Answers everything that is asked, also what the answers make it ask.
local function answer_all(ttl, relay)
	while #server.asked > 0 do
		answer(table.remove(server.asked, 1), ttl, relay);
	end
end

local function refuse_all(condition, text)
	while #server.asked > 0 do
		table.remove(server.asked, 1).fail({ condition = condition, text = text });
	end
end

-- Returns the usernames of a call of get_services(). All entries must have one
-- and the same, and none may lack it.
local function username(of)
	local services = server:get_services(of or metadata);
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

local function logged(text)
	local count = 0;
	for _, line in ipairs(server.logged) do
		if line:find(text, 1, true) then count = count + 1; end
	end
	return count;
end

before_each(function ()
	made = 0;
	server = Prosody.new({ [host] = "local", [guests] = "local", [metadata] = "component", [turn] = "component" });
	server.modules[turn].component = { session = false };
end);

describe("the list", function ()
	before_each(function ()
		load_bridge({ extdisco_pool_size = 4 });
		connect();
	end);

	it("is asked for on each host, in the name of the virtual host", function ()
		assert.equal(2, #server.asked);
		for _, question in ipairs(server.asked) do
			local attr = question.stanza.attr;
			assert.same({ host, turn, "get", "4" }, { attr.from, attr.to, attr.type, question.stanza.tags[1].attr.count });
		end
	end);

	it("has a credential of its own for each call", function ()
		answer_all(3600);
		local seen = {};
		for _ = 1, 20 do
			for _, where in ipairs { host, metadata } do
				local name, count = username(where);
				assert.equal(3, count);
				assert.is_nil(seen[name]);
				seen[name] = true;
			end
			server:pass(0);
			answer_all(3600);
		end
	end);

	it("shares credentials when more is taken than there is, and never lacks one", function ()
		answer_all(3600);
		local seen, distinct = {}, 0;
		for _ = 1, 1000 do
			local name = username();
			if not seen[name] then distinct = distinct + 1; end
			seen[name] = (seen[name] or 0) + 1;
		end
		assert.equal(4, distinct);
		for _, times in pairs(seen) do assert.equal(250, times); end
		server:pass(0);
		answer_all(3600);
		assert.is_nil(seen[username()]);
	end);

	it("is asked for once although much is taken", function ()
		answer_all(3600);
		for _ = 1, 10 do username(); end
		server:pass(0);
		username();
		server:pass(5);
		assert.equal(1, #server.asked);
		assert.equal("4", server.asked[1].stanza.tags[1].attr.count);
	end);

	it("is renewed after a quarter of the life of a credential", function ()
		answer_all(80);
		local before = made;
		server:pass(19);
		assert.equal(0, #server.asked);
		server:pass(2);
		assert.equal(2, #server.asked);
		answer_all(80);
		assert.equal(before + 8, made);
	end);

	it("keeps what it has while extdisco is away, until a tenth of the life is left", function ()
		answer_all(100);
		disconnect();
		server:pass(88);
		assert.is_string((username()));
		server:pass(3);
		local name, count = username();
		assert.is_nil(name);
		assert.equal(1, count); -- STUN has nothing that could expire
		assert.equal(0, #server.asked);
		connect();
		answer_all(100);
		name, count = username();
		assert.is_string(name);
		assert.equal(3, count);
	end);

	it("leaves out the sets that have lost a credential when others have it still", function ()
		answer_all(100);
		username();
		server:pass(20);
		answer(table.remove(server.asked, 1), 1000);
		disconnect();
		server:pass(75);
		for _ = 1, 8 do
			local name = username();
			assert.is_string(name);
			assert.is_true(tonumber(name:match("%d+")) > 8);
		end
	end);

	it("follows what extdisco offers", function ()
		answer_all(3600);
		server:pass(61);
		assert.equal("1", server.asked[1].stanza.tags[1].attr.count);
		answer_all(3600, "other.example.org");
		for _ = 1, 5 do
			for _, srv in ipairs(server:get_services(metadata)) do
				assert.is_true(srv.type == "stun" or srv.host == "other.example.org");
			end
			assert.is_string((username()));
		end
	end);

	it("follows when extdisco offers less", function ()
		answer_all(3600);
		server:pass(61);
		while #server.asked > 0 do
			local question = table.remove(server.asked, 1);
			question.answer({ stanza = st.reply(question.stanza):tag("feed", { xmlns = "extdisco:feed:1" })
				:tag("services", { xmlns = xmlns })
				:tag("service", { type = "stun", host = "stun.example.org", port = "3478", transport = "udp" }) });
		end
		local services = server:get_services(metadata);
		assert.equal(1, #services);
		assert.equal("stun", services[1].type);
	end);

	it("takes fixed accounts, which never expire", function ()
		answer_all(nil);
		disconnect();
		server:pass(20000);
		assert.is_string((username()));
	end);

	it("never holds a TURN service without a credential", function ()
		local question = table.remove(server.asked, 1);
		question.answer({ stanza = st.reply(question.stanza):tag("feed", { xmlns = "extdisco:feed:1" })
			:tag("services", { xmlns = xmlns })
			:tag("service", { type = "turn", host = "turn.example.org", port = "3478", username = "name only" }):up()
			:tag("service", { type = "turns", host = "turn.example.org", port = "5349" }):up()
			:tag("service", { type = "stun", host = "stun.example.org", port = "3478" }) });
		local services = server:get_services(question.stanza.tags[1] and metadata);
		if #services == 0 then services = server:get_services(host); end
		assert.equal(1, #services);
		assert.equal("stun", services[1].type);
	end);

	it("survives a reload", function ()
		answer_all(3600);
		local before = { [username()] = true };
		server:reload(host, "extdisco_bridge");
		for _, where in ipairs { host, metadata } do
			local name, count = username(where);
			assert.is_string(name);
			assert.equal(3, count);
			assert.is_nil(before[name]);
		end
		server:reload(metadata, "extdisco_bridge");
		assert.equal(3, select(2, username(metadata)));
	end);

	it("is gone when the module is unloaded", function ()
		answer_all(3600);
		server:unload(host, "extdisco_bridge");
		assert.equal(0, #server:get_services(host));
		assert.equal(0, #server:get_services(metadata));
		assert.is_nil(server.modules[metadata].extdisco_bridge);
	end);

	it("comes back when the host that holds it does", function ()
		answer_all(3600);
		server:unload(metadata, "extdisco_bridge");
		assert.equal(0, #server:get_services(metadata));
		server:pass(1);
		assert.equal(3, select(2, username(metadata)));
	end);

	it("writes no credential into the log", function ()
		answer_all(20);
		username();
		disconnect();
		server:pass(60);
		for _, line in ipairs(server.logged) do
			assert.is_nil(line:find("password%d") or line:find("user%d"));
		end
	end);
end);

describe("asking", function ()
	it("gives at most 64 at once, and goes on", function ()
		load_bridge({ extdisco_pool_size = 100 });
		connect();
		assert.equal("64", server.asked[1].stanza.tags[1].attr.count);
		answer(table.remove(server.asked, 1), 3600);
		assert.equal("36", server.asked[2].stanza.tags[1].attr.count);
	end);

	it("says once that the host is not trusted, and what to change", function ()
		load_bridge();
		connect();
		for _ = 1, 20 do
			refuse_all("forbidden");
			server:pass(31);
		end
		assert.equal(1, logged("error: extdisco at "..turn.." gives no credentials for the list of "..host
			..": it does not trust this host; in extdisco's config.toml, below [component], add \""..host.."\" to hosts"));
		assert.equal(2, logged("error:")); -- the other is for the other list
	end);

	it("pauses after failures, half a minute at most", function ()
		load_bridge({ extdisco_feed_hosts = {} });
		connect();
		local questions = 0;
		for _ = 1, 300 do
			questions = questions + #server.asked;
			refuse_all("remote-server-timeout", "no service can be offered at present");
			server:pass(1);
		end
		assert.is_true(questions > 10 and questions < 18, questions);
		assert.equal(1, logged("warn: extdisco at"));
		answer_all(3600);
		server:pass(30);
		answer_all(3600);
		assert.equal(1, logged("info: extdisco at "..turn.." gives credentials for the list of "..host.." again"));
	end);

	it("understands an error that mod_component sends back", function ()
		load_bridge({ extdisco_feed_hosts = {} });
		connect();
		local question = table.remove(server.asked, 1);
		question.answer({ stanza = st.error_reply(question.stanza, "wait", "remote-server-timeout", "Component unavailable") });
		assert.equal(1, logged("Component unavailable"));
		server:pass(2);
		assert.equal(1, #server.asked);
	end);

	it("does not ask while extdisco is away", function ()
		load_bridge();
		server:pass(600);
		assert.equal(0, #server.asked);
	end);
end);

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
		local stopped = server:fire(where or host, "iq/full", { stanza = reply });
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
		link = server:new_link("component");
		server.modules[turn].component.session = link;
		server.hosts[host].handlers = {}; -- of the instance that was there
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
		connect();
		local replaced = link;
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
		server.global["host-deactivated"](turn);
		assert.equal("a1", server.sent[2].stanza.attr.id);
		ask();
		assert.equal("error", server.sent[3].stanza.attr.type);
		disconnect();
		assert.equal(1, logged("has disconnected"));
	end);

	it("are refused when the module is unloaded", function ()
		connect();
		ask();
		server:unload(host, "extdisco_bridge");
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

	it("do not pile up", function ()
		connect();
		for _ = 1, 10000 do ask(); end
		ask();
		local _, condition = server.sent[10001].stanza:get_error();
		assert.equal("resource-constraint", condition);
	end);
end);

describe("a wrong configuration", function ()
	it("without the component's address says what to write", function ()
		server:load(host, "extdisco_bridge", {});
		assert.equal(1, logged('extdisco_component = "turn.'..host..'"'));
		server:pass(60);
		assert.equal(0, #server:get_services(host));
	end);

	it("names the address that is no host", function ()
		load_bridge({ extdisco_component = "trun.example.org" });
		server:pass(1);
		assert.equal(1, logged('error: extdisco_component = "trun.example.org" names no component'));
	end);

	it("names the address that is a virtual host", function ()
		load_bridge({ extdisco_component = guests });
		server:pass(1);
		assert.equal(1, logged("is not an external component"));
	end);

	it("says that extdisco is not connected", function ()
		load_bridge();
		server:pass(1);
		assert.equal(1, logged("warn: extdisco is not connected as "..turn));
	end);

	it("names a host to feed that does not exist", function ()
		load_bridge({ extdisco_feed_hosts = { "metadata.example.net" } });
		server:pass(1);
		assert.equal(1, logged('extdisco_feed_hosts names "metadata.example.net"'));
	end);

	it("is silent about a metadata host that is not there by default", function ()
		server.hosts[metadata], server.modules[metadata] = nil, nil;
		load_bridge();
		connect();
		answer_all(3600);
		server:pass(1);
		assert.equal(0, logged("metadata"));
	end);

	it("warns of options that fill the list too, and of a delegation", function ()
		load_bridge({ external_service_secret = "s", external_services = {}, delegations = { [xmlns] = {} } });
		connect();
		server:pass(1);
		assert.equal(2, logged("warn: external_service_secret is still set"));
		assert.equal(2, logged("warn: external_services is still set"));
		assert.equal(1, logged("are delegated too"));
	end);

	it("replaces numbers that make no sense", function ()
		for name, values in pairs { extdisco_timeout = { 0, 26, "soon" }, extdisco_pool_size = { 0, -1, 100000 } } do
			for _, value in ipairs(values) do
				local before = logged("error: "..name.." must be a number");
				load_bridge({ [name] = value });
				assert.equal(before + 1, logged("error: "..name.." must be a number"), name.." "..value);
			end
		end
	end);

	it("says that mod_external_services is needed", function ()
		server.disabled = "external_services";
		load_bridge();
		assert.equal(1, logged('take "external_services" out of modules_disabled'));
	end);
end);
