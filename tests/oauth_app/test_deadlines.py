import threading

import pytest

from oauth_app.deadlines import Busy, Deadline


def test_what_ends_in_time_is_returned_or_raised():
    deadline = Deadline(places=1)
    assert deadline.run(divmod, 7, 2, seconds=5) == (3, 1)
    with pytest.raises(ZeroDivisionError):
        deadline.run(divmod, 7, 0, seconds=5)
    assert deadline.run(len, "", seconds=5) == 0, "the place is free again"


def test_what_does_not_end_is_left_behind_and_keeps_its_place():
    deadline, end = Deadline(places=1), threading.Event()
    with pytest.raises(TimeoutError):
        deadline.run(end.wait, seconds=0.01)
    assert deadline.is_full
    with pytest.raises(Busy):
        deadline.run(len, "", seconds=5)
    end.set()
    for thread in threading.enumerate():
        if thread.name == "deadline":
            thread.join(5)
    assert not deadline.is_full
    assert deadline.run(len, "free", seconds=5) == 4
