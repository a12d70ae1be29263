"""Events: the append-only spine everything else reacts to."""
