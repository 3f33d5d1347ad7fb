"""What is known about a model before it is started."""
