-- ledger_append: append entries that came within a short time.
--
--   KEYS  1 the ledger (stream)   ARGV  the entries, JSON objects
-- Returns how many there were
for _, entry in ipairs(ARGV) do
  redis.call('XADD', KEYS[1], '*', 'e', entry)
end
return #ARGV
