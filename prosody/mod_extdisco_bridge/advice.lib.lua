-- What an administrator has to change, said once all hosts are there.

-- Options of the lists that Prosody's own modules make.
local list_options = { "external_services", "external_service_secret", "turn_external_host", "turn_external_secret",
	"turncredentials", "turncredentials_secret" };

local advice = {};

local function is_empty(value)
	return value == nil or value == "" or value == false or type(value) == "table" and next(value) == nil;
end

local function in_words(names)
	return table.concat(names, ", "):gsub(", ([^,]*)$", " and %1");
end

-- Names an old list once, with all hosts that it is set for.
function advice.old_lists(served)
	local options, hosts = {}, {};
	for _, name in ipairs(list_options) do
		local found = false;
		for _, host in ipairs(served) do
			if prosody.hosts[host] and not is_empty(module:context(host):get_option(name)) then
				found, hosts[host] = true, true;
			end
		end
		if found then table.insert(options, name); end
	end
	if #options == 0 then return; end
	local names = {};
	for host in pairs(hosts) do table.insert(names, host); end
	table.sort(names);
	module:log("warn", "Prosody still has a list of TURN servers of its own for %s, which clients are given as well; "
		.."delete %s from its configuration and restart it", in_words(names), in_words(options));
end

function advice.delegations(served)
	for _, host in ipairs(served) do
		if prosody.hosts[host] and (module:context(host):get_option("delegations") or {})["urn:xmpp:extdisco:2"] then
			module:log("warn", "Requests on %s are delegated too, which comes first and takes Jitsi's own requests as well; "
				.."delete urn:xmpp:extdisco:1 and urn:xmpp:extdisco:2 from its delegations", host);
		end
	end
end

local function virtual_hosts()
	local names = {};
	for name, host in pairs(prosody.hosts) do
		if host.type == "local" then table.insert(names, ("%q"):format(name)); end
	end
	table.sort(names);
	return table.concat(names, ", ");
end

-- served are the hosts that requests are answered for, option what named them.
function advice.hosts(served, named, option)
	for _, host in ipairs(served) do
		if not prosody.hosts[host] then
			module:log("error", named and "%s names %q, which is no host of this server; correct it. Its virtual hosts: %s"
				or "%s is not set, and %q, the parent domain of this component, is no host of this server; set it. Virtual hosts here: %s",
				option, host, virtual_hosts());
		end
	end
end

function advice.connection(is_connected)
	if is_connected then return; end
	module:log("warn", "extdisco is not connected as %s; start it with jid = %q and the address of this server in its config.toml, and see its log",
		module.host, module.host);
end

return advice;
