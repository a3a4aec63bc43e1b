"""From a token's bytes to what may be believed of it: examined once, then remembered."""
