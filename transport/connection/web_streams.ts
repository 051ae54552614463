/**
 * Web Streams over the reads and writes of a connection.
 *
 * @module
 */
import { reasonWords } from "../session/shown.ts";

/** Number of bytes that a readable stream asks for at a time. */
const CHUNK = 65_536;

/**
 * Makes a stream of bytes.
 *
 * @param read Reads into a buffer. Gives the number of bytes, or null at the end of the stream.
 * @param cancel Is called when the reader cancels the stream.
 */
export function readableStream(
  read: (p: Uint8Array<ArrayBuffer>) => Promise<number | null>,
  cancel: () => void,
): ReadableStream<Uint8Array<ArrayBuffer>> {
  return new ReadableStream({
    type: "bytes",
    autoAllocateChunkSize: CHUNK,
    pull: async (controller) => {
      const request = controller.byobRequest!;
      const view = request.view as Uint8Array<ArrayBuffer>;
      const count = await read(new Uint8Array(view.buffer, view.byteOffset, view.byteLength));
      if (count === null) controller.close();
      request.respond(count ?? 0);
    },
    cancel,
  }) as ReadableStream<Uint8Array<ArrayBuffer>>;
}

/**
 * Makes a stream that writes every chunk completely.
 *
 * @param write Writes all of a chunk.
 * @param close Is called when the writer closes the stream.
 * @param abort Is called with a message when the writer aborts the stream, and with the error that
 * the writer gave.
 */
export function writableStream(
  write: (p: Uint8Array) => Promise<void>,
  close: () => Promise<void>,
  abort: (message: string, cause?: Error) => void,
): WritableStream<Uint8Array> {
  return new WritableStream({
    write,
    close,
    abort: (reason) => {
      const cause = reason instanceof Error ? reason : undefined;
      abort(`The writable stream was aborted${reasonWords(reason)}`, cause);
    },
  });
}
