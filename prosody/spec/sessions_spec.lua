local bridge = require "spec.bridge";

local host, guests, metadata, turn, xmlns = bridge.host, bridge.guests, bridge.metadata, bridge.turn, bridge.xmlns;
local answer_all, answer_users, username = bridge.answer_all, bridge.answer_users, bridge.username;
local conference = "conference."..host;
local server, muc, pushed;

local function jid_of(i, at) return "user"..i.."@"..(at or host).."/x"; end

-- Lets time pass while extdisco answers.
local function pass(seconds, ttl)
	for _ = 1, seconds do
		server:pass(1);
		answer_all(ttl);
		answer_users(ttl);
	end
end

-- A host of rooms and Jitsi's module, as far as the bridge sees them.
local function add_rooms()
	server:activate(conference, "component");
	local rooms = {};
	muc = { module = { items = {}, hooked = {} } };
	function muc.get_room_from_jid(jid) return rooms[jid]; end
	function muc.each_room() return function () end; end
	function muc.add(name)
		local room = { jid = name.."@"..conference, occupants = {} };
		function room:get_occupant_by_real_jid(jid) return self.occupants[jid]; end
		rooms[room.jid] = room;
		return room;
	end
	server.modules[conference].muc = muc;
	server.host_options[metadata] = { muc_component = conference };
	local env = server:load(metadata, "room_metadata_component");
	function env.send_metadata(occupant)
		if server.failing then error("no such luck"); end
		table.insert(pushed, { to = occupant.jid, username = (username()) });
	end
end

local function send_metadata(...) return server.modules[metadata].room_metadata_component.send_metadata(...); end

local function join(room, jid)
	local event = { room = room, stanza = { attr = { from = jid } } };
	local early;
	server:fire(conference, "muc-occupant-pre-join", setmetatable(event, { __index = { read = function () early = username(); end } }));
	room.occupants[jid] = { jid = jid };
	send_metadata(room.occupants[jid], room, nil, true);
	return pushed[#pushed].username, early;
end

before_each(function ()
	server, pushed = bridge.new_server(), {};
	add_rooms();
	bridge.load({ extdisco_pool_size = 4 });
	bridge.connect();
	answer_all(3600);
	server:pass(1);
end);

describe("a session's set", function ()
	it("is asked for when the session is bound, in the user's name", function ()
		server:bind(jid_of(1));
		assert.same({ jid_of(1), turn, "get" }, { server.sent[1].stanza.attr.from, server.sent[1].stanza.attr.to, server.sent[1].stanza.attr.type });
	end);

	it("is what the participant gets, and nobody else", function ()
		for i = 1, 50 do server:bind(jid_of(i)); end
		repeat until answer_users(3600) == 0;
		local room, seen = muc.add("room"), {};
		for i = 1, 50 do
			local name = join(room, jid_of(i));
			assert.is_nil(seen[name]);
			seen[name] = true;
			assert.equal(name, join(muc.add("other"), jid_of(i))); -- the same user has the same one
		end
		for _ = 1, 8 do assert.is_nil(seen[username()]); end
	end);

	it("is what a push before the presence gets too", function ()
		server:bind(jid_of(1));
		answer_users(3600);
		local early;
		server.modules[conference].pusher = { module = { items = {} } };
		local pusher = setmetatable({ host = conference }, { __index = server.modules[turn].extdisco_bridge.module });
		pusher:hook("muc-occupant-pre-join", function () early = username(); end, -1000);
		local name = join(muc.add("room"), jid_of(1));
		assert.equal(name, early);
		assert.not_equal(name, username());
	end);

	it("is that of guests and recorders too", function ()
		server:bind(jid_of(1, guests));
		assert.equal(1, answer_users(3600));
	end);

	it("is taken from the pool until it has come, and sent as soon as it has", function ()
		server:bind(jid_of(1));
		local name = join(muc.add("room"), jid_of(1));
		assert.is_string(name);
		assert.equal(1, #pushed);
		answer_users(3600);
		assert.equal(2, #pushed);
		assert.equal("user"..bridge.made, pushed[2].username);
		assert.not_equal(name, pushed[2].username);
	end);

	it("is the user's own answer as well", function ()
		local session = { type = "c2s", full_jid = jid_of(1), host = host };
		server.full_sessions[jid_of(1)] = session;
		local st = require "util.stanza";
		local stanza = st.iq({ type = "get", id = "a1", from = jid_of(1), to = host }):tag("services", { xmlns = xmlns }):up();
		server:fire(host, "iq-get/host/"..xmlns..":services", { origin = session, stanza = stanza });
		answer_users(3600);
		assert.equal("user"..bridge.made, join(muc.add("room"), jid_of(1)));
	end);

	it("is renewed before half of its life is over, and sent to the open rooms", function ()
		server:bind(jid_of(1));
		answer_users(600);
		local before = join(muc.add("room"), jid_of(1));
		pass(265, 600);
		assert.equal(1, #pushed);
		pass(10, 600);
		assert.equal(2, #pushed);
		assert.same({ jid_of(1), true }, { pushed[2].to, pushed[2].username ~= before });
		pass(275, 600);
		assert.equal(3, #pushed);
	end);

	it("is replaced when anything has changed, a hundred a second", function ()
		local room = muc.add("room");
		for i = 1, 250 do
			server:bind(jid_of(i));
			repeat until answer_users(86400) == 0;
			join(room, jid_of(i));
		end
		pushed = {};
		bridge.mark = "another";
		for _, most in ipairs { 0, 0, 0, 0, 0 } do
			server:pass(1);
			answer_all(86400);
			repeat until answer_users(86400) == 0;
			assert.is_true(#pushed >= most);
		end
		pass(1, 86400);
		local first = #pushed;
		assert.is_true(first > 0 and first <= 200, first);
		pass(4, 86400);
		assert.equal(250, #pushed);
		for _, push in ipairs(pushed) do assert.is_true(tonumber(push.username:match("%d+")) > 250); end
	end);

	it("is not sent to those who have left", function ()
		server:bind(jid_of(1));
		answer_users(600);
		local room = muc.add("room");
		join(room, jid_of(1));
		server:fire(conference, "muc-occupant-left", { room = room, occupant = room.occupants[jid_of(1)] });
		room.occupants = {};
		pass(300, 600);
		assert.equal(1, #pushed);
	end);

	it("is dropped with the session", function ()
		server:bind(jid_of(1));
		answer_users(3600);
		server:unbind(jid_of(1));
		bridge.mark = "another";
		pass(10, 3600);
		assert.equal(0, answer_users(3600));
		assert.is_nil(next(server.modules[turn].extdisco_bridge.module.save().sessions.records));
	end);

	it("of a user of a host that is none of ours is dropped too", function ()
		server:activate("corp.example.net", "local");
		server:bind(jid_of(1, "corp.example.net"));
		assert.equal(0, #server.sent);
		join(muc.add("room"), jid_of(1, "corp.example.net"));
		assert.equal(1, answer_users(3600));
		server:unbind(jid_of(1, "corp.example.net"));
		assert.is_nil(next(server.modules[turn].extdisco_bridge.module.save().sessions.records));
	end);

	it("falls back to the pool when extdisco cannot be asked", function ()
		bridge.disconnect();
		server:bind(jid_of(1));
		assert.is_string((join(muc.add("room"), jid_of(1))));
		bridge.connect();
		pass(3, 3600);
		assert.equal(2, #pushed);
	end);

	it("of a user whom extdisco refuses has no credential, until its mark says otherwise", function ()
		local st = require "util.stanza";
		server:bind(jid_of(1));
		local stanza = table.remove(server.sent).stanza;
		server:arrive(st.error_reply(stanza, "auth", "forbidden"), bridge.link);
		assert.is_nil(join(muc.add("room"), jid_of(1)));
		pass(300, 3600);
		assert.equal(1, #pushed);
		for _, srv in ipairs(server:get_services(metadata)) do assert.is_true(srv.type == "stun" or srv.username ~= nil); end
		bridge.mark = "another";
		pass(10, 3600);
		assert.equal(2, #pushed);
		assert.is_string(pushed[2].username);
	end);

	it("of a user whom extdisco serves no more is taken away at once", function ()
		local st = require "util.stanza";
		for i = 1, 2 do server:bind(jid_of(i)); end
		repeat until answer_users(3600) == 0;
		local room = muc.add("room");
		for i = 1, 2 do assert.is_string(join(room, jid_of(i))); end
		for change = 1, 2 do -- the second one tells it nothing that it does not know
			pushed, bridge.mark = {}, bridge.mark.."x";
			for _ = 1, 10 do
				server:pass(1);
				answer_all(3600);
				for i = #server.sent, 1, -1 do
					local stanza = server.sent[i].stanza;
					if stanza.attr.from == jid_of(1) then
						table.remove(server.sent, i);
						server:arrive(st.error_reply(stanza, "auth", "forbidden"), bridge.link);
					end
				end
				answer_users(3600);
			end
			local told = {};
			for _, p in ipairs(pushed) do table.insert(told, p.to.." "..tostring(p.username ~= nil)); end
			table.sort(told);
			assert.same(change == 1 and { jid_of(1).." false", jid_of(2).." true" } or { jid_of(2).." true" }, told);
		end
	end);

	it("is asked for again after other errors, less and less often", function ()
		local st = require "util.stanza";
		server:bind(jid_of(1));
		local count = 0;
		for _ = 1, 300 do
			while #server.sent > 0 do
				count = count + 1;
				server:arrive(st.error_reply(table.remove(server.sent).stanza, "wait", "resource-constraint"), bridge.link);
			end
			server:pass(1);
			answer_all(3600);
		end
		assert.is_true(count > 5 and count < 14, count);
		pass(60, 3600);
		assert.equal("user"..bridge.made, join(muc.add("room"), jid_of(1)));
	end);

	it("is asked for with at most 32 requests at a time", function ()
		for i = 1, 1000 do server:bind(jid_of(i)); end
		assert.equal(32, #server.sent);
		local total = 0;
		while #server.sent > 0 do
			assert.is_true(#server.sent <= 32);
			local st = require "util.stanza";
			server:arrive(bridge.add_services(st.reply(table.remove(server.sent, 1).stanza), 3600), bridge.link);
			total = total + 1;
		end
		assert.equal(1000, total);
	end);

	it("survives a reload, and so does what is renewed", function ()
		server:bind(jid_of(1));
		answer_users(600);
		local before = join(muc.add("room"), jid_of(1));
		server.modules[turn].component.session = bridge.link;
		server:reload(turn, "extdisco_bridge");
		server:pass(1);
		assert.equal(before, join(muc.add("other"), jid_of(1)));
		pushed = {};
		pass(280, 600);
		assert.equal(2, #pushed); -- one for each room
	end);

	it("asks for nobody where nothing is pushed", function ()
		server = bridge.new_server();
		bridge.load();
		bridge.connect();
		server:bind(jid_of(1));
		assert.equal(0, #server.sent);
	end);

	it("leaves no trace in Jitsi's module after an unload", function ()
		local wrapped = send_metadata;
		local before = server.modules[metadata].room_metadata_component.send_metadata;
		server:unload(turn, "extdisco_bridge");
		assert.not_equal(before, server.modules[metadata].room_metadata_component.send_metadata);
		assert.is_not_nil(wrapped);
		for _, handlers in pairs(server.hosts[conference].handlers) do assert.equal(0, #handlers); end
	end);

	it("is there without Jitsi's function too, and one line says so", function ()
		server = bridge.new_server();
		pushed = {};
		add_rooms();
		server.modules[metadata].room_metadata_component.send_metadata = nil;
		bridge.load();
		bridge.connect();
		answer_all(3600);
		server:bind(jid_of(1));
		pass(3600, 600);
		assert.equal(1, bridge.logged("There is no send_metadata"));
	end);

	it("that cannot be sent is in the log, and nothing else breaks", function ()
		server:bind(jid_of(1));
		answer_users(600);
		join(muc.add("room"), jid_of(1));
		server.failing = true;
		pass(300, 600);
		assert.is_true(bridge.logged("warn: Jitsi's room metadata cannot be sent to a participant again") > 0);
		assert.is_string((username()));
	end);
end);
