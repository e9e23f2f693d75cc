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
--        11 the response's fingerprint, empty where no end user is named
-- Returns 1
-- include: reservations

reservations_settle(ARGV[8], cmsgpack.unpack(ARGV[9]), tonumber(ARGV[4]))
redis.call('XADD', KEYS[3], '*', 'e', ARGV[1])
if ARGV[3] ~= '0' then
  redis.call('HSET', KEYS[1], 'at', ARGV[4], 'head', ARGV[5], 'body', ARGV[6], 'account', ARGV[7], 'until', ARGV[10])
  redis.call('PEXPIRE', KEYS[1], ARGV[3])
  if ARGV[11] ~= '' then
    redis.call('ZREMRANGEBYSCORE', KEYS[4], 0, ARGV[4])
    redis.call('ZADD', KEYS[4], tonumber(ARGV[4]) + tonumber(ARGV[3]) / 1000, ARGV[11])
    if redis.call('PTTL', KEYS[4]) < tonumber(ARGV[3]) then
      redis.call('PEXPIRE', KEYS[4], ARGV[3])
    end
  end
end
if ARGV[2] ~= '' and redis.call('GET', KEYS[2]) == ARGV[2] then
  redis.call('DEL', KEYS[2])
end
return 1
