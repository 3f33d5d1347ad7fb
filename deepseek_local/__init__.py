"""Run DeepSeek models on your own servers behind a fail-closed, fully audited front door."""

__version__ = "0.1.0"
