DROP FUNCTION objects_of_others;
DROP TABLE owned_objects;
