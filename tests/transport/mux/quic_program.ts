/**
 * A program for `Deno.QuicConn`: a server and a client of it. It knows nothing of the module behind
 * its connections.
 *
 * @module
 */

/** The members of `Deno.QuicListener` that the program uses. */
export interface Listener extends AsyncIterable<{ accept(): Conn | Promise<Conn> }> {
  stop(): void;
}
/** The members of `Deno.QuicConn` that the program uses: all but those of TLS and its endpoint. */
export type Conn = Omit<Deno.QuicConn, "endpoint">;

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** Answers every stream with its bytes, in capitals, and datagrams with themselves. */
export async function serve(listener: Listener): Promise<void> {
  for await (const incoming of listener) {
    const conn = await incoming.accept();
    answerDatagrams(conn);
    for await (const { readable, writable } of conn.incomingBidirectionalStreams) {
      readable
        .pipeThrough(new TextDecoderStream() as ReadableWritablePair<string, Uint8Array>)
        .pipeThrough(
          new TransformStream({
            transform: (text: string, controller) => controller.enqueue(text.toUpperCase()),
          }),
        )
        .pipeThrough(new TextEncoderStream())
        .pipeTo(writable)
        .catch(() => {});
    }
  }
}

async function answerDatagrams(conn: Conn): Promise<void> {
  try {
    for (;;) await conn.sendDatagram(await conn.readDatagram());
  } catch {
    // The connection was closed.
  }
}

/** What the client has seen. */
export interface Seen {
  readonly answers: string[];
  readonly large: number;
  readonly ids: bigint[];
  readonly order: number;
  readonly datagram: string;
  readonly failed: boolean;
}

/** Uses a connection in every way. */
export async function talk(conn: Conn): Promise<Seen> {
  await conn.handshake;
  const answers = await Promise.all(["one", "two", "three"].map((text) => ask(conn, text)));

  // A long body, of which the answer is read while it is written.
  const bulk = await conn.createBidirectionalStream({ sendOrder: -1 });
  const writer = bulk.writable.getWriter();
  const writing = (async () => {
    for (let i = 0; i < 20; i++) {
      await writer.ready;
      await writer.write(encoder.encode("x".repeat(50_000)));
    }
    await writer.close();
  })();
  let large = 0;
  for await (const chunk of bulk.readable) large += chunk.length;
  await writing;

  const stream = await conn.createBidirectionalStream({ waitUntilAvailable: true });
  stream.writable.sendOrder = 5;
  const ids = [stream.readable.id, stream.writable.id];
  const order = stream.writable.sendOrder;
  // Memory of one's own.
  const last = stream.writable.getWriter();
  await last.write(encoder.encode("own memory"));
  await last.close();
  const reader = stream.readable.getReader({ mode: "byob" });
  const { value } = await reader.read(new Uint8Array(100), { min: 10 } as object);
  answers.push(decoder.decode(value!));
  await reader.cancel();

  if (conn.maxDatagramSize < 100) throw new Error("Datagrams are too small");
  const receiving = conn.readDatagram();
  await conn.sendDatagram(encoder.encode("ping"));
  const datagram = decoder.decode(await receiving);

  conn.close({ closeCode: 3, reason: "enough" });
  const failed = await conn.createBidirectionalStream().then(() => false, () => true);
  return { answers, large, ids, order, datagram, failed };
}

async function ask(conn: Conn, text: string): Promise<string> {
  const { readable, writable } = await conn.createBidirectionalStream();
  const writer = writable.getWriter();
  await writer.write(encoder.encode(text));
  await writer.close();
  return await new Response(readable).text();
}
