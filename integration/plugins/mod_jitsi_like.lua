-- For tests: what Jitsi's modules do with the same requests. A participant check at
-- priority 100, here of the resource, and credentials that are no TURN credentials.
for _, xmlns in ipairs { "urn:xmpp:extdisco:2", "urn:xmpp:extdisco:1" } do
	module:hook("iq-get/host/"..xmlns..":services", function (event)
		if event.stanza.attr.from:match("/(.*)") ~= "barred" then return; end
		event.origin.send(require "util.stanza".error_reply(event.stanza, "auth", "forbidden", "not in the room"));
		return true;
	end, 100);
end

module:hook("external_service/credentials", function (event)
	for wanted in event.requested_credentials:items() do
		local host = wanted:match("^short%-lived%-token:(.*):0$");
		if host then
			event.services:push({ type = "short-lived-token", host = host, transport = "https", port = 443,
				password = "token", restricted = true, expires = os.time() + 60 });
		end
	end
end);
