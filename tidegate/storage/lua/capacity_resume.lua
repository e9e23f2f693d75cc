-- capacity_resume: end the waits that the upstream asked of one credential, in all of its lanes.
--
--   ARGV  1 prefix   2 now, Unix seconds   3 the beginning of the lanes' names: '<provider>/<credential>/'
--         4 … further lanes, besides those with a queue or a long wait
-- include: names
-- include: fair_queue
-- include: capacity
local function resume(name)
  local lane = capacity_open(ARGV[1], name, tonumber(ARGV[2]), {rpm = 0, tpm = 0, longest = 0})
  capacity_reopen(lane)
  capacity_close(lane)
end

for _, name in ipairs(redis.call('SMEMBERS', ARGV[1] .. ':lanes' .. LANE_VERSION)) do
  if string.sub(name, 1, #ARGV[3]) == ARGV[3] then
    resume(name)
  end
end
for number = 4, #ARGV do
  resume(ARGV[number])
end
