ALTER TABLE conversations DROP COLUMN leased_to, DROP COLUMN leased_until;
