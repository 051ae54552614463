import { checkBytes } from "../../kcp/options.ts";
import { type OperationRules, type Operations, VOID } from "./operations.ts";

/** Writes some bytes, as soon as the send queue has room: see {@linkcode Connection.write}. */
export function write(
  operations: Operations,
  bytes: Uint8Array,
  rules: OperationRules,
): Promise<number> {
  return operations.run(operations.writes, rules, () => {
    checkBytes(bytes);
    operations.checkWritable();
    if (bytes.length === 0) return 0;
    return operations.session.write(bytes) || undefined;
  });
}

/** Writes all bytes of several pieces, with nothing in between: see {@linkcode Connection.writev}. */
export async function writePieces(
  operations: Operations,
  pieces: readonly Uint8Array[],
  rules: OperationRules,
): Promise<void> {
  if (!Array.isArray(pieces)) throw new TypeError("Cannot write: the pieces must be an array");
  let total = 0;
  for (const piece of pieces) {
    checkBytes(piece);
    total += piece.length;
  }
  /** The piece that is written next, and how much of it is written. */
  let index = 0, offset = 0;
  let written = 0;
  const progress = () => `: ${written} of ${total} bytes were written`;
  await operations.run(operations.writes, { ...rules, progress }, () => {
    operations.checkWritable();
    for (; index < pieces.length; index++, offset = 0) {
      const piece = pieces[index];
      while (offset < piece.length) {
        const count = operations.session.write(offset === 0 ? piece : piece.subarray(offset));
        if (count === 0) return undefined;
        offset += count;
        written += count;
      }
    }
    return VOID;
  });
}

/** Ends the stream behind all earlier writes: see {@linkcode Connection.closeWrite}. */
export async function endWrite(operations: Operations, rules: OperationRules): Promise<void> {
  await operations.run(operations.writes, { ...rules, afterClose: true }, () => {
    const { timely: session } = operations;
    if (session.error) throw session.error;
    session.endWrite();
    return VOID;
  });
}
