DROP TRIGGER ledger_notes_new_slots ON ledger;
DROP TRIGGER ledger_notes_changed_slots ON ledger;
DROP FUNCTION note_usage_changes();
DROP TABLE usage_slots, usage_slot_times, usage_slot_errors, usage_changes;
