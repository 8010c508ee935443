"""What the gateway is made of: virtual keys, upstreams, limits on connections, and reloading."""
