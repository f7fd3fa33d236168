"""What operators see: live sessions, read from Redis, and the machine room."""
