"""Groups of people: companies, teams, households."""
