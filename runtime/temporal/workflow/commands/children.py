"""The commands `spawn` and `exec`, which start child workflows."""

from __future__ import annotations

from collections.abc import Callable

from temporalio.bridge.proto.child_workflow import ChildWorkflowResult, StartChildWorkflowExecutionFailedCause
from temporalio.bridge.proto.workflow_activation import ResolveChildWorkflowExecutionStart

from runtime import errors, limits
from runtime.errors import Error, limit_exceeded
from runtime.lua import protocol
from runtime.lua.protocol import EXIT, LINK_DOWN, Command
from runtime.payload import NOTHING, Payload
from runtime.temporal import failures, wire
from runtime.temporal.workflow import foreign, system_activities
from runtime.temporal.workflow.activity import Activity, Outcome
from runtime.temporal.workflow.child_plan import ChildPlan, target_of
from runtime.temporal.workflow.commands import messages
from runtime.temporal.workflow.delayed_start import DelayedStart
from runtime.temporal.workflow.pending import PendingChild
from runtime.temporal.workflow.recorded_choices import (
    check,
    check_input,
    check_name,
    check_size,
    check_under_way,
    refuse,
)
from runtime.temporal.workflow.run import HeldPort, Run
from runtime.temporal.workflow.timer import Timer
from runtime.temporal.workflow.turns import CHILD_STARTED, FOLLOWED, RESULT

_ALREADY_EXISTS = (
    StartChildWorkflowExecutionFailedCause.START_CHILD_WORKFLOW_EXECUTION_FAILED_CAUSE_WORKFLOW_ALREADY_EXISTS
)


def spawn(run: Run, command: Command) -> None:
    """Starts a child; the result is its PID as soon as it has started, and an event follows when it ends."""
    _begin(run, command, is_spawned=True)


def execute(run: Run, command: Command) -> None:
    """Starts a child and waits for its value."""
    _begin(run, command, is_spawned=False)


def _begin(run: Run, command: Command, *, is_spawned: bool) -> None:
    check_name(run, "the id of a workflow", command.data["id"], command.seq)
    target, seq = target_of(run, command), command.seq
    assert seq is not None
    _check_depth(run, seq)
    check_size(run, f"arguments of {target.id}", command.args, seq)
    check_input(run, seq, target.id, target.input_schema, command.args)
    child = Child(run, seq, target.id, ChildPlan(run, command, target), is_spawned)
    run.outstanding[seq] = child.cancel
    run.turns.soon(child.begin)


def _check_depth(run: Run, seq: int) -> None:
    """What the registry says of this run's entry when it is asked; a replay goes by the record."""
    most = run.most.depth
    was = limit_exceeded("as many had started one another in a row as limits.depth allows", limit="depth")
    check(run, "depth", seq, lambda: limits.check_depth(run.depth + 1, most, run.entry_id), was)


class Child:
    """One child workflow, from its plan to its end. It may be delayed; then it is started, found open already, or refused.

    The script hears the PID of a spawned child and then its end, and the value of a child that is executed.
    """

    def __init__(self, run: Run, seq: int, entry: str, plan: ChildPlan, is_spawned: bool) -> None:
        self._entry = entry
        self._run, self._seq, self._plan, self._is_spawned = run, seq, plan, is_spawned
        self._number = 0
        self._is_over = False  # nobody waits for it any more
        self._delay: DelayedStart | None = None
        self._held: HeldPort | None = None  # its start, where the task was full
        self._is_greeted = self._has_waited = self._is_start_given_up = self._has_ended = False
        self._give_up: Callable[[], object] = self._abandon  # what a cancellation does now

    def begin(self) -> None:
        if self._is_over:
            self._run.turns.soon(self._tell_abandoned)
        elif self._plan.delay is None:
            self._start()
        else:
            self._begin_delayed(self._plan.delay.total_seconds())

    def cancel(self) -> None:
        """The script gives it up. It hears of it by the outcome."""
        self._give_up()

    def _abandon(self) -> None:
        self._is_over = True

    def _tell_abandoned(self) -> None:
        if self._seq in self._run.outstanding:
            self._run.resolve(self._seq, errors.canceled("workflow canceled"))

    # -- a delayed start

    def _begin_delayed(self, seconds: float) -> None:
        run, plan = self._run, self._plan
        if self._is_spawned:  # the PID is known at once; a start that is refused in the end is an end
            run.resolve(self._seq, Payload.of(plan.pid))
        other = run.delays.get(plan.id)
        if other is not None:  # one of that id waits already: who starts first decides, as without a delay
            self._give_up = lambda: run.turns.soon(self._end_abandoned)
            other.when_started(lambda _: run.turns.after(FOLLOWED, self._start_if_wanted))
            return
        delay = DelayedStart(lambda error: run.turns.after(FOLLOWED, self._delayed, error))
        self._delay = run.delays[plan.id] = delay
        self._greet()  # what the script sends meanwhile comes after that
        self._timer = Timer(run, seconds, plan.at, lambda: self._delayed(delay.elapse()), RESULT - 1 + FOLLOWED)
        run.turns.soon(self._timer.begin)
        self._give_up = lambda: run.turns.soon(self._cancel_delay)

    def _delayed(self, error: Error | None) -> None:
        """The delay is over."""
        if self._has_waited:
            return
        self._has_waited = True
        self._timer.cancel()
        if self._is_over:
            return
        if error is not None:
            self._refuse(error)
        else:
            self._start()

    def _cancel_delay(self) -> None:
        if not self._is_over:
            self._timer.cancel()
            self._end_abandoned()

    def _end_abandoned(self) -> None:
        self._is_over = True
        self._settle_delay(started=False)
        self._run.turns.soon(self._tell_abandoned)

    def _settle_delay(self, *, started: bool) -> None:
        if self._delay is not None:
            del self._run.delays[self._plan.id]
            self._delay.settle(started)
            self._delay = None

    # -- the start

    def _start_if_wanted(self) -> None:
        if not self._is_over:
            self._start()

    def _start(self) -> None:
        run = self._run
        under_way = len(run.pending.children)
        try:
            check_under_way(run, "children", under_way, self._seq)
            if under_way >= limits.MAX_PENDING:
                refuse(run, "pending", self._seq, limits.too_many("children"))
        except Error as error:
            self._refuse(error)
            return
        self._give_up = self._give_up_held
        self._held = run.pacing.send(self._plan.size, self._write)

    def _write(self) -> None:
        run, plan = self._run, self._plan
        self._held = None
        self._number = run.pending.next("child_workflow")
        run.pending.children[self._number] = PendingChild(plan.id, plan.type, self._resolve_start, self._resolve)
        plan.write(run, self._number)
        self._give_up = self._give_up_start

    def _give_up_held(self) -> None:
        if self._held is not None:
            self._held.drop()
        self._run.turns.soon(self._end_abandoned)

    def _give_up_start(self) -> None:
        self._is_start_given_up = True
        self._run.turns.soon(self._cancel_start)

    def _is_start_over(self) -> bool:
        """Whether nobody waits for the start any more. Who was about to give it up does so now."""
        if self._is_start_given_up and self._run.cancel_requested:
            self._cancel_start()
        return self._is_over

    def _cancel_start(self) -> None:
        if self._is_over:
            return
        self._cancel_child()
        if self._run.cancel_requested:
            self._end_abandoned()

    def _cancel_child(self) -> None:
        self._run.emit().cancel_child_workflow_execution.child_workflow_seq = self._number

    def _resolve_start(self, start: ResolveChildWorkflowExecutionStart) -> None:
        how = start.WhichOneof("status")
        after = self._run.turns.after
        if how == "succeeded":
            after(CHILD_STARTED, self._started)
        elif how == "cancelled":
            after(
                CHILD_STARTED, self._start_failed, failures.from_failure(self._run.failure_of(start.cancelled.failure))
            )
        elif start.failed.cause == _ALREADY_EXISTS:
            after(CHILD_STARTED, self._exists)
        else:
            text = f'workflow "{self._plan.id}" was not started: Unknown child start fail cause: {start.failed.cause}'
            after(CHILD_STARTED, self._start_failed, errors.invalid(text))

    def _start_failed(self, error: Error) -> None:
        if not self._is_start_over():
            self._refuse(error)

    def _started(self) -> None:
        """The child runs, or another of its id does that is to be used."""
        if self._is_start_over():
            return
        run, plan = self._run, self._plan
        self._settle_delay(started=True)
        self._greet()
        if self._is_spawned and plan.delay is None:
            run.resolve(self._seq, Payload.of(plan.pid))
        self._give_up = self._give_up_child

    def _give_up_child(self) -> None:
        if self._has_ended:
            self._abandon()
        else:
            self._run.turns.soon(self._cancel_child)

    def _greet(self) -> None:
        if self._is_greeted:
            return
        self._is_greeted = True
        for item in self._plan.messages:
            messages.deliver(self._run, self._plan.id, item["topic"], item.get("args") or [])

    # -- an id that is taken

    def _exists(self) -> None:
        if self._is_start_over():
            return
        plan = self._plan
        if plan.conflict != "use_existing":
            self._name_the_other()
        elif plan.takes_closed_ids:
            self._adopt()
        else:  # the policy also refuses the id of a run that has closed
            self._wait_for(system_activities.find_run(self._run, plan.id, self._found_open, is_open=True))

    def _found_open(self, outcome: Outcome) -> None:
        if self._is_given_up(outcome):
            self._end_abandoned()
        elif isinstance(outcome, Payload):
            self._adopt()
        else:
            self._name_the_other()

    def _adopt(self) -> None:
        """It belongs to somebody else: a system activity waits for it."""
        self._started()
        self._wait_for(system_activities.await_run(self._run, self._plan.id, self._adopted_ended))

    def _adopted_ended(self, outcome: Outcome) -> None:
        if self._is_given_up(outcome):
            self._end_abandoned()
            return
        self._ended(outcome if isinstance(outcome, Payload) else foreign.error_of(self._run, self._entry, outcome))

    def _name_the_other(self) -> None:
        """The server's refusal does not name the run that is in the way. One that is gone by now has no id to tell."""
        self._wait_for(system_activities.find_run(self._run, self._plan.id, self._refuse_taken))

    def _refuse_taken(self, outcome: Outcome) -> None:
        if self._is_given_up(outcome):
            self._end_abandoned()
            return
        details = {"workflow_id": self._plan.id}
        if isinstance(outcome, Payload):
            details["run_id"] = outcome.value()
        text = f'workflow "{self._plan.id}" already started'
        self._refuse(errors.already_exists(text, **details))

    def _wait_for(self, activity: Activity) -> None:
        def give_up() -> None:
            if not activity.cancel():
                self._abandon()

        self._give_up = give_up

    def _is_given_up(self, outcome: Outcome) -> bool:
        """Whether the script gave it up before it heard of the outcome."""
        return self._is_over or isinstance(outcome, Error)

    # -- the end

    def _refuse(self, error: Error) -> None:
        """It never started."""
        self._settle_delay(started=False)
        if self._is_spawned and self._plan.delay is not None:
            self._announce(error)
        else:
            self._run.resolve(self._seq, self._plan.placed(error))

    def _resolve(self, result: ChildWorkflowResult) -> None:
        how = result.WhichOneof("status") or "failed"
        value: Payload | Error
        if how == "completed":
            done = result.completed
            value = wire.from_proto(done.result) if done.HasField("result") else NOTHING
        else:
            value = foreign.error_of(self._run, self._entry, self._run.failure_of(getattr(result, how).failure))
        self._run.turns.after(RESULT - 1, self._hear_of_end, value)

    def _hear_of_end(self, value: Payload | Error) -> None:
        self._has_ended = True
        if not self._is_over:
            self._run.turns.soon(self._tell_end, value)

    def _tell_end(self, value: Payload | Error) -> None:
        if self._is_over:  # the script gave it up before it heard
            self._end_abandoned()
        else:
            self._ended(value)

    def _ended(self, value: Payload | Error) -> None:
        if self._is_over:
            return
        value = foreign.judged(self._run, self._entry, value, self._seq)
        if self._is_spawned:
            self._announce(value)
        else:
            self._run.resolve(self._seq, value)

    def _announce(self, value: Payload | Error) -> None:
        run, pid = self._run, self._plan.pid
        if isinstance(value, Payload):
            run.post(protocol.process_exit(pid, run.now, value, kind=EXIT))
            return
        if self._plan.linked:
            run.post(protocol.process_exit(pid, run.now, error=value, kind=LINK_DOWN))
        run.post(protocol.process_exit(pid, run.now, error=value, kind=EXIT))
