"""What a process has room for, with a clock and an event loop that stand still."""

import resource
from collections.abc import Callable, Iterator

import pytest

from serin_server.admission import (
    MAX_CONNECTIONS,
    MAX_HELD_BYTES,
    MAX_LAG,
    MAX_OPEN_REQUESTS,
    PATIENCE_SECONDS,
    Admission,
    OverloadError,
    Room,
    connections_for,
    raised_file_limit,
)


class Client:
    """A connection, and whether it had to give its place up."""

    is_open = True

    def give_up(self) -> None:
        self.is_open = False


class Loop:
    """An event loop whose time passes when a test says so."""

    def __init__(self) -> None:
        self.now = 0.0
        self._calls: list[tuple[float, Callable[[], None]]] = []

    def call_later(self, delay: float, callback: Callable[[], None], /) -> None:
        self._calls.append((self.now + delay, callback))

    def turn(self, *, after: float) -> None:
        """Begin a turn so much later, with the calls that are due."""
        self.now += after
        due = [callback for at, callback in self._calls if at <= self.now]
        self._calls = [(at, callback) for at, callback in self._calls if at > self.now]
        for callback in due:
            callback()

    @property
    def is_idle(self) -> bool:
        return not self._calls


def test_the_client_that_has_been_waited_for_the_longest_gives_its_place_up() -> None:
    loop = Loop()
    admission, clients = Admission(max_connections=3, monotonic=lambda: loop.now), [Client() for _ in range(3)]
    assert {admission.opened(client) for client in clients} == {Room.FREE}
    admission.works(clients[0])
    loop.now += PATIENCE_SECONDS
    admission.waits(clients[0])  # so it has been waited for since now
    assert admission.opened(Client()) is Room.FREE
    assert [client.is_open for client in clients] == [True, False, True]


def test_new_connections_are_not_closed_for_newer_ones_whose_requests_are_refused() -> None:
    admission, clients = Admission(max_connections=2), [Client() for _ in range(4)]
    found = [admission.opened(client) for client in clients]
    assert found == [Room.FREE, Room.FREE, Room.REFUSAL, Room.REFUSAL]
    assert all(client.is_open for client in clients)


def test_where_not_even_a_refusal_has_room_the_newest_connection_gets_some_as_it_may_be_a_probe() -> None:
    admission, clients = Admission(max_connections=2), [Client() for _ in range(5)]
    found = [admission.opened(client) for client in clients]
    assert found[-1] is Room.REFUSAL
    assert [client.is_open for client in clients] == [False, True, True, True, True]
    for client in clients[1:]:
        admission.works(client)
    assert admission.opened(Client()) is Room.NONE
    assert admission.refused == 1


def test_a_connection_whose_request_is_answered_keeps_its_place() -> None:
    loop = Loop()
    admission, clients = Admission(max_connections=2, monotonic=lambda: loop.now), [Client(), Client()]
    for client in clients:
        admission.opened(client)
        admission.works(client)
    loop.now += 10 * PATIENCE_SECONDS
    assert admission.opened(Client()) is Room.REFUSAL
    assert [client.is_open for client in clients] == [True, True]
    admission.closed(clients[0])
    loop.now += PATIENCE_SECONDS
    assert admission.opened(Client()) is Room.FREE


def test_requests_that_are_answered_at_once_are_bounded() -> None:
    admission, clients = Admission(), [Client() for _ in range(MAX_OPEN_REQUESTS)]
    for client in clients:
        admission.opened(client)
        assert not admission.is_full
        admission.works(client)
    assert admission.is_full
    admission.waits(clients[0])
    assert not admission.is_full


def test_bodies_together_are_bounded_and_what_has_ended_is_forgotten() -> None:
    admission = Admission()
    admission.hold(MAX_HELD_BYTES - 1)
    with pytest.raises(OverloadError, match="too many large requests"):
        admission.hold(2)
    assert admission.refused == 1
    admission.release(10)
    admission.hold(11)


@pytest.fixture
def loop() -> Loop:
    return Loop()


@pytest.fixture
def admission(loop: Loop) -> Admission:
    return Admission(monotonic=lambda: loop.now)


def requests(admission: Admission, loop: Loop, *, each: float, until: float) -> Iterator[bool]:
    """Handle requests that each take some seconds in one turn of the loop; yield whether each comes too late."""
    end = loop.now + until
    while loop.now < end:
        is_late = admission.is_late(loop)
        loop.now += 0.0 if is_late else each
        yield is_late
        if is_late:
            return


def test_one_long_turn_refuses_nothing_and_the_second_one_does(admission: Admission, loop: Loop) -> None:
    assert not any(requests(admission, loop, each=0.01, until=5 * MAX_LAG))
    loop.turn(after=0.0)
    began = loop.now
    assert any(requests(admission, loop, each=0.01, until=5 * MAX_LAG))
    assert loop.now - began < 2 * MAX_LAG


def test_a_turn_that_does_not_end_refuses_what_is_more_than_one_request_of_each_connection(loop: Loop) -> None:
    admission = Admission(max_connections=100, monotonic=lambda: loop.now)
    found = list(requests(admission, loop, each=0.01, until=10 * MAX_LAG))
    assert found[-1]
    assert found.count(False) == 101  # the first one begins the turn


def test_a_pause_of_the_process_refuses_nothing(admission: Admission, loop: Loop) -> None:
    assert not admission.is_late(loop)
    loop.turn(after=10 * MAX_LAG)
    assert not any(requests(admission, loop, each=0.001, until=MAX_LAG))


def test_after_the_flood_everything_is_taken_again_and_no_timer_is_left(admission: Admission, loop: Loop) -> None:
    for _ in range(3):
        list(requests(admission, loop, each=0.01, until=5 * MAX_LAG))
        loop.turn(after=0.0)
    loop.turn(after=0.06)
    assert not any(requests(admission, loop, each=0.01, until=0.1))
    for _ in range(3):
        loop.turn(after=0.06)
    assert loop.is_idle


def test_connections_leave_room_for_the_other_files_of_the_process() -> None:
    assert connections_for(1_000_000) == MAX_CONNECTIONS
    assert connections_for(1024) == 412
    assert connections_for(10) > 0


def test_the_number_of_files_is_raised_as_far_as_it_is_needed_and_allowed() -> None:
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (256, before[1]))
        found = raised_file_limit()
        assert resource.getrlimit(resource.RLIMIT_NOFILE) == (found, before[1])
        assert found > 256
        assert raised_file_limit() == found
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)
