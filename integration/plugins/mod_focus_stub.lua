-- For tests: creates the rooms that it is asked for, as Jitsi's focus does.
--
--   Component "focus.D" "focus_stub"
--     muc_component = "conference.D"
local st = require "util.stanza";
local rooms = module:get_option_string("muc_component");

module:hook("iq-set/host/http://jitsi.org/protocol/focus:conference", function (event)
	local room = event.stanza.tags[1].attr.room;
	local muc = prosody.hosts[rooms].modules.muc;
	if not muc.get_room_from_jid(room) then
		muc.create_room(room):set_persistent(true);
	end
	event.origin.send(st.reply(event.stanza):tag("conference",
		{ xmlns = "http://jitsi.org/protocol/focus", room = room, ready = "true" }));
	return true;
end);
