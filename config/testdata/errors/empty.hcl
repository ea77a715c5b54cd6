# nothing here # ERROR: No project
