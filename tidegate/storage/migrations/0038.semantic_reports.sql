-- Whether a caller reported that the answer was wrong: each answer may be reported once.
ALTER TABLE semantic_decisions ADD COLUMN reported boolean NOT NULL DEFAULT false;
