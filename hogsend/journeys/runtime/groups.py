"""Which group a wait is about."""

from __future__ import annotations

from hogsend.journeys import reads
from hogsend.journeys.runtime.passage import Passage
from hogsend.journeys.runtime.signals import JourneyError
from hogsend.kernel.wire_json import JsonValue


class GroupUnresolvable(JourneyError):
    """The person is in no group of this type, or in several; name one."""

    default_code = "group_unresolvable"


async def resolve_group(
    passage: Passage, group: str | tuple[str, str] | None
) -> tuple[str, str] | None:
    """A type and key: as given, else that of the trigger, else the person's only one.

    What was found is recorded: moving to another company does not move a wait.
    """
    if group is None:
        return None
    parts = group if isinstance(group, tuple) else (group,)
    if len(parts) > 2 or not all(isinstance(part, str) and part for part in parts):
        raise JourneyError(
            f"{group!r} names no group",
            hint="write group='company', or group=('company', key) for a certain one",
        )
    if isinstance(group, tuple) and len(group) == 2:
        return group
    group_type = parts[0]
    full = f"group:{group_type}"
    step = passage.find(full)
    if step is None:
        step = passage.keep(full, "group", await _find(passage, group_type))
    return group_type, str(step.value)


async def _find(passage: Passage, group_type: str) -> JsonValue:
    services, enrollment = passage.services, passage.enrollment
    named = await services.offload.query(
        reads.find_trigger_group, services.db, enrollment.trigger_event_id, group_type
    )
    if named is not None:
        return named
    keys = await services.offload.query(
        reads.list_group_keys, services.db, enrollment.contact_id, group_type
    )
    if len(keys) != 1:
        which = "no" if not keys else "more than one"
        raise GroupUnresolvable(
            f"the person is in {which} group of type {group_type!r}",
            hint=f"name it: group=({group_type!r}, key)",
        )
    return keys[0]
