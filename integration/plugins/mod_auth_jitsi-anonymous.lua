-- For tests: lets anybody in, as Jitsi's module of this name does.
local new_sasl = require "util.sasl".new;

module:provides("auth", {
	get_sasl_handler = function ()
		return new_sasl(module.host, { anonymous = function () return true; end });
	end;
	user_exists = function () return nil; end;
});
