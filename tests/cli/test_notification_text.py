from datetime import UTC, datetime

from serin_cli.notification_text import describe_notifications
from serin_cli.status_text import describe_status

NOW = datetime(2026, 1, 1, tzinfo=UTC)
FAILING = {"type": "NotificationsFailing", "status": "True", "reason": "DeliveryFailing", "message": "audit: HTTP 503"}
NOTIFICATIONS = {"waiting": [{"to": ["audit"]}, {"to": ["audit", "team-ml"]}], "dropped": {"audit": 3, "pager": 1}}


def live(**status):
    return {"metadata": {"namespace": "default", "name": "categories"}, "spec": {}, "status": status}


def test_what_waits_was_dropped_and_fails_is_shown_by_destination():
    found = live(notifications=NOTIFICATIONS, conditions=[FAILING])
    assert list(describe_notifications(found)) == [
        "audit: 2 waiting, 3 dropped",
        "pager: 1 dropped",
        "team-ml: 1 waiting",
        "audit: HTTP 503",
    ]
    shown = describe_status(found, now=NOW)
    assert "  notify     audit: 2 waiting, 3 dropped" in shown


def test_nothing_is_shown_of_notifications_that_are_delivered():
    assert list(describe_notifications(live(notifications={"sequence": 7}))) == []
    assert list(describe_notifications({"metadata": {}})) == []
