DROP TABLE semantic_decisions, semantic_changes, semantic_scopes;
