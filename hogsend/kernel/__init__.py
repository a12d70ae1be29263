"""Pure helpers shared by every floor: clock, ids, durations, JSON, addresses, hashing."""
