-- For tests: in the place of Jitsi's module of this name and of the focus behind it, creates
-- the rooms that it is asked for.
--
--   Component "focus.D" "client_proxy"
local jid_host = require "util.jid".host;
local st = require "util.stanza";

module:hook("iq-set/host/http://jitsi.org/protocol/focus:conference", function (event)
	local room = event.stanza.tags[1].attr.room;
	local muc = prosody.hosts[jid_host(room)].modules.muc;
	if not muc.get_room_from_jid(room) then
		muc.create_room(room):set_persistent(true);
	end
	event.origin.send(st.reply(event.stanza):tag("conference",
		{ xmlns = "http://jitsi.org/protocol/focus", room = room, ready = "true" }));
	return true;
end);
