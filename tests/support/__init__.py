"""Support for black-box tests: server processes, a proxy, a simulated browser."""
