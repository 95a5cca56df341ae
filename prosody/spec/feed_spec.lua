-- Run from the folder above: see the target lua of the Makefile.

local st = require "util.stanza";
local bridge = require "spec.bridge";

local host, metadata, turn, xmlns, connect, disconnect, answer, answer_all, refuse_all, username, logged =
	bridge.host, bridge.metadata, bridge.turn, bridge.xmlns, bridge.connect, bridge.disconnect, bridge.answer, bridge.answer_all,
	bridge.refuse_all, bridge.username, bridge.logged;
local load_bridge = bridge.load;
local server;

before_each(function () server = bridge.new_server(); end);

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
		server:pass(4);
		assert.equal(1, #server.asked);
		assert.equal("4", server.asked[1].stanza.tags[1].attr.count);
	end);

	it("is renewed after a quarter of the life of a credential", function ()
		answer_all(80);
		local before = bridge.made;
		for _ = 1, 19 do
			server:pass(1);
			answer_all(80);
		end
		assert.equal(before, bridge.made);
		server:pass(2);
		answer_all(80);
		assert.equal(before + 8, bridge.made);
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
		assert.equal(1, logged("warn: "..metadata.." lists no TURN server any more, and 1 other services"));
		assert.equal(0, #server.asked);
		connect();
		answer_all(100);
		name, count = username();
		assert.is_string(name);
		assert.equal(3, count);
	end);

	it("leaves out the sets that have lost a credential when others have it still", function ()
		answer_all(100);
		for _ = 1, 24 do
			server:pass(1);
			answer_all(100);
		end
		username();
		server:pass(0);
		answer(table.remove(server.asked, 1), 1000);
		disconnect();
		server:pass(75);
		for _ = 1, 8 do
			local name = username();
			assert.is_string(name);
			assert.equal(bridge.made, tonumber(name:match("%d+")));
		end
	end);

	it("follows what extdisco offers, within seconds, down to the last set", function ()
		answer_all(3600);
		server:pass(6);
		assert.equal("0", server.asked[1].stanza.tags[1].attr.count);
		bridge.mark = "another";
		answer_all(3600, "other.example.org");
		for _ = 1, 5 do
			for _, srv in ipairs(server:get_services(metadata)) do
				assert.is_true(srv.type == "stun" or srv.host == "other.example.org");
			end
			assert.is_string((username()));
		end
		assert.equal(1, logged("What extdisco at "..turn.." gives to "..host.." has changed"));
	end);

	it("follows over a restart of extdisco at once, and leaves all as it is when nothing has changed", function ()
		answer_all(3600);
		local before = bridge.made;
		disconnect();
		connect();
		answer_all(3600);
		assert.equal(before, bridge.made);
		disconnect();
		bridge.mark = "another";
		connect();
		answer_all(3600);
		assert.equal(before + 8, bridge.made);
		for _ = 1, 4 do assert.is_true(tonumber(username():match("%d+")) > before); end
	end);

	it("stays in order when not everybody is offered the same number of servers", function ()
		local asked = 0;
		for round = 1, 40 do
			while #server.asked > 0 do
				asked = asked + 1;
				local question = table.remove(server.asked, 1);
				local reply = st.reply(question.stanza):tag("feed", { xmlns = "extdisco:feed:1", mark = "mark" });
				for i = 1, tonumber(question.stanza.tags[1].attr.count) do
					reply:tag("services", { xmlns = xmlns });
					for server_number = 1, 1 + (round + i) % 2 do
						reply:tag("service", { type = "turn", host = server_number..".example.org", port = "3478", transport = "udp",
							username = round.."."..i, password = "p" }):up();
					end
					reply:up();
				end
				question.answer(reply);
			end
			server:pass(1);
			assert.is_string((username()));
			assert.equal(1, logged("info: "..metadata.." lists"));
		end
		assert.is_true(asked < 120, asked);
	end);

	it("goes on while what has changed cannot be had", function ()
		answer_all(3600);
		server:pass(6);
		bridge.mark = "another";
		answer(table.remove(server.asked, 1), 3600);
		refuse_all("remote-server-timeout");
		assert.is_string((username()));
	end);

	it("follows when extdisco offers less", function ()
		answer_all(3600);
		server:pass(6);
		bridge.mark = "another";
		while #server.asked > 0 do
			local question = table.remove(server.asked, 1);
			local reply = st.reply(question.stanza):tag("feed", { xmlns = "extdisco:feed:1", mark = "another" });
			for _ = 1, tonumber(question.stanza.tags[1].attr.count) do
				reply:tag("services", { xmlns = xmlns })
					:tag("service", { type = "stun", host = "stun.example.org", port = "3478", transport = "udp" }):up():up();
			end
			question.answer(reply);
			server:pass(0);
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
		question.answer(st.reply(question.stanza):tag("feed", { xmlns = "extdisco:feed:1" })
			:tag("services", { xmlns = xmlns })
			:tag("service", { type = "turn", host = "turn.example.org", port = "3478", username = "name only" }):up()
			:tag("service", { type = "turns", host = "turn.example.org", port = "5349" }):up()
			:tag("service", { type = "stun", host = "stun.example.org", port = "3478" }));
		local services = server:get_services(question.stanza.tags[1] and metadata);
		if #services == 0 then services = server:get_services(host); end
		assert.equal(1, #services);
		assert.equal("stun", services[1].type);
	end);

	it("survives a reload", function ()
		answer_all(3600);
		local before = { [username()] = true };
		server:reload(turn, "extdisco_bridge");
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
		server:unload(turn, "extdisco_bridge");
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
		for _ = 1, 600 do
			refuse_all("forbidden");
			server:pass(1);
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
		for _ = 1, 31 do
			server:pass(1);
			answer_all(3600);
		end
		assert.equal(1, logged("info: extdisco at "..turn.." gives credentials for the list of "..host.." again"));
	end);

	it("understands an error that mod_component sends back", function ()
		load_bridge({ extdisco_feed_hosts = {} });
		connect();
		local question = table.remove(server.asked, 1);
		question.answer(st.error_reply(question.stanza, "wait", "remote-server-timeout", "Component unavailable"));
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

