-- settle: a call has ended; charge it, write its ledger entry, store its response, end its flight.
--
-- One atomic step before the last byte leaves, so that a crash after the response loses no charge. Running it again for
-- the same call charges nothing.
--   KEYS  1 the stored response (hash)   2 the flight (string: its owner)   3 the ledger (stream)
--         4 the fingerprints of an end user's stored responses (sorted set, by the time at which each expires)
--   ARGV  1 the ledger entry, a JSON object
--         2 owner, empty where no flight was claimed
--         3 milliseconds to keep the response; 0: do not store it
--         4 now, Unix seconds   5 head   6 body   7 account: what a hit adds to its ledger entry, a JSON object
--         8 prefix              9 the Charge, MessagePack: see reservations.lua
--        10 until when the response is fresh, Unix seconds; it is stored for longer, for when the upstream fails
--        11 the response's fingerprint           12 the digest of the end user, empty where none is named
--        13 the project, as it stands in names   14 the bytes that its responses may take   15 those of all projects
--        16 when the call began, Unix seconds    17 the model as its caller named it        18 the request's id
-- Returns 1
-- include: names
-- include: reservations

-- Store the response and name it in the index of the end user. KEYS[4] is kept as long as the response that is kept
-- longest.
local function store_response(now, keep_ms)
  local fields = {
    'at', ARGV[4], 'head', ARGV[5], 'body', ARGV[6], 'account', ARGV[7], 'until', ARGV[10],
    'in', ARGV[13], 'model', ARGV[17], 'by', ARGV[18],
  }
  if ARGV[12] ~= '' then fields[17], fields[18] = 'of', ARGV[12] end
  redis.call('HSET', KEYS[1], unpack(fields))
  redis.call('PEXPIRE', KEYS[1], keep_ms)
  if ARGV[12] == '' then return end
  redis.call('ZREMRANGEBYSCORE', KEYS[4], 0, now)
  redis.call('ZADD', KEYS[4], now + keep_ms / 1000, ARGV[11])
  if redis.call('PTTL', KEYS[4]) < keep_ms then redis.call('PEXPIRE', KEYS[4], keep_ms) end
end

-- Return whether a purge since the call began selects its response. {p}:purged (hash) has the moment of each purge, by what
-- it selects: `all`, `request:ID`, `project:NAME`, `model:NAME` or `project:NAME:model:NAME`, with escaped names.
local function is_purged()
  local project, model = 'project:' .. ARGV[13], 'model:' .. name_escape(ARGV[17])
  local request = 'request:' .. name_escape(ARGV[18])
  local key = ARGV[8] .. ':purged'
  local moments = redis.call('HMGET', key, 'all', request, project, model, project .. ':' .. model)
  for n = 1, 5 do
    if moments[n] and tonumber(ARGV[16]) <= tonumber(moments[n]) then return true end
  end
end

reservations_settle(ARGV[8], cmsgpack.unpack(ARGV[9]), tonumber(ARGV[4]))
redis.call('XADD', KEYS[3], '*', 'e', ARGV[1])
-- The functions of the include are created only where they are needed.
if ARGV[3] ~= '0' and not is_purged() then
-- include: answers
  local now, keep_ms = tonumber(ARGV[4]), tonumber(ARGV[3])
  local bytes, share, room = #ARGV[5] + #ARGV[6] + #ARGV[7], tonumber(ARGV[14]), tonumber(ARGV[15])
  if answers_admit(ARGV[8], ARGV[13], ARGV[11], bytes, now + keep_ms / 1000, share, room) then
    store_response(now, keep_ms)
  end
end
if ARGV[2] ~= '' and redis.call('GET', KEYS[2]) == ARGV[2] then
  redis.call('DEL', KEYS[2])
end
return 1
