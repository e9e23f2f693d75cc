DROP VIEW usage_daily;
DROP VIEW turns;
DROP VIEW messages;
DROP FUNCTION added_messages;
