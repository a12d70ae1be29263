"""Content that runs when ``HOGSEND_APP`` is not set."""
