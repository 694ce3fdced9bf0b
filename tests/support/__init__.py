"""What several tests need: clocks, certificates, servers that misbehave."""
