-- semantic_settle: write down what one request did to the account of semantic answers.
--
-- An answer is written down before it is given, so that a process that dies leaves an account that is never kinder than the
-- truth: an audited answer is pending until its verdict comes, and counts as wrong if that never comes.
--   KEYS  1 the account (hash)   2 the answers whose verdict is pending (hash)   3 the tally of the scope (hash)
--   ARGV  1 now, Unix seconds    2 the rules, MessagePack   3 the request's id
--         4 the act: `hold` an answer that will be judged, `charge` one that will not, both only while the account is open;
--           `judge` one that is pending, once; `note` a request that was asked in full, or got a confirmed answer
--         5 the change, MessagePack   6 seconds in which the verdict may come   7 wrong answers for the tally
-- Returns {1, or 0 where nothing was done, figures}
-- include: semantic_account

local now, rules, act = tonumber(ARGV[1]), cmsgpack.unpack(ARGV[2]), ARGV[4]
local figures, change = semantic_read(KEYS[1]), cmsgpack.unpack(ARGV[5])
local done = 1
if act == 'hold' or act == 'charge' then
  if not semantic_is_open(figures, rules) then
    done = 0
  elseif act == 'hold' then
    if redis.call('HSETNX', KEYS[2], ARGV[3], string.format('%.17g', now + tonumber(ARGV[6]))) == 1 then
      figures.pending = figures.pending + 1
      redis.call('EXPIRE', KEYS[2], SEMANTIC_KEEP_SECONDS)
    end
  end
elseif act == 'judge' then
  done = redis.call('HDEL', KEYS[2], ARGV[3])
  change.pending = -1
end
if done == 1 then
  if act ~= 'hold' then semantic_add(figures, change, rules) end
  semantic_write(KEYS[1], figures)
  if act == 'hold' or act == 'charge' then redis.call('HINCRBY', KEYS[3], 'given', 1) end
  if tonumber(ARGV[7]) > 0 then redis.call('HINCRBYFLOAT', KEYS[3], 'wrong', ARGV[7]) end
  redis.call('EXPIRE', KEYS[3], SEMANTIC_KEEP_SECONDS)
end
return { done, semantic_reply(figures) }
