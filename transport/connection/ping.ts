import { ConnectionError } from "../session/errors.ts";
import type { OperationRules, Operations } from "./operations.ts";

/** Takes a round-trip time: see {@linkcode Connection.ping}. */
export async function ping(operations: Operations, rules: OperationRules): Promise<number> {
  rules.signal?.throwIfAborted();
  operations.checkOpen();
  const { timely: session } = operations;
  const since = session.ping();
  return await operations.run(operations.pings, rules, () => {
    const rtt = session.roundTripSince(since);
    if (rtt >= 0) return rtt;
    if (session.error) throw session.error;
    if (session.state === "open") return undefined;
    throw new ConnectionError("closed", "Cannot ping: both ends have ended the connection");
  });
}
