import asyncio

from serving.http.server import Corked


class Transport(asyncio.Transport):
    """A transport that notes what is done with it."""

    def __init__(self) -> None:
        super().__init__()
        self.done: list[bytes | str] = []

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.done.append(bytes(data))

    def close(self) -> None:
        self.done.append("close")


async def one_turn() -> list[bytes | str]:
    transport = Transport()
    corked = Corked(transport, asyncio.get_running_loop())
    corked.write(b"head ")
    corked.write(b"body")
    assert transport.done == []
    await asyncio.sleep(0)
    corked.write(b"next")
    await asyncio.sleep(0)
    corked.write(b"last")
    corked.close()
    await asyncio.sleep(0)
    return transport.done


def test_what_is_written_in_one_turn_goes_out_at_once_and_before_the_end() -> None:
    assert asyncio.run(one_turn()) == [b"head body", b"next", b"last", "close"]
