"""The audit log: what happened, in one order, durable before it counts."""
