DROP TABLE cost_comparisons;
DROP TABLE audit_outcomes;
DROP TABLE audit_lines;
DROP FUNCTION refuse_audit_change();
