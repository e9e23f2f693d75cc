DROP TABLE keys;
DROP TABLE projects;
