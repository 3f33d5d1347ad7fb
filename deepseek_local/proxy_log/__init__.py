"""What nginx refuses by itself, on its way from its error log to the audit log."""
