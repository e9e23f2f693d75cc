-- repair_run: run a script that failed once more, and set aside the key that stopped it.
--
-- `repairing` in tidegate/storage/repair.py puts the script's text in the place of `repair_main`, where `redis` is a table
-- that notes what the script touches. If it fails again, the key to blame is the one that a command refused for its type
-- or value; or what should be a number, a reservation or a charge, and is none; or else everything touched that can be
-- spared. Then the script fails with `REPAIRED` and their kinds, and its caller runs it again. What it had written before
-- it failed remains, as it did the first time: all scripts may be run twice.
-- include: repair

local repair_redis, repair_touched, repair_refused, repair_unwell = redis, {}, nil, false
local REPAIR_NUMBERS = { rpm = true, tpm = true, rpd = true, spent = true, held = true, memory = true }
local REPAIR_NEEDED = { ledger = true, alive = true, processes = true, run = true, doubt = true, late = true }

local function repair_call(command, ...)
  local key = ...
  for _, name in ipairs(command == 'MGET' and { ... } or { key }) do repair_touched[#repair_touched + 1] = name end
  local reply = repair_redis.pcall(command, ...)
  if type(reply) == 'table' and reply.err then
    local of_value = string.find(reply.err, 'WRONGTYPE') or string.find(reply.err, 'not an integer')
    if of_value then repair_refused = key else repair_unwell = true end
    error(reply.err, 0)
  end
  return reply
end

local function repair_is_reservation(packed)
  local _, request = cmsgpack.unpack_one(packed)
  for _, scope in ipairs(request.scopes) do
    if type(scope.n) ~= 'string' then return false end
  end
  return type(request.n) == 'table' and type(request.id) == 'string' and type(request.d .. request.m) == 'string'
    and type(request.c + request.k) == 'number'
end

local function repair_is_charge(encoded)
  local charge = cjson.decode(encoded)
  return type(charge.n) == 'table' and type(charge.d .. charge.m) == 'string' and type(charge.c + charge.b) == 'number'
end

local REPAIR_CHECKS = { holds = repair_is_reservation, lost = repair_is_reservation, journal = repair_is_charge }

local function repair_is_readable(kind, key)
  local held = repair_redis.call('TYPE', key).ok
  if held == 'none' then return true end
  if REPAIR_NUMBERS[kind] then return held == 'string' and tonumber(repair_redis.call('GET', key)) ~= nil end
  if REPAIR_CHECKS[kind] then
    if held ~= 'hash' then return false end
    for _, value in ipairs(repair_redis.call('HVALS', key)) do
      local done, fine = pcall(REPAIR_CHECKS[kind], value)
      if not (done and fine) then return false end
    end
  end
  return true
end

-- Return the kinds that were set aside.
local function repair_what_stopped()
  if repair_refused then return { repair(repair_refused) } end
  local kinds = {}
  for _, spares in ipairs({ false, true }) do
    for _, key in ipairs(#kinds == 0 and repair_touched or {}) do
      local _, kind = repair_kind(key)
      local blamed = kind and not repair_is_readable(kind, key)
      if kind and spares then blamed = not REPAIR_MONEY[kind] and not REPAIR_NEEDED[kind] end
      if blamed then kinds[#kinds + 1] = repair(key) end
    end
  end
  return kinds
end

local function repair_main(redis)
  -- the script
end

local repair_done, repair_reply = pcall(repair_main, setmetatable({ call = repair_call }, { __index = redis }))
if repair_done then return repair_reply end
local repair_kinds = repair_unwell and {} or repair_what_stopped()
error(#repair_kinds > 0 and 'REPAIRED ' .. table.concat(repair_kinds, ' ') .. ';' or repair_reply, 0)
