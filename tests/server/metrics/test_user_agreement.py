from collections.abc import Collection

import pytest
from server.fakes import CANDIDATE

from serin_server.metrics.counters import Agree, Arm, StageCounts, StageKey
from serin_server.metrics.user_agreement import UserCounts
from serin_server.stores.store import StoreUnavailableError

pytestmark = pytest.mark.anyio


class FakeShared:
    """Remembers users for all pods; may be away."""

    def __init__(self) -> None:
        self.seen: set[tuple[StageKey, int]] = set()
        self.is_away = False

    async def first_compared(self, key: StageKey, users: Collection[int]) -> Collection[int]:
        if self.is_away:
            raise StoreUnavailableError("the store does not answer")
        first = {user for user in users if (key, user) not in self.seen}
        self.seen |= {(key, user) for user in first}
        return first


def stage(number: int = 1) -> StageCounts:
    return StageCounts(StageKey(CANDIDATE, number))


def users_of(counts: StageCounts, arm: Arm = Arm.CANARY) -> dict[Agree, int]:
    return {agree: number for agree, number in counts.arms[arm].users.items() if number}


async def test_alone_a_user_counts_at_once_with_the_first_comparison() -> None:
    users, counts = UserCounts(None), stage()
    for agree in (Agree.TRUE, Agree.FALSE, Agree.TRUE):
        users.add(counts, arm=Arm.CANARY, user=1, agree=agree)
    assert users_of(counts) == {Agree.TRUE: 1}


async def test_a_comparison_without_control_answer_does_not_use_the_user_up() -> None:
    users, counts = UserCounts(None), stage()
    for agree in (Agree.NONE, Agree.NONE, Agree.FALSE):
        users.add(counts, arm=Arm.CANARY, user=1, agree=agree)
    assert users_of(counts) == {Agree.NONE: 1, Agree.FALSE: 1}


async def test_the_same_user_counts_again_in_the_next_stage() -> None:
    users, first, second = UserCounts(None), stage(1), stage(2)
    for counts in (first, second):
        users.add(counts, arm=Arm.CANARY, user=1, agree=Agree.TRUE)
    assert users_of(first) == users_of(second) == {Agree.TRUE: 1}


async def test_over_several_pods_with_one_store_a_user_counts_once() -> None:
    shared = FakeShared()
    pods = [(UserCounts(shared), stage()) for _ in range(3)]
    for users, counts in pods:
        for user in range(10):
            users.add(counts, arm=Arm.CANARY, user=user, agree=Agree.TRUE)
        await users.flush()
    assert [users_of(counts).get(Agree.TRUE, 0) for _, counts in pods] == [10, 0, 0]


async def test_counts_go_to_the_stage_in_which_the_request_was_decided() -> None:
    users, first, second = UserCounts(FakeShared()), stage(1), stage(2)
    users.add(first, arm=Arm.CANARY, user=1, agree=Agree.TRUE)
    users.add(second, arm=Arm.CONTROL, user=1, agree=Agree.FALSE)
    await users.flush()
    assert users_of(first) == {Agree.TRUE: 1}
    assert users_of(second, Arm.CONTROL) == {Agree.FALSE: 1}


async def test_while_the_store_is_away_users_are_lost_and_never_counted_twice() -> None:
    shared = FakeShared()
    users, counts = UserCounts(shared), stage()
    shared.is_away = True
    users.add(counts, arm=Arm.CANARY, user=1, agree=Agree.TRUE)
    await users.flush()
    shared.is_away = False
    users.add(counts, arm=Arm.CANARY, user=1, agree=Agree.TRUE)
    users.add(counts, arm=Arm.CANARY, user=2, agree=Agree.TRUE)
    await users.flush()
    assert users_of(counts) == {Agree.TRUE: 1}
