"""Sends the answer of an operation over HTTP as it comes, or an error before its first byte."""

from tidegate.core.errors import TidegateError
from tidegate.pipeline.passthrough.response import PassthroughResponse
from tidegate.web import envelope
from tidegate.web.asgi_cycle import respond_with_error
from tidegate.web.exchange import ClientExchange
from tidegate.web.response_head import header_lines


class OperationReply:
    """Writes one HTTP response."""

    def __init__(self, exchange: ClientExchange, *, request_id: str) -> None:
        self._exchange = exchange
        self._request_id_line = b"x-request-id: %b\r\n" % request_id.encode()
        self._is_stream = False
        self.status = 0
        """The status that was sent; 0 before that."""

    async def send(self, response: PassthroughResponse) -> None:
        """Send the answer. Raises TidegateError; where it was started, it must be cut, or a stream ended."""
        exchange, body = self._exchange, response.body
        if body is not None:
            self.status = response.status
            exchange.respond(response.status, self._lines(response), body)
            return
        self._is_stream = response.is_stream
        data = await response.next()  # an answer that fails at once has its own status
        self._start(response)
        while data:
            exchange.write(data)
            if exchange.connection.is_full:
                await exchange.drain()
            data = await response.next()
        exchange.end()

    def send_head(self, response: PassthroughResponse) -> None:
        """Send the head of an answer alone."""
        self._start(response)
        self._exchange.end()

    def send_error(self, error: TidegateError) -> None:
        """Send an error: as the response, or as the last event of a stream; a file that breaks off is cut instead."""
        exchange = self._exchange
        if not exchange.is_started:
            self.status = envelope.status_of(error)
            respond_with_error(exchange, error, self._request_id_line)
        elif self._is_stream and not exchange.is_complete:
            exchange.write(envelope.event_of(error, responses=True))
            exchange.end()

    def _start(self, response: PassthroughResponse) -> None:
        self.status = response.status
        self._exchange.start(response.status, self._lines(response), has_length=response.size is not None)

    def _lines(self, response: PassthroughResponse) -> bytes:
        lines = header_lines(response.headers) + self._request_id_line
        if response.size is not None:
            lines += b"content-length: %d\r\n" % response.size
        if response.cost_nanos is not None:
            lines += b"x-tidegate-cost-usd: %d.%09d\r\n" % divmod(response.cost_nanos, 1_000_000_000)
        return lines + header_lines(envelope.remaining_limit_headers(response.remaining_limits))
