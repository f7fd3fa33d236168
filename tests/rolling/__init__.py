"""Every process is replaced while clients work: no request and no session may be lost."""
