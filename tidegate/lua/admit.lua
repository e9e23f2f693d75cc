-- admit: may this call go, or is its answer here, or on its way?
--
-- One atomic step before anything is asked upstream.
--   KEYS  1 the stored answer (hash)   2 the flight (string: its owner)   3 the ledger (stream)
--   ARGV  1 now, Unix seconds          2 oldest answer that will do, seconds (-1: any)
--         3 look up? 0|1               4 claim the flight? 0|1
--         5 owner                      6 lease, milliseconds
--         7 the ledger entry of a hit, a JSON object; what the stored answer knows of its cost is joined to it
-- Returns
--   {'hit', stored at, head, body, account}   the answer; its ledger entry is written
--   {'join', owner}                           somebody is asking
--   {'go'}                                    ask; the flight is yours where you claimed it
if ARGV[3] == '1' then
  local answer = redis.call('HMGET', KEYS[1], 'at', 'head', 'body', 'account')
  local age = answer[1] and tonumber(ARGV[1]) - tonumber(answer[1])
  if age and (ARGV[2] == '-1' or age <= tonumber(ARGV[2])) then
    local entry = ARGV[7]
    if answer[4] ~= '{}' then
      entry = string.sub(entry, 1, -2) .. ',' .. string.sub(answer[4], 2)
    end
    redis.call('XADD', KEYS[3], '*', 'e', entry)
    return {'hit', answer[1], answer[2], answer[3], answer[4]}
  end
end
if ARGV[4] == '1' then
  local owner = redis.call('GET', KEYS[2])
  if owner then
    return {'join', owner}
  end
  redis.call('SET', KEYS[2], ARGV[5], 'PX', ARGV[6])
end
return {'go'}
