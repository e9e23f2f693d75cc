DROP TABLE ledger_rejected;
DROP TABLE ledger;
