-- The list of one host: what get_services() of mod_external_services returns there. An
-- item belongs to the host of the module that adds it, so that the module is loaded
-- there too. The instance on the component fills the list.

local modulemanager = require "core.modulemanager";

local listed = {};
local brought_services = not modulemanager.get_module(module.host, "external_services");
local instance = module.environment;
instance.filled_by = false; -- or the component that fills it

-- Puts these items into the list, in place of those before.
function instance.set_items(items)
	for _, item in ipairs(listed) do
		module:remove_item("external_service", item);
	end
	listed = items;
	for _, item in ipairs(items) do
		module:add_item("external_service", item);
	end
end

local ok, err = pcall(module.depends, module, "external_services");
if not ok then
	module:log("error", "mod_external_services is needed on %s and cannot be loaded (%s); "
		.."take \"external_services\" out of modules_disabled", module.host, err);
	module:set_status("warn", "mod_external_services cannot be loaded");
end

-- Who enables the module here as well, or in place of the component, is told.
module:add_timer(1, function ()
	if not instance.filled_by then
		module:log("warn", "extdisco_bridge does nothing on %s: enable it below the Component that extdisco connects as, "
			.."with modules_enabled = { \"extdisco_bridge\" }, and take it out of modules_enabled here", module.host);
	end
end);

function module.save()
	return { items = listed, brought_services = brought_services, filled_by = instance.filled_by };
end

function module.restore(saved)
	brought_services, instance.filled_by = saved.brought_services, saved.filled_by;
	instance.set_items(saved.items or {});
end

local function is_needed_by_others()
	for name, other in pairs(modulemanager.get_modules(module.host) or {}) do
		local dependencies = name ~= module.name and other.module.dependencies;
		if dependencies and dependencies.external_services then return true; end
	end
	return false;
end

-- Takes mod_external_services out again where it is here for our sake only.
function module.unload()
	if brought_services and not module.reloading and not is_needed_by_others() then
		module.dependencies.external_services = nil; -- or this module would be unloaded for it again
		modulemanager.unload(module.host, "external_services");
	end
end
