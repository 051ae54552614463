/**
 * One end of a stream of udx-native, in a process of its own: `end.ts` for another library. The last
 * argument is its task, in JSON. It prints lines of JSON: a server its port, and the end that counts
 * its result.
 */
import process from "node:process";

// Deno checks this file too, and can't resolve the name of a package that only Node.js has.
const load = (name) => import(name);
const { default: UDX } = await load("udx-native");

/** The buffers that the sockets of this library ask for on Node.js. */
const BUFFER_SIZE = 4 << 20;
const SERVER_ID = 1, CLIENT_ID = 2;

const { role, mode, port, size, warmup, seconds } = JSON.parse(process.argv.at(-1));
const udx = new UDX();
const socket = udx.createSocket();
socket.bind(0, "127.0.0.1");
socket.setRecvBufferSize(BUFFER_SIZE);
socket.setSendBufferSize(BUFFER_SIZE);

const print = (line) => process.stdout.write(`${JSON.stringify(line)}\n`);

/** Counts the bytes between the end of the warm-up and the end of the measurement. */
class Counter {
  #bytes = 0;
  #from = performance.now() + warmup * 1000;
  #until = this.#from + seconds * 1000;
  #ended = false;

  add(count) {
    const now = performance.now();
    if (now < this.#from || this.#ended) return;
    if (now < this.#until) {
      this.#bytes += count;
      return;
    }
    this.#ended = true;
    print({ bytes: this.#bytes, seconds: (now - this.#from) / 1000 });
  }
}

function serve() {
  // The library has no handshake: a message tells the port of the client.
  socket.once("message", (_message, from) => {
    const stream = udx.createStream(SERVER_ID);
    stream.connect(socket, CLIENT_ID, from.port, "127.0.0.1");
    const counter = new Counter();
    stream.on("data", (bytes) => {
      if (mode === "sink") counter.add(bytes.length);
      else if (!stream.write(bytes)) stream.pause();
    });
    stream.on("drain", () => stream.resume());
    // The client sends after this answer.
    socket.send(new Uint8Array(1), from.port, "127.0.0.1");
  });
  print({ port: socket.address().port });
}

function dial() {
  const stream = udx.createStream(CLIENT_ID);
  stream.connect(socket, SERVER_ID, port, "127.0.0.1");
  const bytes = new Uint8Array(size);
  const write = () => stream.write(bytes);
  const writeOn = () => {
    while (write());
  };
  socket.once("message", () => {
    const counter = new Counter();
    let got = 0;
    stream.on("data", ({ length }) => {
      counter.add(length);
      got += length;
      if (mode === "echo" && got >= size) {
        got = 0;
        write();
      }
    });
    if (mode === "echo") {
      write();
      return;
    }
    stream.on("drain", writeOn);
    writeOn();
  });
  socket.send(new Uint8Array(1), port, "127.0.0.1");
}

if (role === "server") serve();
else dial();
