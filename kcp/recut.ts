import { type SendBuffer, STREAM } from "./send_buffer.ts";

/**
 * Cuts the segments that wait for their first transmission anew, for another size.
 *
 * The bytes of the stream are cut anywhere. A message is cut into fragments with new `frg` numbers,
 * so its boundaries stay. A message that was sent in part keeps its fragments: the first one has told
 * the peer how many there are.
 *
 * @param streamSize Payload bytes of a full segment of the stream.
 * @param fragmentSize Payload bytes of a full fragment of a message.
 * @param mostFragments Most fragments of a message, if it does not have more already. A message that
 * needs more gets larger ones.
 */
export function recut(
  buffer: SendBuffer,
  streamSize: number,
  fragmentSize: number,
  mostFragments: number,
): void {
  const lengths: number[] = [];
  const frgs: number[] = [];
  let sn = buffer.nxt;
  if (sn === buffer.end) return;
  if (buffer.frgBeforeSn(sn) > 0) {
    for (let last = false; !last && sn !== buffer.end; sn = (sn + 1) | 0) {
      lengths.push(buffer.length(sn));
      frgs.push(buffer.frg(sn));
      last = buffer.frg(sn) === 0;
    }
  }
  while (sn !== buffer.end) {
    const stream = buffer.isStream(sn);
    let bytes = 0;
    let count = 0;
    for (let last = false; !last && sn !== buffer.end; sn = (sn + 1) | 0) {
      if (buffer.isStream(sn) !== stream) break;
      bytes += buffer.length(sn);
      count++;
      last = !stream && buffer.frg(sn) === 0;
    }
    const most = Math.max(count, mostFragments);
    const size = stream ? streamSize : Math.max(fragmentSize, Math.ceil(bytes / most));
    for (let left = Math.max(1, Math.ceil(bytes / size)); left > 0; left--) {
      const length = Math.min(bytes, size);
      bytes -= length;
      lengths.push(length);
      frgs.push(stream ? STREAM : left - 1);
    }
  }
  buffer.replaceWaiting(lengths, frgs);
}
