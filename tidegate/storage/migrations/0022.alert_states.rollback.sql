DROP TABLE alert_figures;
DROP TABLE alert_messages;
DROP TABLE alert_control;
DROP TABLE alert_states;
