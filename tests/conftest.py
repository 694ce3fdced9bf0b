"""For all tests: hypothesis judges what happens, not how long it takes on a busy machine."""

from hypothesis import HealthCheck, settings

settings.register_profile("relay", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("relay")
