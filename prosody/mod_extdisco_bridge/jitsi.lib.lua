-- Jitsi Meet: whom its room metadata is for, and sending it again.
--
-- mod_room_metadata_component reads get_services() on its own host when a participant
-- joins, and sends what it got to that participant. Its function send_metadata(occupant,
-- room, nil, true) does that at any time.

local modulemanager = require "core.modulemanager";

-- Returns what follows the rooms of Jitsi Meet. It tells sessions whom a call of
-- get_services() is for, and has follow(host) see to the end of sessions there.
local function new(sessions, follow)
	local jitsi = {};
	local metadata_hosts = {}; -- by the host of the rooms
	local watched = {}; -- hosts of rooms
	local wrapped = {}; -- by metadata host: Jitsi's function and ours
	local told_missing = {};

	local function rooms_of(muc_host)
		return prosody.hosts[muc_host] and prosody.hosts[muc_host].modules.muc;
	end

	local function take_note(jid, room)
		local session = prosody.full_sessions[jid];
		if not session then return; end -- a user of another server
		follow(session.host);
		sessions.bind(jid, session.host).rooms[room.jid] = true;
	end

	-- Runs just before whatever pushes to those who join.
	local function on_joining(event)
		local jid = event.stanza.attr.from;
		take_note(jid, event.room);
		sessions.read_as(jid);
	end

	local function on_joining_done()
		sessions.read_as(nil);
	end

	local function on_left(event)
		local record = sessions.get(event.occupant.jid);
		if record then record.rooms[event.room.jid] = nil; end
	end

	-- Takes note of who is in a room already, when the module is loaded while the server runs.
	local function look_around(muc)
		for room in muc.each_room(true) do
			for _, occupant in room:each_occupant() do
				for jid in occupant:each_session() do take_note(jid, room); end
			end
		end
	end

	local function watch_rooms(muc_host)
		local muc = rooms_of(muc_host);
		if watched[muc_host] or not muc then return; end
		watched[muc_host] = true;
		local context = module:context(muc_host);
		context:hook("muc-occupant-pre-join", on_joining, -999);
		context:hook("muc-occupant-pre-join", on_joining_done, -1001);
		context:hook("muc-occupant-left", on_left);
		if muc.each_room then look_around(muc); end
	end

	-- Has Jitsi's function tell whom it reads get_services() for.
	local function wrap(host)
		local instance = modulemanager.get_module(host, "room_metadata_component");
		local original = instance and rawget(instance, "send_metadata");
		if not original then return false; end
		if wrapped[host] and wrapped[host].ours == original then return true; end
		local function ours(occupant, ...)
			sessions.read_as(occupant.jid);
			local ok, result = pcall(original, occupant, ...);
			sessions.read_as(nil);
			if not ok then error(result, 0); end
			return result;
		end
		instance.send_metadata = ours;
		wrapped[host] = { instance = instance, original = original, ours = ours };
		return true;
	end

	-- Follows the rooms that the metadata of this host is about. Returns whether there are any.
	function jitsi.serve(host)
		if prosody.hosts[host].type ~= "component" then return false; end
		local context = module:context(host);
		local found = false;
		for _, name in ipairs { "muc_component", "breakout_rooms_component" } do
			local muc_host = context:get_option_string(name);
			if muc_host then
				metadata_hosts[muc_host], found = host, true;
				watch_rooms(muc_host);
			end
		end
		return found;
	end

	function jitsi.host_deactivated(host)
		watched[host], wrapped[host] = nil, nil;
	end

	-- Runs every second: hosts and modules come and go.
	function jitsi.tick()
		sessions.read_as(nil);
		for muc_host, host in pairs(metadata_hosts) do
			watch_rooms(muc_host);
			if prosody.hosts[host] and not wrap(host) and not told_missing[host] then
				told_missing[host] = true;
				module:log("debug", "There is no send_metadata of mod_room_metadata_component on %s; credentials in open rooms are not renewed", host);
			end
		end
	end

	-- Has the metadata sent again to a participant, in all its rooms. Returns whether it
	-- was in any.
	function jitsi.push(record)
		local pushed = false;
		for room_jid in pairs(record.rooms) do
			local muc_host = room_jid:match("@(.*)$");
			local muc, host = rooms_of(muc_host), metadata_hosts[muc_host];
			local room = muc and muc.get_room_from_jid(room_jid);
			local occupant = room and room:get_occupant_by_real_jid(record.jid);
			if not occupant then
				record.rooms[room_jid] = nil;
			elseif host and wrapped[host] then
				local ok, err = pcall(wrapped[host].instance.send_metadata, occupant, room, nil, true);
				if not ok then module:log("warn", "Jitsi's room metadata cannot be sent to a participant again: %s", err); end
				pushed = ok or pushed;
			end
		end
		return pushed;
	end

	-- Gives Jitsi's function back.
	function jitsi.close()
		for _, w in pairs(wrapped) do
			if rawget(w.instance, "send_metadata") == w.ours then w.instance.send_metadata = w.original; end
		end
	end

	return jitsi;
end

return new;
