"""Replays journey functions from their journal."""
