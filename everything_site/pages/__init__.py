"""The pages of the site, and what every page shows."""
