"""The endpoints of the authorization server, and what their pages show."""
