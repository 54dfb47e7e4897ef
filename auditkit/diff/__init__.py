"""Two results side by side: what changed, how surely, and on which inputs."""
