-- names: the names of keys, by the rule of tidegate/storage/names.py, which lists all kinds.
--
-- tests/storage/test_names.py builds names on both sides and compares them. Texts that reach the scripts as part of a
-- Reservation or a Charge (scopes, days, ids of requests) are escaped already; the names of lanes and flows are not.

local LANE_VERSION = '.2'

local function name_escape(text)
  return (string.gsub(text, '[%%:]', { ['%'] = '%25', [':'] = '%3A' }))
end

local function name_of(prefix, kind, text)
  return prefix .. ':' .. kind .. ':' .. text
end

local function name_of_period(prefix, kind, scope, period)
  return prefix .. ':' .. kind .. ':' .. scope .. ':' .. period
end

local function name_of_lane(prefix, kind, lane)
  return prefix .. ':' .. kind .. LANE_VERSION .. ':' .. name_escape(lane)
end
