"""The command line: one thin module a command; only here is anything printed and the process ended."""
