"""A sale's timeline: what was seen when, counted from the order and from the broadcast."""

from devnet.timeline import Timeline


def test_steps_are_counted_from_order_and_broadcast() -> None:
    times = iter([10.0, 10.0125, 10.5, 11.25])
    told: list[str] = []
    timeline = Timeline(lambda: next(times), told.append)
    for name in ("order_created", "qr", "broadcast", "paid", "paid"):
        timeline.mark(name)
    assert [step.fields() for step in timeline.steps()] == [
        {"step": "order_created", "sinceOrderMs": 0.0, "sinceBroadcastMs": None},
        {"step": "qr", "sinceOrderMs": 12.5, "sinceBroadcastMs": None},
        {"step": "broadcast", "sinceOrderMs": 500.0, "sinceBroadcastMs": 0.0},
        {"step": "paid", "sinceOrderMs": 1250.0, "sinceBroadcastMs": 750.0},
    ]
    assert told == ["order_created", "qr", "broadcast", "paid"]


def test_steps_are_told_in_the_order_they_were_seen() -> None:
    times = iter([3.0, 1.0])
    timeline = Timeline(lambda: next(times), lambda _: None)
    timeline.mark("paid")
    timeline.mark("order_created")
    assert [step.name for step in timeline.steps()] == ["order_created", "paid"]


def test_what_happened_a_while_ago_is_not_put_before_the_broadcast() -> None:
    times = iter([1.0, 2.0, 2.5, 3.0])
    timeline = Timeline(lambda: next(times), lambda _: None)
    timeline.mark("order_created")
    timeline.mark("broadcast")
    timeline.mark("proven", ago_seconds=0.25)
    timeline.mark("paid", ago_seconds=9)
    assert timeline.marks == {"order_created": 1.0, "broadcast": 2.0, "proven": 2.25, "paid": 2.0}
