"""The command line: one module a command, arguments in, core called, text or JSON out."""
