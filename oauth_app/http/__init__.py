"""HTTP for all endpoints: errors, cross-origin requests, rate limits, addresses, time limits."""
