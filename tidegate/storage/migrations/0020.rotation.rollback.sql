DROP TABLE secret_uses;
DROP TABLE replaced_secrets;
