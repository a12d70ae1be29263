"""Journeys: async functions that react to events and pause for as long as they like."""
