"""The children of one `serve`: started, asked, watched, restarted and drained."""
