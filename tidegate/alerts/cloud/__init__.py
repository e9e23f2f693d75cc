"""The three alerts as alarms of a cloud's own monitoring, which reads the lines of the call log. No I/O."""
