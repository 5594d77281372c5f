"""Every recorded history must replay, and a changed one must not."""

from __future__ import annotations

import base64
import json
import os
from pathlib import Path

import pytest

from runtime.lua.hibernation import HibernationPool
from runtime.lua.program import Programs
from runtime.registry import DirectoryStore, Registry
from runtime.temporal.replay.replayer import replay

FOLDER = Path(__file__).parent
REGISTRY = FOLDER.parent.parent / "config" / "registry.yaml"
BUNDLES = DirectoryStore(FOLDER / "bundles")
HISTORIES = sorted(FOLDER.glob("*.json"))


@pytest.fixture(scope="module")
def registry() -> Registry:
    return Registry.load(REGISTRY, environ=os.environ)


def test_there_is_one_for_each_way_an_order_goes() -> None:
    names = {path.stem for path in HISTORIES}
    assert {"order_completed", "order_out_of_stock", "order_compensated", "order_approved"} <= names


@pytest.mark.parametrize("path", HISTORIES, ids=lambda path: path.stem)
async def test_it_replays_with_the_code_and_the_kernel_it_began_with(path: Path, registry: Registry) -> None:
    """What an upgrade of Evermoon leaves of a run: its history, and its bundle in the store."""
    [result] = await replay([path], registry, Programs(registry, BUNDLES))
    assert result.failure is None


@pytest.mark.parametrize("path", HISTORIES, ids=lambda path: path.stem)
async def test_it_replays_with_the_code_of_today(path: Path, registry: Registry) -> None:
    [result] = await replay([path], registry, latest=True)
    assert result.failure is None


@pytest.mark.parametrize("path", HISTORIES, ids=lambda path: path.stem)
async def test_it_replays_asleep_between_its_tasks(path: Path, registry: Registry) -> None:
    pool = HibernationPool(0)
    [result] = await replay([path], registry, Programs(registry, BUNDLES), pool=pool)
    assert result.failure is None
    assert pool.counts.wakes > 2
    assert pool.counts.live == pool.counts.asleep == 0


async def test_a_history_whose_bundle_is_nowhere_does_not(registry: Registry) -> None:
    history = json.loads((FOLDER / "order_completed.json").read_text())
    fields = history["events"][0]["workflowExecutionStartedEventAttributes"]["header"]["fields"]
    fields["evermoon-bundle"]["data"] = base64.b64encode(json.dumps("0" * 64).encode()).decode()
    [result] = await replay([history], registry, Programs(registry, BUNDLES))
    assert f"bundle not found: {'0' * 64}; it is not in" in (result.failure or "")


async def test_a_tampered_history_does_not(registry: Registry) -> None:
    text = (FOLDER / "order_completed.json").read_text().replace("app:reserve_stock", "app:create_payment")
    [result] = await replay([json.loads(text)], registry, Programs(registry, BUNDLES))
    assert result.failure is not None
    assert "create_payment" in result.failure


@pytest.mark.parametrize(
    ("event", "place", "field"),
    [
        ("activityTaskScheduledEventAttributes", "input", "order_id"),
        ("activityTaskCompletedEventAttributes", "result", "payment_id"),
        ("workflowExecutionCompletedEventAttributes", "result", "payment_id"),
    ],
)
async def test_a_changed_value_does_not(event: str, place: str, field: str, registry: Registry) -> None:
    """Temporal's own replay compares no values; here one that somebody changed in a history is found."""
    history = json.loads((FOLDER / "order_completed.json").read_text())
    payloads = [item[event][place]["payloads"][0] for item in history["events"] if event in item]
    payload, value = next(
        (payload, value)
        for payload, value in ((payload, json.loads(base64.b64decode(payload["data"]))) for payload in payloads)
        if field in value
    )
    payload["data"] = base64.b64encode(json.dumps({**value, field: "another"}).encode()).decode()
    [result] = await replay([history], registry, Programs(registry, BUNDLES))
    assert result.failure is not None
    assert "another" in result.failure
