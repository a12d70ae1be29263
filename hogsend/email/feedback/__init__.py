"""What providers report after they took a mail."""
