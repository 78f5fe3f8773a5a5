"""How property tests search here: the same examples on every machine, and never against a clock."""

from hypothesis import HealthCheck, settings


def search(max_examples: int = 100) -> settings:
    """Settings for a property that holds on a machine of any speed."""
    return settings(
        max_examples=max_examples,
        deadline=None,
        derandomize=True,
        print_blob=True,
        suppress_health_check=[HealthCheck.too_slow],
    )
