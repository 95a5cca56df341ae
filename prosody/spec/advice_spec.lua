-- Run from the folder above: see the target lua of the Makefile.

local bridge = require "spec.bridge";

local host, guests, metadata, turn, xmlns, connect, answer_all, logged =
	bridge.host, bridge.guests, bridge.metadata, bridge.turn, bridge.xmlns, bridge.connect, bridge.answer_all, bridge.logged;
local load_bridge = bridge.load;
local server;

before_each(function () server = bridge.new_server(); end);

describe("a wrong configuration", function ()
	it("names the host that is none of this server", function ()
		load_bridge({ extdisco_hosts = { "meat.example.org" } });
		assert.equal(1, logged('error: extdisco_hosts names "meat.example.org", which is no host of this server; correct it. '
			..'Its virtual hosts: "'..guests..'", "'..host..'"'));
	end);

	it("says what to set when the parent domain is no host", function ()
		server.hosts[host], server.modules[host] = nil, nil;
		load_bridge();
		assert.equal(1, logged('error: extdisco_hosts is not set, and "'..host..'", the parent domain of this component'));
	end);

	it("on a virtual host says where it belongs", function ()
		server:load(host, "extdisco_bridge", {});
		server:pass(2);
		assert.equal(1, logged("warn: extdisco_bridge does nothing on "..host..": enable it below the Component"));
		assert.equal(0, #server:get_services(host));
	end);

	it("on a virtual host and on the component does no harm", function ()
		server:load(host, "extdisco_bridge", {});
		load_bridge();
		connect();
		answer_all(3600);
		server:pass(2);
		assert.equal(0, logged("does nothing"));
		assert.equal(3, #server:get_services(host));
		server:unload(turn, "extdisco_bridge");
		assert.equal(0, #server:get_services(host));
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

	it("names an old list once, with what to delete, and a delegation", function ()
		load_bridge({ external_service_secret = "s", external_services = { {} }, turncredentials = {}, turn_external_secret = "s",
			delegations = { [xmlns] = {} } });
		assert.equal(1, logged("warn: Prosody still has a list of TURN servers of its own for "..host.." and "..metadata
			..", which clients are given as well; delete external_services, external_service_secret and turn_external_secret from its configuration"));
		assert.equal(1, logged("are delegated too"));
	end);

	it("does not name an empty list", function ()
		load_bridge({ external_service_secret = "", external_services = {}, turncredentials = {} });
		assert.equal(0, logged("list of TURN servers"));
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
		assert.equal(2, logged('take "external_services" out of modules_disabled')); -- on two hosts
	end);
end);
