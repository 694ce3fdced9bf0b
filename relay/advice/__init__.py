"""What a provider's error means and what to do about it: data, and pure functions that look it up."""
