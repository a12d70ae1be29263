"""One module per run mode: boot order, signals, exit codes."""
