"""What a journey does to the world, each at most once per place."""
