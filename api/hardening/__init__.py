"""What stands between the network and the application: limits on connections, requests and rates, and response headers."""
