"""One module per noun; imported when its command is called."""
