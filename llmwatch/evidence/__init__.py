"""What is handed over: the report of a period, and the package of its evidence."""
