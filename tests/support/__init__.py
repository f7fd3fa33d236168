"""What tests need to speak to the project from outside: processes, a proxy, a browser played over HTTP."""
