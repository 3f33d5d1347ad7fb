"""What a request means and whether it is allowed."""
