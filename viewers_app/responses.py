"""Bytes of one open file as an HTTP answer: ranges, validators, bounded memory."""

import io
import os
from typing import BinaryIO

from django.http import FileResponse, HttpRequest, HttpResponse, HttpResponseBase

from viewers_app import compressed, ranges

BLOCK_BYTES = 256 * 1024


class Slice:
    """A part of an open file, as the response reads it; closing it closes the file."""

    def __init__(self, file: BinaryIO, span: ranges.Span) -> None:
        self._file = file
        self._left = span.length
        file.seek(span.start)

    def read(self, size: int) -> bytes:
        block = self._file.read(min(size, self._left))
        self._left -= len(block)
        return block

    def close(self) -> None:
        self._file.close()


class Bytes(FileResponse):
    """A FileResponse that reads larger blocks: shards are tens of megabytes."""

    block_size = BLOCK_BYTES


def file_answer(
    request: HttpRequest,
    file: BinaryIO,
    *,
    content_type: str,
    cache_control: str,
    encoding: str = "",
) -> HttpResponseBase:
    """Answer GET or HEAD with the file, a part of it, or 304 or 416. Takes over the open file.

    `encoding` says how the file is compressed. Such a file is sent as it is, or inflated for who
    does not take that; always as a whole, for a part of it would be a part of something else.
    """
    status = os.fstat(file.fileno())
    etag = ranges.etag_of(status)
    size, headers, source = status.st_size, dict(request.headers), file
    if encoding:
        headers.pop("Range", None)
        if not compressed.accepts(headers.get("Accept-Encoding", ""), encoding):
            source, size = _inflated(file, encoding)
            etag, encoding = f'{etag[:-1]}-inflated"', ""
        is_compressed = True
    else:
        is_compressed = False
    method = request.method or ""
    answer = ranges.answer(method, headers, size=size, etag=etag)
    response: HttpResponseBase
    if method == "GET" and answer.span:
        response = Bytes(
            Slice(source, answer.span), status=answer.status, content_type=content_type
        )
    else:
        source.close()
        response = HttpResponse(status=answer.status, content_type=content_type)
    _describe(response, answer, size=size)
    if is_compressed:
        response["Accept-Ranges"] = "none"
        response["Vary"] = "Accept-Encoding"
    if encoding:
        response["Content-Encoding"] = encoding
    response["ETag"] = etag
    response["Cache-Control"] = cache_control
    return response


def _inflated(file: BinaryIO, encoding: str) -> tuple[BinaryIO, int]:
    with file:
        content = compressed.inflated(file, encoding)
    return io.BytesIO(content), len(content)


def _describe(response: HttpResponseBase, answer: ranges.Answer, *, size: int) -> None:
    response["Accept-Ranges"] = "bytes"
    # Nothing from here may be embedded by a page of another site.
    response["Cross-Origin-Resource-Policy"] = "same-origin"
    if answer.status == 416:
        response["Content-Range"] = f"bytes */{size}"
    if answer.span is None:
        return
    response["Content-Length"] = str(answer.span.length)
    if answer.status == 206:
        response["Content-Range"] = answer.span.content_range(size)
