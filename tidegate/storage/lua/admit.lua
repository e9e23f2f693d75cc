-- admit: decide in one atomic step whether a call is answered from the cache, joins a call in flight, goes upstream or is
-- rejected, and write down the decision.
--
-- The order of the checks gives every call the cheapest answer that it may have:
--   1. Charge calls whose process died (reservations_reap), so that their money and slots count correctly below.
--   2. Requests a minute and a day count for every call, also for one that the cache answers. Buckets are GCRA: one number
--      each, see limits.lua. If they reject, the tokens and budgets of a call that would go upstream are checked as well,
--      so that the wait returned is the longest of all.
--   3. A fresh stored response ends the script as a hit: it takes a request, but no tokens, no money and no slot.
--   4. Calls in flight are limited for calls that join and for calls that go upstream.
--   5. A call that may join the flight of an identical call waits for it. It reserves no money, only its slot in flight.
--   6. A call that goes upstream is checked against its tokens and budgets. A budget whose counters are not valid stops the
--      script with `rebuild`.
--   7. The lane, which is the upstream's capacity for one credential and model, grants the call, queues it or rejects it
--      because it would wait beyond its deadline; see capacity.lua.
-- A call that is rejected takes nothing: capacity and limits are written only after the last check has passed. The two
-- exceptions concern earlier reservations: step 1, and a call that is admitted a second time gives up its first one.
--
--   KEYS  1 the stored response (hash), valid while it is fresh (`until`)   2 the flight (string: its owner)
--         3 the ledger (stream)
--   ARGV  1 now, Unix seconds          2 the largest age of a stored response, seconds (-1: any)
--         3 look in the cache? 0|1, 2: only in the cache   4 claim the flight? 0|1
--         5 owner                      6 lease of the flight, milliseconds
--         7 the ledger entry of a hit, a JSON object; the cost figures of the stored response are joined to it
--         8 the Reservation, MessagePack: see limits.lua
--         9 the SlotRequest, MessagePack: the lane's name, and the entry and configured limits of capacity.lua
-- Returns, with what remains of the caller's limits as JSON
--   {'hit', limits, stored at, head, body, account, fresh until}   the stored response; its ledger entry is written
--   {'join', limits, owner, data set id}              wait for the owner of the flight; the id is empty where nothing is
--                                                     reserved
--   {'go', limits, data set id, counted, verdict…}    go upstream, now or when the lane grants it; the flight is claimed if
--                                                     ARGV 4 asked for it; counted 0: the budget counters are not valid; no
--                                                     verdict where no lane was named; the verdict may be a rejection where
--                                                     the call has an alternative to this lane
--   {'absent'}                                        there is no stored response, and only that was requested
--   {'busy', eta, full}                               the lane cannot serve the call before its deadline
--   {'refuse', kind, scope, limit, used, requested, wait}   a limit or budget rejects the call
--   {'rebuild'}                                       the budget counters are not valid: rebuild them from the ledger first
-- include: names
-- include: reservations
-- include: limits

local request, entry = cmsgpack.unpack(ARGV[8]), cmsgpack.unpack(ARGV[9])
request.now = tonumber(ARGV[1])
local prefix, remaining = request.p, {}
local lane_key = name_of_lane(prefix, 'lane', entry.lane)
local values = redis.call('MGET', prefix .. ':memory', prefix .. ':counted', KEYS[2], lane_key)
local dataset = values[1] or dataset_id(prefix)
local counted, flight = reservations_are_counted(values[2], request.z, limits_has_week(request)), values[3]
if reservations_reap(prefix, request.now) then counted = false end
if request.again then reservations_drop(prefix, request.id) end

-- Return whether a stored response is fresh, by its fields `at` and `until`.
local function is_fresh(answer)
  return answer[1] and (not answer[2] or request.now < tonumber(answer[2]))
end

local rejection = limits_check_requests(request)
if rejection then
  local spends = ARGV[3] == '0' or ARGV[3] == '1' and not is_fresh(redis.call('HMGET', KEYS[1], 'at', 'until'))
  if spends and not (ARGV[4] == '1' and flight) then
    rejection = limits_longer_wait(rejection, limits_check_spending(request, counted))
  end
  return limits_rejection_reply(rejection)
end

if ARGV[3] ~= '0' then
  local answer = redis.call('HMGET', KEYS[1], 'at', 'until', 'head', 'body', 'account')
  local age = is_fresh(answer) and request.now - tonumber(answer[1])
  if age and (ARGV[2] == '-1' or age <= tonumber(ARGV[2])) then
    limits_take_request(request, remaining)
    local ledger_entry = ARGV[7]
    if answer[5] ~= '{}' then
      ledger_entry = string.sub(ledger_entry, 1, -2) .. ',' .. string.sub(answer[5], 2)
    end
    redis.call('XADD', KEYS[3], '*', 'e', ledger_entry)
    return { 'hit', limits_json(remaining), answer[1], answer[3], answer[4], answer[5], answer[2] or '' }
  end
end

if ARGV[3] == '2' then
  limits_take_request(request, remaining)
  return { 'absent' }
end

local owner = ARGV[4] == '1' and flight
rejection = limits_check_concurrency(request)
if owner and not rejection then
  limits_take_request(request, remaining)
  local stored = reservations_new(request)
  if #stored.f == 0 then return { 'join', limits_json(remaining), owner, '' } end
  reservations_store(prefix, request, ARGV[8], stored)
  return { 'join', limits_json(remaining), owner, dataset }
end

if not owner then
  if not counted and limits_has_budget(request) then return { 'rebuild' } end
  rejection = limits_longer_wait(rejection, limits_check_spending(request, counted))
end
if rejection then return limits_rejection_reply(rejection) end

-- Only the lane can still reject the call. Where the upstream has no limits its rules are not needed, and creating their
-- functions (the two includes) would take a fifth of the time of this script.
local verdict = {}
local state = values[4] and cmsgpack.unpack(values[4])
if state and state.free and entry.rpm == 0 and entry.tpm == 0 then
  verdict = { 'granted', state.seq }
elseif entry.lane ~= '' then
-- include: fair_queue
-- include: capacity
  local lane = capacity_open(prefix, entry.lane, request.now, entry, values[4])
  local decision = capacity_decide(lane, entry)
  if decision.kind == 'refused' then
    verdict = { 'refused', string.format('%.6f', decision.eta), decision.full and 1 or 0 }
    if not entry.elsewhere then return { 'busy', verdict[2], verdict[3] } end
  elseif decision.kind == 'granted' then
    verdict = { 'granted', decision.seq }
    capacity_consume(lane, entry)
  else
    verdict = { 'queued', decision.seq, string.format('%.6f', decision.eta), decision.ahead }
    capacity_enqueue(lane, entry, decision)
  end
  capacity_close(lane)
end

limits_take_request(request, remaining)
limits_take_tokens(request, remaining)
limits_take_near(request, remaining)
reservations_store(prefix, request, ARGV[8], reservations_new(request, ARGV[7]))
if ARGV[4] == '1' then
  redis.call('SET', KEYS[2], ARGV[5], 'PX', ARGV[6])
end
return { 'go', limits_json(remaining), dataset, counted and 1 or 0, unpack(verdict) }
