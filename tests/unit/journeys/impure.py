"""Functions that read past the context, for test_scan; each names the line with a mark."""

from __future__ import annotations

import asyncio
import datetime as datetimes
import os
import random
import secrets
import time
import uuid
from datetime import datetime
from random import choice
from typing import Any


def stamp() -> str:
    return datetime.now(datetimes.UTC).isoformat()  # here


async def clock_in_a_helper(user: Any, ctx: Any) -> None:
    await ctx.send_email("x", props={"at": stamp()})


async def clock(user: Any, ctx: Any) -> None:
    if time.time() > 0:  # here
        await ctx.sleep(1)


async def date(user: Any, ctx: Any) -> None:
    await ctx.checkpoint(str(datetimes.date.today()))  # here


async def clock_of_its_own_import(user: Any, ctx: Any) -> None:
    from time import monotonic

    await ctx.checkpoint(str(monotonic()))  # here


async def dice(user: Any, ctx: Any) -> None:
    await ctx.checkpoint(str(random.random()))  # here


async def named_dice(user: Any, ctx: Any) -> None:
    await ctx.checkpoint(choice("ab"))  # here


async def unseeded(user: Any, ctx: Any) -> None:
    dice = random.Random()  # here
    await ctx.checkpoint(dice.choice("ab"))


async def ids(user: Any, ctx: Any) -> None:
    await ctx.checkpoint(str(uuid.uuid4()))  # here


async def tokens(user: Any, ctx: Any) -> None:
    await ctx.checkpoint(secrets.token_hex())  # here


async def bytes_of_the_machine(user: Any, ctx: Any) -> None:
    await ctx.checkpoint(os.urandom(4).hex())  # here


async def real_sleep(user: Any, ctx: Any) -> None:
    time.sleep(1)  # here


async def asyncio_sleep(user: Any, ctx: Any) -> None:
    await asyncio.sleep(1)  # here


async def fine(user: Any, ctx: Any) -> None:
    dice = random.Random(user.id)
    at = await ctx.once("at", lambda: time.time())
    await ctx.once("stamp", stamp)
    await asyncio.sleep(0)
    time = await ctx.now()
    await ctx.checkpoint(f"{dice.random()}{at}{time.time()}{uuid.uuid5(uuid.NAMESPACE_DNS, 'x')}")
