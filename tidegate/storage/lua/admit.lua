-- admit: may this call go, or is its answer here, or on its way?
--
-- One atomic step before anything is asked upstream. It first decides, then writes.
--   KEYS  1 the stored answer (hash), which counts while it is fresh (`until`)   2 the flight (string: its owner)   3 the ledger (stream)
--   ARGV  1 now, Unix seconds          2 oldest answer that will do, seconds (-1: any)
--         3 look up? 0|1, 2: nothing else  4 claim the flight? 0|1
--         5 owner                      6 lease of the flight, milliseconds
--         7 the ledger entry of a hit, a JSON object; what the stored answer knows of its cost is joined to it
--         8 terms, MessagePack: see limits.lua
--         9 what the call asks of the upstream's lane, MessagePack: a ticket and its terms, see lane.lua, with the
--           lane's name
-- Returns, with what is left of the caller's limits as JSON
--   {'hit', limits, stored at, head, body, account}   the answer; its ledger entry is written
--   {'join', limits, owner, memory}                   somebody is asking; memory is empty where nothing is held
--   {'go', limits, memory, counted, verdict…}         ask, at once or when the lane says so; the flight is yours where
--                                                     you claimed it; counted 0: the budgets' counters are not true; no
--                                                     verdict where no lane was named; a refusal where the call can go
--                                                     elsewhere
--   {'absent'}                                        there is no stored answer, and nothing else was wanted
--   {'busy', eta, full}                               the lane has no room in time
--   {'refuse', what, scope, limit, used, requested, wait}
--   {'rebuild'}                                       a budget's counters are not true: count the ledger first
-- include: holds
-- include: limits

local terms, ticket = cmsgpack.unpack(ARGV[8]), cmsgpack.unpack(ARGV[9])
terms.now = tonumber(ARGV[1])
local p, told = terms.p, {}
local known = redis.call('MGET', p .. ':memory', p .. ':counted', KEYS[2], p .. ':lane:' .. ticket.lane)
local memory = known[1] or holds_memory(p)
local counted, flight = known[2] and true, known[3]
if holds_reap(p, terms.now) then counted = false end
if terms.again then holds_drop(p, terms.id) end

-- whether an answer may be given: `at` and `until` of what is stored, where something is
local function is_fresh(answer)
  return answer[1] and (not answer[2] or terms.now < tonumber(answer[2]))
end

local refusal = limits_refuse_request(terms)
if refusal then
  local spends = ARGV[3] == '0' or ARGV[3] == '1' and not is_fresh(redis.call('HMGET', KEYS[1], 'at', 'until'))
  if spends and not (ARGV[4] == '1' and flight) then
    refusal = limits_longer(refusal, limits_refuse_spending(terms, counted))
  end
  return limits_refused(refusal)
end

if ARGV[3] ~= '0' then
  local answer = redis.call('HMGET', KEYS[1], 'at', 'until', 'head', 'body', 'account')
  local age = is_fresh(answer) and terms.now - tonumber(answer[1])
  if age and (ARGV[2] == '-1' or age <= tonumber(ARGV[2])) then
    limits_take_request(terms, told)
    local entry = ARGV[7]
    if answer[5] ~= '{}' then
      entry = string.sub(entry, 1, -2) .. ',' .. string.sub(answer[5], 2)
    end
    redis.call('XADD', KEYS[3], '*', 'e', entry)
    return { 'hit', limits_json(told), answer[1], answer[3], answer[4], answer[5] }
  end
end

if ARGV[3] == '2' then
  limits_take_request(terms, told)
  return { 'absent' }
end

local owner = ARGV[4] == '1' and flight
refusal = limits_refuse_flight(terms)
if owner and not refusal then
  limits_take_request(terms, told)
  local hold = holds_of(terms)
  if #hold.f == 0 then return { 'join', limits_json(told), owner, '' } end
  holds_take(p, terms, ARGV[8], hold)
  return { 'join', limits_json(told), owner, memory }
end

if not owner then
  if not counted and limits_has_budget(terms) then return { 'rebuild' } end
  refusal = limits_longer(refusal, limits_refuse_spending(terms, counted))
end
if refusal then return limits_refused(refusal) end

-- Nothing refuses any more but the lane. Where the upstream has no limits none of its rules is needed, and making their
-- functions would take as long as a fifth of this script.
local verdict = {}
local state = known[4] and cmsgpack.unpack(known[4])
if state and state.free and ticket.rpm == 0 and ticket.tpm == 0 then
  verdict = { 'granted', state.seq }
elseif ticket.lane ~= '' then
-- include: order
-- include: lane
  local lane = lane_open(p, ticket.lane, terms.now, ticket, known[4])
  local said = lane_ask(lane, ticket)
  if said.kind == 'refused' then
    verdict = { 'refused', string.format('%.6f', said.eta), said.full and 1 or 0 }
    if not ticket.elsewhere then return { 'busy', verdict[2], verdict[3] } end
  elseif said.kind == 'granted' then
    verdict = { 'granted', said.seq }
    lane_take(lane, ticket)
  else
    verdict = { 'queued', said.seq, string.format('%.6f', said.eta), said.ahead }
    lane_queue(lane, ticket, said)
  end
  lane_close(lane)
end

limits_take_request(terms, told)
limits_take_tokens(terms, told)
holds_take(p, terms, ARGV[8], holds_of(terms, ARGV[7]))
if ARGV[4] == '1' then
  redis.call('SET', KEYS[2], ARGV[5], 'PX', ARGV[6])
end
return { 'go', limits_json(told), memory, counted and 1 or 0, unpack(verdict) }
