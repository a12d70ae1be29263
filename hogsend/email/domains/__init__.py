"""The sending domain: what the provider thinks of it, and what the world sees of it."""
