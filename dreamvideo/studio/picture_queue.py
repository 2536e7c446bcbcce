"""Which picture is dreamed next: one worker for all browsers, the newest request of each, what is looked at first.

A request is a list of tasks, each a step of its own, so that a newer or more urgent one waits for one picture at most.
"""

from __future__ import annotations

import hashlib
import json
import logging
from base64 import b64decode
from collections import OrderedDict, deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from threading import Condition, Event, Thread
from typing import Any, Final

log = logging.getLogger(__name__)

MOST_CLIENTS: Final = 32  # browsers that are remembered
MOST_EVENTS: Final = 1000  # of a browser that it has not fetched
MOST_TASKS: Final = 400  # of a request
MOST_KNOWN: Final = 5000  # tasks whose answers are remembered
CACHE_BYTES: Final = 96 << 20  # of pictures, some thousands
PRIORITY: Final = {"stage": 0, "preview": 1, "names": 2, "tiles": 3}  # by the kind of request

Task = Mapping[str, Any]
Dreamer = Callable[[Task, Callable[[], bool]], Iterator[Mapping[str, Any]]]  # (task, should stop) -> answers


@dataclass(eq=False)
class _Request:
    client: str
    kind: str
    number: int
    tasks: deque[tuple[Mapping[str, Any], Task]]  # (what the page calls it, task)
    cancelled: Event = field(default_factory=Event)
    served: int = 0  # when it was served last, so that requests of one priority take turns


class PictureQueue:
    """Dreams pictures in a thread and keeps them.

    Args:
        dream: runs a task; a message with `error` is shown to the user.
        close: ends what `dream` started; called once.
    """

    def __init__(self, dream: Dreamer, close: Callable[[], None] = lambda: None) -> None:
        self._dream, self._close_dreamer = dream, close
        self._changed = Condition()
        self._requests: dict[tuple[str, str], _Request] = {}
        self._running: _Request | None = None
        self._events: OrderedDict[str, deque[dict[str, Any]]] = OrderedDict()
        self._pictures: OrderedDict[str, bytes] = OrderedDict()
        self._known: OrderedDict[str, list[dict[str, Any]]] = OrderedDict()  # hash of a task -> its messages
        self._bytes = self._number = 0
        self._closing = False
        self._thread = Thread(target=self._run, name="pictures")
        self._thread.start()

    def ask(self, client: str, kind: str, tasks: Sequence[tuple[Mapping[str, Any], Task]]) -> int:
        """Replace what a browser has asked for; what is known is answered at once.

        Args:
            client: which browser.
            kind: a key of `PRIORITY`.
            tasks: what the page calls each, and what is dreamed; none: cancel.

        Returns:
            The number of the request, which its events bear.
        """
        with self._changed:
            self._number += 1
            self.cancel(client, kind)
            request = _Request(client, kind, self._number, deque(tasks))
            self._client(client)
            request.tasks = deque(each for each in request.tasks if not self._answer_known(request, *each))
            if request.tasks:
                self._requests[client, kind] = request
            else:
                self._tell(request, {"done": True})
            self._changed.notify_all()
            return request.number

    def cancel(self, client: str, kind: str) -> None:
        """Forget a request; one that is being served ends after its picture."""
        with self._changed:
            request = self._requests.pop((client, kind), None)
            if request is not None:
                request.cancelled.set()

    def events(self, client: str, after: int) -> list[dict[str, Any]]:
        """Return what happened to the requests of a browser since event `after`, and forget what was before."""
        with self._changed:
            events = self._client(client)
            while events and events[0]["event"] <= after:
                events.popleft()
            return list(events)

    def picture(self, key: str) -> bytes | None:
        """Return the JPEG of a key; None: it is no longer kept."""
        with self._changed:
            if key in self._pictures:
                self._pictures.move_to_end(key)
            return self._pictures.get(key)

    def close(self) -> None:
        """End the thread and what it started."""
        with self._changed:
            self._closing = True
            for request in (*self._requests.values(), *filter(None, [self._running])):
                request.cancelled.set()
            self._requests.clear()
            self._changed.notify_all()
        self._close_dreamer()
        self._thread.join()

    def _client(self, client: str) -> deque[dict[str, Any]]:
        if client not in self._events:
            self._events[client] = deque(maxlen=MOST_EVENTS)
            if len(self._events) > MOST_CLIENTS:
                oldest, _ = self._events.popitem(last=False)
                for kind in PRIORITY:
                    self.cancel(oldest, kind)
        self._events.move_to_end(client)
        return self._events[client]

    def _run(self) -> None:
        while (step := self._next_step()) is not None:
            request, name, task = step
            try:
                self._serve(request, name, task)
            except Exception:
                log.exception("the process of the pictures failed")
                self._tell(request, {**name, "error": "the process that dreams pictures has ended: try again"})
            with self._changed:
                self._running = None
                if not request.tasks and not request.cancelled.is_set():
                    self._requests.pop((request.client, request.kind), None)
                    self._tell(request, {"done": True})

    def _next_step(self) -> tuple[_Request, Mapping[str, Any], Task] | None:
        with self._changed:
            self._changed.wait_for(lambda: self._closing or self._requests)
            if self._closing:
                return None
            request = min(self._requests.values(), key=lambda each: (PRIORITY[each.kind], each.served, each.number))
            self._number += 1
            request.served, self._running = self._number, request
            return request, *request.tasks.popleft()

    def _serve(self, request: _Request, name: Mapping[str, Any], task: Task) -> None:
        if self._answer_known(request, name, task):
            return
        digest = _digest(task)
        answers: list[dict[str, Any]] = []
        for answer in self._dream(task, request.cancelled.is_set):
            kept = self._keep(f"{digest}-{len(answers)}", answer)
            answers.append(kept)
            self._tell(request, {**name, **kept})
        if not request.cancelled.is_set() and not any("error" in answer for answer in answers):
            with self._changed:
                self._known[digest] = answers
                if len(self._known) > MOST_KNOWN:
                    self._known.popitem(last=False)

    def _keep(self, key: str, answer: Mapping[str, Any]) -> dict[str, Any]:
        """Keep the pictures of an answer; in their place it names them."""
        jpegs = {name: b64decode(code) for name, code in answer.get("jpegs", {}).items()}
        with self._changed:
            for name, jpeg in jpegs.items():
                self._bytes += len(jpeg) - len(self._pictures.pop(f"{key}-{name}", b""))
                self._pictures[f"{key}-{name}"] = jpeg
            while self._bytes > CACHE_BYTES:
                _, jpeg = self._pictures.popitem(last=False)
                self._bytes -= len(jpeg)
        rest = {field: value for field, value in answer.items() if field != "jpegs"}
        return {**rest, **({"pictures": {name: f"{key}-{name}" for name in jpegs}} if jpegs else {})}

    def _answer_known(self, request: _Request, name: Mapping[str, Any], task: Task) -> bool:
        with self._changed:
            known = self._known.get(_digest(task))
            keys = [key for answer in known or () for key in answer.get("pictures", {}).values()]
            if known is None or any(key not in self._pictures for key in keys):
                return False
            for answer in known:
                self._tell(request, {**name, **answer})
            return True

    def _tell(self, request: _Request, content: Mapping[str, Any]) -> None:
        with self._changed:
            if request.cancelled.is_set():
                return
            self._number += 1
            about = {"event": self._number, "request": request.number, "kind": request.kind}
            self._client(request.client).append({**about, **content})


def _digest(task: Task) -> str:
    return hashlib.sha256(json.dumps(task, sort_keys=True).encode()).hexdigest()[:32]
