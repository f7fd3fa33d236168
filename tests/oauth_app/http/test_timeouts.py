import threading

import pytest

from oauth_app.http.timeouts import Busy, TimeoutRunner


def test_a_call_that_ends_in_time_returns_or_raises():
    runner = TimeoutRunner(threads=1)
    assert runner.run(divmod, 7, 2, timeout=5) == (3, 1)
    with pytest.raises(ZeroDivisionError):
        runner.run(divmod, 7, 0, timeout=5)
    assert runner.run(len, "", timeout=5) == 0, "the thread is free again"


def test_a_call_that_does_not_end_is_abandoned_and_keeps_its_thread():
    runner, end = TimeoutRunner(threads=1), threading.Event()
    with pytest.raises(TimeoutError):
        runner.run(end.wait, timeout=0.01)
    assert runner.is_full
    with pytest.raises(Busy):
        runner.run(len, "", timeout=5)
    end.set()
    for thread in threading.enumerate():
        if thread.name == "timeout":
            thread.join(5)
    assert not runner.is_full
    assert runner.run(len, "free", timeout=5) == 4


def test_without_room_for_another_thread_nothing_is_lost_for_later(monkeypatch):
    """As where a container limits the number of threads."""
    runner = TimeoutRunner(threads=1)
    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", no_thread)
        with pytest.raises(Busy):
            runner.run(len, "", timeout=5)
    assert runner.run(len, "free", timeout=5) == 4


def no_thread(thread):
    raise RuntimeError("can't start new thread")
