"""The command line: everything that is not a mode."""
