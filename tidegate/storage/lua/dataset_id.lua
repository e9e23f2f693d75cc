-- dataset_id: return the id of Redis's data set. Another id than before: Redis has lost its data.
--
--   ARGV  1 prefix
-- Returns the id
-- include: names
-- include: reservations

return dataset_id(ARGV[1])
