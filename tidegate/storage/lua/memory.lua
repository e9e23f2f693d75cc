-- memory: since when does this Redis remember? Another name than before says that it lost what it knew.
--
--   ARGV  1 prefix
-- Returns the name
-- include: holds

return holds_memory(ARGV[1])
