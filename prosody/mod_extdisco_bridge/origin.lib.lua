-- Where users come from. extdisco can choose relays that are near to them, and says so when
-- it wants to know.
--
-- The address of a session goes into the attribute origin of the request. Users write the
-- stanzas that they send to a component themselves; so a key comes first that only Prosody
-- and extdisco can compute, from the component's secret.

local hmac_sha256 = require "util.hashes".hmac_sha256;
local new_ip = require "util.ip".new_ip;

local function hex(text)
	return (text:gsub(".", function (byte) return ("%02x"):format(byte:byte()); end));
end

-- Returns what knows. Without the component's secret it says nothing.
local function new(secret)
	local origin = {};
	local wanted = false;
	local key = secret and hmac_sha256(secret, "extdisco origin", true):sub(1, 32);

	-- Returns whether addresses are wanted now and were not before.
	function origin.want(wants)
		local before = wanted;
		wanted = wants;
		return wants and not before;
	end

	-- Returns the attribute for a user, by its full JID, as it is written into a stanza. The
	-- address is the one that Prosody has for the session, which behind a proxy is that of
	-- the client.
	function origin.attribute(jid)
		local session = wanted and key and prosody.full_sessions[jid];
		local ip = session and session.ip and new_ip(session.ip);
		if not ip then return ""; end
		return " origin='"..key.."-"..hex(ip.packed).."'";
	end

	function origin.save() return wanted; end
	function origin.restore(saved) wanted = saved; end

	return origin;
end

return new;
