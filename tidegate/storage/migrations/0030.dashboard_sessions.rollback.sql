DROP TABLE dashboard_sessions, dashboard_logins;
