-- repair_key: set one key aside whose value cannot be read.
--   KEYS  1 the key
-- Returns its kind, or an empty text where there is no such key or it is not ours
-- include: repair

return repair(KEYS[1]) or ''
