/**
 * The beginning and the end of a connection: see the methods of {@linkcode Connection}.
 *
 * @module
 */
import { ConnectionError } from "../session/errors.ts";
import { ABORTED, MAX_CODE } from "../session/reset.ts";
import { shown } from "../session/shown.ts";
import { type OperationRules, type Operations, VOID } from "./operations.ts";

/** See {@linkcode Connection.open}. */
export async function waitUntilOpened(
  operations: Operations,
  rules: OperationRules,
): Promise<void> {
  const session = operations.timely;
  session.ask();
  await operations.run(operations.opens, rules, () => {
    if (session.opened) return VOID;
    if (session.error) throw session.error;
    return undefined;
  });
}

/** See {@linkcode Connection.drained}. */
export async function waitUntilDrained(
  operations: Operations,
  rules: OperationRules,
): Promise<void> {
  const { session } = operations;
  await operations.run(operations.drains, { ...rules, afterClose: true }, () => {
    if (session.error) throw session.error;
    return session.delivered || session.state === "closed" ? VOID : undefined;
  });
}

/** See {@linkcode Connection.close}. */
export function closeHere(operations: Operations): void {
  if (operations.closedHere) return;
  operations.closedHere = true;
  operations.timely.close();
}

/** See {@linkcode Connection.abort}. */
export function abortHere(operations: Operations, reason: string | Error, closeCode: number): void {
  checkCloseCode(closeCode);
  if (reason instanceof Error) {
    abortWith(operations, reason.message, closeCode, reason);
  } else if (typeof reason === "string") {
    abortWith(operations, reason, closeCode);
  } else {
    throw new TypeError(
      `Cannot abort with the reason ${shown(reason)}: it must be a string or an Error`,
    );
  }
}

/** Aborts because the writable stream was aborted: see {@linkcode Connection.writable}. */
export function abortWritable(operations: Operations, message: string, cause?: Error): void {
  // A pipe that can't read any more since the connection is closed aborts what it writes to. The
  // close goes on to deliver what is queued.
  const isClose = cause instanceof ConnectionError && cause.kind === "closed";
  if (isClose && operations.closedHere) return;
  abortWith(operations, message, 0, cause);
}

function abortWith(
  operations: Operations,
  message: string,
  closeCode: number,
  cause?: Error,
): void {
  operations.closedHere = true;
  const details = cause === undefined ? {} : { cause };
  const error = new ConnectionError("closed", message || "The connection was aborted", details);
  const session = operations.timely;
  if (session.state === "closed") session.abort(error);
  else session.reset(error, ABORTED, closeCode, message);
  session.close();
}

/** Checks the code of an abort. */
function checkCloseCode(code: number): void {
  if (typeof code !== "number") {
    throw new TypeError(`Cannot abort with the code ${shown(code)}: it must be a number`);
  }
  if (!Number.isInteger(code) || code < 0 || code > MAX_CODE) {
    throw new RangeError(`Cannot abort with the code ${code}: allowed are 0 to ${MAX_CODE}`);
  }
}
